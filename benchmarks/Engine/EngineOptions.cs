using Lathe.Contracts;
using Lathe.Hosting;

namespace Lathe.Benchmarks.Engine;

/// <summary>What <c>engine</c> measures.</summary>
/// <param name="Threads">Threads that libtorch computes with.</param>
/// <param name="Steps">Steps that a variant makes in each of its turns.</param>
/// <param name="Rounds">Turns that each variant gets.</param>
/// <param name="Warmup">Steps before the first turn, not counted.</param>
/// <param name="Models">Networks.</param>
/// <param name="Variants">Names of the variants to run; null: all.</param>
/// <param name="Json">Where the results are written, or null.</param>
internal sealed record EngineOptions(
    int Threads, int Steps, int Rounds, int Warmup, IReadOnlyList<string> Models, IReadOnlyList<string>? Variants, string? Json)
{
    private const string Known = "--threads, --steps, --rounds, --warmup, --models, --variants and --json";

    /// <exception cref="LatheException">A switch is unknown or its value unusable.</exception>
    public static EngineOptions Parse(IReadOnlyList<string> words)
    {
        var switches = new Switches("engine", words);
        var options = new EngineOptions(
            switches.Number("threads", CpuBudget.OfProcess),
            switches.Number("steps", 3),
            switches.Number("rounds", 5),
            switches.Number("warmup", 2),
            switches.Text("models")?.Split(',') ?? [.. Workload.Known.Keys],
            switches.Text("variants")?.Split(','),
            switches.Text("json"));
        switches.RefuseOthers(Known);
        if (options.Models.FirstOrDefault(model => !Workload.Known.ContainsKey(model)) is { } unknown)
            throw new LatheException($"engine: --models has '{unknown}'; known are {string.Join(", ", Workload.Known.Keys)}.");
        return options;
    }
}
