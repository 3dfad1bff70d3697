using Lathe.Contracts;
using Lathe.Contracts.Panels;
using Lathe.Graph;
using Lathe.Graph.Checkpoints;
using Lathe.Hosting;
using Microsoft.AspNetCore.Http.HttpResults;

namespace Lathe.Coordinator;

/// <summary>Results side by side. Every inner list has a place for each execution, in the order in which they were asked for.</summary>
/// <param name="Executions">What is compared.</param>
/// <param name="Metrics">What the figures mean, by rank.</param>
/// <param name="Layers">Convolutions and fully connected layers of all of them.</param>
/// <param name="Panels">Pictures and tables of one stage and identifier together.</param>
/// <param name="Notes">Why something is missing, one sentence each.</param>
public sealed record Comparison(
    IReadOnlyList<ComparedExecution> Executions, IReadOnlyList<MetricDescriptor> Metrics, IReadOnlyList<ComparedLayer> Layers, IReadOnlyList<ComparedPanels> Panels, IReadOnlyList<string> Notes);

/// <summary>One of the executions.</summary>
/// <param name="Reference">As it was asked for.</param>
/// <param name="Sweep">Its sweep.</param>
/// <param name="Index">Its place there.</param>
/// <param name="Model">Model of the branch.</param>
/// <param name="Dataset">Data set of the branch.</param>
/// <param name="Seed">Seed of the branch.</param>
/// <param name="State">Where it stands.</param>
/// <param name="Way">The executions that it starts from, and itself.</param>
/// <param name="Figures">What they measured; where several did, the last one.</param>
/// <param name="Checkpoint">The network; null: there is none yet.</param>
/// <param name="Seconds">Time of the whole way; null: unknown.</param>
public sealed record ComparedExecution(
    string Reference, SweepName Sweep, int Index, string Model, string Dataset, long Seed, ExecutionState State, IReadOnlyList<ExecutionLink> Way, IReadOnlyDictionary<string, double> Figures,
    CheckpointRef? Checkpoint, double? Seconds);

/// <summary>A layer.</summary>
/// <param name="Name">Its name in the networks.</param>
/// <param name="Kind"><c>convolution</c> or <c>linear</c>.</param>
/// <param name="Channels">Channels, or features, that leave it; null where a network does not have it.</param>
/// <param name="Bits">Bits of its weights; null: float, or no such layer.</param>
/// <param name="Most">The bins below go from minus this to this; null: there are none.</param>
/// <param name="Counts">Weights in each of <see cref="Bins"/> bins of equal width; null where there are none.</param>
public sealed record ComparedLayer(string Name, string Kind, IReadOnlyList<int?> Channels, IReadOnlyList<int?> Bits, double? Most, IReadOnlyList<IReadOnlyList<long>?> Counts)
{
    /// <summary>Bins of a histogram.</summary>
    public const int Bins = 64;
}

/// <summary>Panels that belong together.</summary>
/// <param name="Stage">Stage that made them.</param>
/// <param name="Id">Their identifier.</param>
/// <param name="Title">Title of the first.</param>
/// <param name="Panels">One for each execution; null where it has none.</param>
/// <param name="Drawn">Where each is, drawn.</param>
public sealed record ComparedPanels(string Stage, string Id, string Title, IReadOnlyList<Panel?> Panels, IReadOnlyList<string?> Drawn);

/// <summary>Compares results.</summary>
internal static class CompareRoutes
{
    private const int Least = 2;
    private const int Most = 6;

    // Six of them are read for one answer.
    private const long LargestRead = 256L << 20;

    public static async Task<Ok<Comparison>> CompareAsync(
        string? executions, SweepTargets targets, SweepQueries queries, CoordinatorStore store, ResultStore results, CheckpointStore checkpoints, CancellationToken stop)
    {
        var references = (executions ?? "").Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        if (references.Length is < Least or > Most)
            throw new ApiFault(StatusCodes.Status400BadRequest, $"executions names {references.Length}, expected {Least} to {Most}, separated by commas: ?executions=SWEEP:3,SWEEP:7");
        await using var database = store.Open();
        var ways = new List<(SweepView Sweep, List<NodeView> Way)>();
        var metrics = new List<MetricDescriptor>();
        foreach (var reference in references)
        {
            var (sweep, index) = await targets.ExecutionAsync(reference, stop);
            var view = await queries.ViewAsync(database, sweep, stop);
            var way = await NodeView.ReadAsync(database, view, all => all.Where(n => n.Index == index), stop);
            await SweepQueries.AddParentsAsync(database, view, way, stop);
            var described = await SweepQueries.MetricsAsync(database, view, stop);
            metrics.AddRange(way.AsEnumerable().Reverse().SelectMany(n => described.GetValueOrDefault((n.Point.Stage, n.Point.Version)) ?? []));
            ways.Add((view, way));
        }

        var notes = new List<string>();
        var compared = ways.Select((w, i) => Compared(references[i], w.Sweep, w.Way)).ToList();
        var layers = await Task.Run(() => Layers(compared, checkpoints, notes), stop);
        var panels = await Task.Run(() => Panels(ways, results), stop);
        return TypedResults.Ok(new Comparison(compared, [.. metrics.DistinctBy(m => m.Name).OrderBy(m => m.Rank)], layers, panels, notes));
    }

