namespace Lathe.Contracts;

/// <summary>One thing wrong with a stage's parameters.</summary>
/// <param name="Pointer">
/// JSON pointer (RFC 6901) into the parameters: <c>/bits/features.0</c>; empty where the parameters as a whole are meant.
/// </param>
/// <param name="Message">What is wrong, what was expected and what to do; it does not repeat the pointer.</param>
public sealed record ParameterProblem(string Pointer, string Message)
{
    /// <summary>A problem with one parameter.</summary>
    /// <param name="name">Name of the parameter, for example <c>learningRate</c>.</param>
    /// <param name="message">As <see cref="Message"/>.</param>
    public static ParameterProblem Of(string name, string message) => new(JsonPointer.Of(name), message);

    /// <summary>The problem as the fault of a stage that finds it only when it runs: <c>prune.multiplications: ...</c>.</summary>
    /// <param name="stage">Name of the stage.</param>
    public LatheException Fault(string stage) => new($"{string.Join('.', [stage, .. JsonPointer.Steps(Pointer)])}: {Message}");
}
