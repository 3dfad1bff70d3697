using Lathe.Cli.Output;
using Lathe.Cli.Sources;
using Lathe.Contracts;
using Lathe.Coordinator;
using Lathe.Hosting;
using Lathe.NN.Checkpoints;

namespace Lathe.Cli.Report;

/// <summary>One stage's work in a sweep, however many results go on from it.</summary>
/// <param name="Stage">Name of the stage.</param>
/// <param name="Name">What tells it apart from others of its stage.</param>
/// <param name="Checkpoint">What it made.</param>
/// <param name="Step">Its step in the checkpoint's lineage; null where the checkpoint could not be read.</param>
/// <param name="Dense">Of the lineage.</param>
/// <param name="Problem">Why the checkpoint could not be read.</param>
internal sealed record ReportedStep(string Stage, string Name, CheckpointRef Checkpoint, LineageStep? Step, CheckpointRef? Dense, string? Problem);

/// <summary>All that a report shows.</summary>
/// <param name="Sweep">The sweep.</param>
/// <param name="Leaves">Its results, with the records that the store has.</param>
/// <param name="Names">The way to each.</param>
/// <param name="Steps">Every checkpoint that it made, once each, in the tree's order.</param>
internal sealed record SweepReport(SweepStatus Sweep, IReadOnlyList<LeafResult> Leaves, IReadOnlyList<string> Names, IReadOnlyList<ReportedStep> Steps)
{
    /// <summary>Gathers it.</summary>
    /// <param name="reader">Where the sweep is written down.</param>
    /// <param name="reference">Id, start of one, or name.</param>
    /// <param name="settings">Where the store lies.</param>
    /// <param name="stop">Gives up.</param>
    /// <exception cref="LatheException">There is no such sweep.</exception>
    public static async Task<SweepReport> ReadAsync(ISweepReader reader, string reference, HostingSettings settings, CancellationToken stop)
    {
        var sweep = await reader.StatusAsync(reference, stop);
        // By its id: a sweep of the same name may have begun in the meantime.
        var leaves = StoredDetails.AddTo(await reader.ResultsAsync(sweep.Id.ToString(), stop), new ResultStore(settings)).Leaves;
        return Of(sweep, leaves, checkpoint => CheckpointHeader.Read(new CheckpointStore(settings).PathOf(checkpoint)));
    }

    /// <summary>Puts it together.</summary>
    /// <param name="sweep">The sweep.</param>
    /// <param name="leaves">Its results.</param>
    /// <param name="read">Reads what a checkpoint says of itself; a <see cref="LatheException"/> becomes a note.</param>
    public static SweepReport Of(SweepStatus sweep, IReadOnlyList<LeafResult> leaves, Func<CheckpointRef, CheckpointHeader> read)
    {
        var made = new List<(LeafResult Way, CheckpointRef Checkpoint)>();
        foreach (var leaf in leaves)
        {
            for (var i = 0; i < leaf.Stages.Count; i++)
            {
                if (leaf.Stages[i].Checkpoint is not { } checkpoint || made.Exists(m => m.Checkpoint.Sha256 == checkpoint.Sha256)) continue;
                made.Add((leaf with { Stages = [.. leaf.Stages.Take(i + 1)] }, checkpoint));
            }
        }

        var steps = made.GroupBy(m => m.Way.Stages[^1].Stage).SelectMany(group => group.Zip(StepNames([.. group.Select(m => m.Way)])));
        return new SweepReport(
            sweep, leaves, [.. Ways.Of(leaves).Select(way => string.Join(" > ", way))],
            [.. steps.OrderBy(s => made.IndexOf(s.First)).Select(s => Read(s.First.Way.Stages[^1].Stage, s.Second, s.First.Checkpoint, read))]);
    }

    /// <summary>True for a result that no stage made smaller.</summary>
    public static bool IsDense(LeafResult leaf) =>
        leaf.Figure("bits") is null && leaf.Figure("parametersRatio") is null or 1 && leaf.Figure("multiplicationsRatio") is null or 1
        && leaf.Stages.Select(s => s.Checkpoint?.Sha256).OfType<string>().Distinct().Count() <= 1;

    private static IEnumerable<string> StepNames(IReadOnlyList<LeafResult> ways) => Ways.Of(ways).Zip(ways, (way, leaf) =>
        string.Join(" > ", way.Count > 0 && way[^1] == "dense" ? [.. way.SkipLast(1), leaf.Stages[^1].Stage] : way));

    private static ReportedStep Read(string stage, string name, CheckpointRef checkpoint, Func<CheckpointRef, CheckpointHeader> read)
    {
        try
        {
            var lineage = read(checkpoint).Lineage;
            return new ReportedStep(stage, name, checkpoint, lineage.Steps is [.., var last] ? last : null, lineage.Dense, null);
        }
        catch (Exception e) when (e is LatheException or IOException or UnauthorizedAccessException)
        {
            return new ReportedStep(stage, name, checkpoint, null, null, e.Message);
        }
    }
}
