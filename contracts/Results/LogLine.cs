namespace Lathe.Contracts;

/// <summary>A line of an execution's log.</summary>
/// <param name="Line">Its number; the execution counts on over all attempts.</param>
/// <param name="At">When it was written.</param>
/// <param name="Level"><c>information</c>, <c>warning</c> or <c>error</c>.</param>
/// <param name="Attempt">The attempt that it is of.</param>
/// <param name="Worker">The worker that wrote it.</param>
/// <param name="Text">What happened, without secrets that the worker knows.</param>
public sealed record LogLine(long Line, DateTimeOffset At, string Level, int Attempt, string Worker, string Text);

/// <summary>Lines of an execution's log.</summary>
/// <param name="Lines">In order.</param>
/// <param name="Next">Ask for what comes <c>after</c> this line.</param>
/// <param name="IsOpen">True: more may come, since the execution has not ended.</param>
public sealed record LogPage(IReadOnlyList<LogLine> Lines, long Next, bool IsOpen);