    private static ComparedExecution Compared(string reference, SweepView sweep, List<NodeView> way)
    {
        var own = way[^1];
        var figures = new Dictionary<string, double>();
        foreach (var node in way)
        {
            foreach (var (name, value) in node.Metrics) figures[name] = value;
        }

        return new ComparedExecution(
            reference, new SweepName(sweep.Row.Id, sweep.Row.Name), own.Index, own.Branch.Model, own.Branch.Dataset, own.Branch.Seed, own.State,
            [.. way.Select(n => new ExecutionLink(n.Index, n.Point.Stage, n.State, n.Point.Parameters, n.Point.Varied, n.Execution?.Output()))],
            figures, way.LastOrDefault(n => n.Execution?.Output() is not null)?.Execution?.Output(), way.All(n => n.Execution?.Seconds is not null) ? way.Sum(n => n.Execution!.Seconds) : null);
    }

    private static List<ComparedPanels> Panels(List<(SweepView Sweep, List<NodeView> Way)> ways, ResultStore results)
    {
        var found = ways.SelectMany((w, i) => w.Way.Where(n => n.Execution is { State: RunState.Completed })
            .SelectMany(n => (results.Find(n.Execution!.Key)?.Panels ?? []).Select(p => (Place: i, n.Point.Stage, Panel: p, Execution: $"{w.Sweep.Row.Id}:{n.Index}")))).ToList();
        return
        [
            .. found.GroupBy(f => (f.Stage, f.Panel.Id)).Select(g =>
            {
                // A stage that is on a way twice is shown as it was last.
                var last = Enumerable.Range(0, ways.Count).Select(i => g.LastOrDefault(f => f.Place == i)).ToList();
                return new ComparedPanels(
                    g.Key.Stage, g.Key.Id, g.First().Panel.Title, [.. last.Select(f => f.Panel)],
                    [.. last.Select(f => f.Panel is null ? null : $"/executions/{f.Execution}/panels/{Uri.EscapeDataString(g.Key.Id)}.svg")]);
            }),
        ];
    }

    private static List<ComparedLayer> Layers(List<ComparedExecution> compared, CheckpointStore checkpoints, List<string> notes)
    {
        var headers = compared.ConvertAll(c => Header(c, checkpoints, notes));
        var names = headers.SelectMany(h => h.Header?.Graph.Nodes ?? []).Where(n => n is Conv2d or Linear).Select(n => n.Name).Distinct();
        return [.. names.Select(name => Layer(name, headers))];
    }

    private static (CheckpointHeader? Header, string? Path) Header(ComparedExecution of, CheckpointStore checkpoints, List<string> notes)
    {
        if (of.Checkpoint is not { } checkpoint) return (null, null);
        try
        {
            if (!checkpoints.TryPathOf(checkpoint, out var path, out var problem)) throw new LatheException(problem);
            if (checkpoint.Bytes > LargestRead) notes.Add($"{of.Reference}: its checkpoint has {checkpoint.Bytes} bytes, more than are read for histograms");
            return (CheckpointHeader.Read(path), checkpoint.Bytes > LargestRead ? null : path);
        }
        catch (LatheException e) when (e.Kind == FailureKind.Permanent)
        {
            notes.Add($"{of.Reference}: {e.Message}");
            return (null, null);
        }
    }

    private static ComparedLayer Layer(string name, List<(CheckpointHeader? Header, string? Path)> headers)
    {
        var nodes = headers.ConvertAll(h => h.Header?.Graph.Nodes.FirstOrDefault(n => n.Name == name && n is Conv2d or Linear));
        var weights = headers.Select((h, i) => nodes[i] is null || h.Path is null ? null : Weights(h.Header!, h.Path, name)).ToList();
        var most = weights.OfType<float[]>().SelectMany(w => w).Where(float.IsFinite).Select(v => (double)Math.Abs(v)).DefaultIfEmpty(0).Max();
        var isCounted = most > 0;
        return new ComparedLayer(
            name,
            nodes.OfType<Node>().First() is Conv2d ? "convolution" : "linear",
            [.. nodes.Select(n => n switch { Conv2d c => c.OutChannels, Linear l => l.OutFeatures, _ => (int?)null })],
            [.. headers.Select(h => h.Header?.Formats.GetValueOrDefault($"{name}.weight")?.Bits)],
            isCounted ? most : null,
            [.. weights.Select(w => w is null || !isCounted ? null : CheckpointWeights.Histogram(w, most, ComparedLayer.Bins))]);
    }

    private static float[]? Weights(CheckpointHeader header, string path, string layer)
    {
        if (ParameterShapes.Of(header.Graph).FirstOrDefault(p => p.Node == layer && p.Kind == ParameterKind.Weight) is not { } weight) return null;
        using var stream = File.OpenRead(path);
        return CheckpointWeights.Read(stream, header, weight);
    }
}
