using Lathe.Contracts;

namespace Lathe.Reports;

/// <summary>States as words and colours.</summary>
public static class Words
{
    public static string Of(ExecutionState state) => state switch
    {
        ExecutionState.Completed => "done",
        _ => state.ToString().ToLowerInvariant(),
    };

    public static string Colour(ExecutionState state) => state switch
    {
        ExecutionState.Running => "yellow",
        ExecutionState.Completed => "green",
        ExecutionState.Cached => "teal",
        ExecutionState.Failed => "red",
        _ => "grey",
    };

    public static string Of(SweepState state) => state.ToString().ToLowerInvariant();

    /// <summary>A word or sentence as it begins a heading.</summary>
    public static string Capital(string text) => text.Length == 0 ? text : char.ToUpperInvariant(text[0]) + text[1..];

    public static bool IsOver(ExecutionState state) =>
        state is ExecutionState.Completed or ExecutionState.Cached or ExecutionState.Failed or ExecutionState.Skipped or ExecutionState.Cancelled;

    /// <summary>True while something may still happen to a sweep.</summary>
    public static bool GoesOn(SweepState state) => state is SweepState.Preparing or SweepState.Running or SweepState.Paused;
}
