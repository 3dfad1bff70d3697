using System.Text.Json;
using Lathe.Contracts;
using Lathe.Contracts.Panels;

namespace Lathe.Reports.Results;

/// <summary>What a checkpoint says of the stage that made it.</summary>
/// <param name="Version">Version of the stage.</param>
/// <param name="Parameters">Its parameters, defaults included.</param>
/// <param name="Seed">Seed it ran with.</param>
/// <param name="Input">Checkpoint it started from; null for a first stage.</param>
/// <param name="Data">Data set it used; null: none.</param>
/// <param name="Versions">What it ran on.</param>
/// <param name="Facts">What it measured.</param>
/// <param name="Panels">Its pictures and tables.</param>
public sealed record CheckpointStory(
    string Version, JsonElement Parameters, long Seed, CheckpointRef? Input, DataRef? Data, IReadOnlyDictionary<string, string> Versions,
    IReadOnlyDictionary<string, double> Facts, IReadOnlyList<Panel> Panels);

/// <summary>One stage's work in a sweep, however many results go on from it.</summary>
/// <param name="Stage">Name of the stage.</param>
/// <param name="Name">What tells it apart from others of its stage.</param>
/// <param name="Label">The same in few characters.</param>
/// <param name="OnlyMeasures">True: it left the checkpoint as it was.</param>
/// <param name="Checkpoint">What it made or measured.</param>
/// <param name="Panels">Its pictures and tables.</param>
/// <param name="Story">How the checkpoint came about; null where it was only measured, or could not be read.</param>
/// <param name="Problem">Why the checkpoint could not be read.</param>
public sealed record ReportedExecution(
    string Stage, string Name, string Label, bool OnlyMeasures, CheckpointRef? Checkpoint, IReadOnlyList<Panel> Panels, CheckpointStory? Story = null, string? Problem = null)
{
    /// <summary>True where it only measured, and another result is better: its panels are details.</summary>
    public bool IsOutdone { get; init; }
}

/// <summary>All that a report shows.</summary>
/// <param name="Sweep">The sweep.</param>
/// <param name="Results">Its results.</param>
/// <param name="Executions">Each that made a checkpoint, in the tree's order, then each that measured one, in the order of results.</param>
public sealed record SweepReport(SweepStatus Sweep, ShownResults Results, IReadOnlyList<ReportedExecution> Executions)
{
    /// <summary>Puts it together.</summary>
    /// <param name="sweep">The sweep.</param>
    /// <param name="results">Its results.</param>
    /// <param name="read">Reads what a checkpoint says of its stage; a <see cref="LatheException"/> becomes a note on the page.</param>
    /// <param name="panels">Pictures and tables of an execution that only measured, and whose result has none.</param>
    public static SweepReport Of(
        SweepStatus sweep, ShownResults results, Func<CheckpointRef, CheckpointStory?> read, Func<LeafResult, StageResult, IReadOnlyList<Panel>> panels) =>
        new(sweep, results, [.. Made(results, read), .. Measured(results, panels)]);

    /// <summary>Executions that made a checkpoint.</summary>
    public IEnumerable<ReportedExecution> Makers => Executions.Where(e => !e.OnlyMeasures);

    private static IEnumerable<ReportedExecution> Made(ShownResults results, Func<CheckpointRef, CheckpointStory?> read)
    {
        var ways = new List<LeafResult>();
        var seen = new HashSet<string>();
        foreach (var leaf in results.Leaves)
        {
            for (var i = 0; i < leaf.Stages.Count; i++)
            {
                if (leaf.Stages[i].Checkpoint is { } checkpoint && seen.Add(checkpoint.Sha256)) ways.Add(leaf with { Stages = [.. leaf.Stages.Take(i + 1)] });
            }
        }

        var names = ways.GroupBy(w => w.Stages[^1].Stage).SelectMany(group => group.Zip(Names([.. group]))).ToDictionary(n => n.First, n => n.Second);
        return ways.Select(way => Read(way.Stages[^1], names[way], read));
    }

    private static IEnumerable<ReportedExecution> Measured(ShownResults results, Func<LeafResult, StageResult, IReadOnlyList<Panel>> panels) =>
        from leaf in results.Leaves.Index()
        where leaf.Item.Stages.Count > 0 && leaf.Item.Stages[^1].OnlyMeasures
        let last = leaf.Item.Stages[^1]
        select new ReportedExecution(
            last.Stage, $"{leaf.Index + 1}: {results.Name(leaf.Index)}", $"{leaf.Index + 1}", true, last.Checkpoint, last.Panels ?? panels(leaf.Item, last))
        {
            IsOutdone = leaf.Index != results.Best,
        };

    /// <summary>Only measured and first stages have no name of their own on a way.</summary>
    private static IEnumerable<string> Names(IReadOnlyList<LeafResult> ways) =>
        Ways.Of(ways).Zip(ways, (way, leaf) => string.Join(" > ", way is [.., Ways.Dense] ? [.. way.SkipLast(1), leaf.Stages[^1].Stage] : way));

    private static ReportedExecution Read(StageResult stage, string name, Func<CheckpointRef, CheckpointStory?> read)
    {
        try
        {
            var story = read(stage.Checkpoint!);
            return new ReportedExecution(stage.Stage, name, name, false, stage.Checkpoint, stage.Panels ?? story?.Panels ?? [], story);
        }
        catch (Exception e) when (e is LatheException or IOException or UnauthorizedAccessException)
        {
            return new ReportedExecution(stage.Stage, name, name, false, stage.Checkpoint, stage.Panels ?? [], Problem: e.Message);
        }
    }
}
