namespace Lathe.EndToEnd.Tests;

/// <summary>Programs of stages: those that come with Lathe, and the examples.</summary>
internal static class ExampleStages
{
    private static readonly Dictionary<string, string> Examples = new() { ["distill"] = "Lathe.Examples.Distiller", ["lowrank"] = "Lathe.Examples.LowRank" };

    /// <summary>Program that serves a stage.</summary>
    public static string ProgramOf(string stage) =>
        Examples.TryGetValue(stage, out var example) ? Path.Combine(AppContext.BaseDirectory, example) : Cluster.Executables[stage];
}
