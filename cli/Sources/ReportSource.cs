using Lathe.Cli.Embedded;
using Lathe.Contracts;
using Lathe.Coordinator;
using Lathe.Graph.Checkpoints;
using Lathe.Hosting;

namespace Lathe.Cli.Sources;

/// <summary>Gathers what a report shows: results where the sweep is written down, the rest from the store.</summary>
internal static class ReportSource
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
        var results = StoredDetails.AddTo(await reader.ResultsAsync(sweep.Id.ToString(), stop), new ResultStore(settings));
        var store = new CheckpointStore(settings);
        return Of(sweep, results, checkpoint => CheckpointHeader.Read(store.PathOf(checkpoint)).Lineage);
    }

    /// <summary>Puts it together.</summary>
    /// <param name="sweep">The sweep.</param>
    /// <param name="results">Its results.</param>
    /// <param name="read">Reads what a checkpoint says of itself; a <see cref="LatheException"/> becomes a note.</param>
    public static SweepReport Of(SweepStatus sweep, SweepResults results, Func<CheckpointRef, Lineage> read) =>
        SweepReport.Of(sweep, Shown(sweep, results), checkpoint => read(checkpoint).Steps is [.., var last] ? Story(last) : null, BuiltInStages.PanelsOf);

    private static ShownResults Shown(SweepStatus sweep, SweepResults results)
    {
        if (sweep.Search?.Objectives is not { Count: > 0 } objectives) return ShownResults.Of(results);
        var (shown, front) = FrontTests.Of(results, objectives);
        return ShownResults.Of(shown) with { Note = $"Figures of test images are shown for the {front} results alone that no other one dominates in the objectives of the search. They decide nothing." };
    }

    private static CheckpointStory Story(LineageStep step) =>
        new(step.Version, step.Parameters, step.Seed, step.Input, step.Data, step.Versions, step.Facts, BuiltInStages.PanelsOf(step));
}
