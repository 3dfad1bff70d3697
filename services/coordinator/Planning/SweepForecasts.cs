using Lathe.Contracts;
using Lathe.Hosting;

namespace Lathe.Coordinator;

/// <summary>Says what a sweep would do: what is cached, how large the networks become, how long it takes. Nothing runs and nothing is recorded.</summary>
/// <param name="store">Earlier sweeps; null: there are none.</param>
/// <param name="checkpoints">The store that the sweep would use.</param>
/// <param name="results">Results in it.</param>
/// <param name="lookUps">Results that are looked up at one time.</param>
internal sealed class SweepForecasts(CoordinatorStore? store, CheckpointStore checkpoints, ResultStore results, int lookUps)
{
    private static readonly IReadOnlyDictionary<string, SizeRange> Unknown = new Dictionary<string, SizeRange>();

    /// <summary>The forecast of a sweep without problems.</summary>
    /// <param name="submission">The sweep.</param>
    /// <param name="plan">Its tree.</param>
    /// <param name="verdict">What its stages say of it.</param>
    /// <param name="data">Data sets that its stages read; null or missing: the fingerprint is not known.</param>
    /// <param name="notes">Further notes.</param>
    /// <param name="limit">Executions that are listed, the first ones.</param>
    /// <param name="why">True: of each listed execution that is computed, the nearest earlier one.</param>
    /// <param name="stop">Gives up.</param>
    public async Task<SweepForecast> OfAsync(
        SweepSubmission submission, SweepPlan plan, SweepVerdict verdict, IReadOnlyDictionary<string, DataRef?> data, IReadOnlyList<string> notes, int limit, bool why,
        CancellationToken stop = default)
    {
        var known = await LookUpAsync(submission, plan, data, stop);
        var times = await EarlierTimes.ReadAsync(store, plan, stop);
        var seconds = plan.Executions.Select(e => known[e.Index].IsCached ? 0 : times.Of(e)).ToList();
        var earlier = why ? await EarlierExecutions.ReadAsync(store, [.. plan.Executions.Take(limit).Where(e => !known[e.Index].IsCached).Select(e => e.Manifest.Name).Distinct()], null, stop) : null;
        var steps = plan.Executions.GroupBy(e => e.Step).OrderBy(g => g.Key).Select(g => new StepForecast(
            g.Key, g.First().Manifest.Name, g.First().Manifest.Version, g.Count(), g.Count(e => known[e.Index].IsCached), Sum(g.Select(e => seconds[e.Index])),
            Ranges([.. g.Select(e => Sizes(verdict, e))]))).ToList();
        var runs = plan.Executions.Where(e => !known[e.Index].IsCached).ToList();
        return new SweepForecast(
            [],
            [.. verdict.Notes, .. notes, .. Unread(plan, data, notes), .. Rough(plan, known, times)],
            steps,
            [
                .. plan.Executions.Take(limit).Select(e => new ExecutionForecast(
                    e.Index, e.Parent, e.Step, e.Manifest.Name, e.Model, e.Dataset, e.Seed, e.Parameters, e.Varied, known[e.Index].IsCached, known[e.Index].Key,
                    Sizes(verdict, e), known[e.Index].IsCached ? null : seconds[e.Index],
                    known[e.Index].IsCached ? null : earlier?.Nearest(e.Manifest.Name, PartsOf(submission.Spec, e, known, data)))),
            ],
            plan.Executions.Count,
            runs.Exists(e => seconds[e.Index] is not null) ? runs.Sum(e => seconds[e.Index] ?? 0) : null,
            runs.Exists(e => seconds[e.Index] is null))
        {
            Search = plan.Search?.Forecast(plan, verdict),
        };
    }

    /// <summary>Keys along the tree: that of an execution is known once the digest of its input is.</summary>
    private async Task<Known[]> LookUpAsync(SweepSubmission submission, SweepPlan plan, IReadOnlyDictionary<string, DataRef?> data, CancellationToken stop)
    {
        var known = new Known[plan.Executions.Count];
        var depths = new int[plan.Executions.Count];
        foreach (var execution in plan.Executions) depths[execution.Index] = execution.Parent is { } parent ? depths[parent] + 1 : 0;
        foreach (var level in plan.Executions.GroupBy(e => depths[e.Index]).OrderBy(g => g.Key))
        {
            await Parallel.ForEachAsync(level, new ParallelOptions { MaxDegreeOfParallelism = lookUps, CancellationToken = stop }, (execution, _) =>
            {
                known[execution.Index] = LookUp(submission, execution, execution.Parent is { } parent ? known[parent] : null, data);
                return ValueTask.CompletedTask;
            });
        }

        return known;
    }

    private Known LookUp(SweepSubmission submission, PlannedExecution execution, Known? parent, IReadOnlyDictionary<string, DataRef?> data)
    {
        if (parent is not null && parent.Output is null) return Known.Nothing;
        DataRef? read = null;
        if (execution.Manifest.ReadsData && (read = data.GetValueOrDefault(execution.Dataset)) is null) return new Known(null, parent?.Output, false, null);
        var key = ExecutionKey.Compute(execution.Manifest, execution.Parameters, parent?.Output, read, execution.Seed, submission.Spec.Threads, submission.Spec.Device);
        // The same key gives the same bits, so that what was computed once tells the digest, whether or not the checkpoint is still there.
        var result = submission.Fresh ? null : results.Find(key);
        return new Known(key, parent?.Output, result is not null && checkpoints.IsThere(result.Output), result?.Output);
    }

    private static KeyParts PartsOf(SweepSpec spec, PlannedExecution execution, Known[] known, IReadOnlyDictionary<string, DataRef?> data) => new(
        execution.Manifest.Version, KeyParts.Of(execution.Parameters), execution.Model, execution.Manifest.ReadsData ? execution.Dataset : null,
        execution.Manifest.ReadsData ? data.GetValueOrDefault(execution.Dataset)?.Fingerprint : null, execution.Seed, spec.Threads, spec.Device,
        known[execution.Index].Input?.Sha256 ?? (execution.Parent is null ? null : KeyParts.NotComputed));

    private static IEnumerable<string> Rough(SweepPlan plan, Known[] known, EarlierTimes times) =>
        plan.Executions.Where(e => !known[e.Index].IsCached && times.IsRough(e)).Select(e => e.Manifest.Name).Distinct()
            .Select(stage => $"the time of {stage} is the mean of executions with other parameters; with another number of epochs it is far off");

    private static IEnumerable<string> Unread(SweepPlan plan, IReadOnlyDictionary<string, DataRef?> data, IReadOnlyList<string> notes) => notes.Count > 0 ? []
        : plan.Executions.Where(e => e.Manifest.ReadsData && data.GetValueOrDefault(e.Dataset) is null).Select(e => e.Dataset).Distinct()
            .Select(name => $"the fingerprint of data set {name} is still being read; what is cached of it is not known yet");

    private static IReadOnlyDictionary<string, SizeRange> Sizes(SweepVerdict verdict, PlannedExecution execution) =>
        execution.Manifest.Output == StageOutput.Checkpoint ? verdict.Forms.GetValueOrDefault(execution.Index)?.Sizes ?? Unknown : Unknown;

    private static Dictionary<string, SizeRange> Ranges(IReadOnlyList<IReadOnlyDictionary<string, SizeRange>> all) =>
        all[0].Keys.Where(name => all.All(a => a.ContainsKey(name))).ToDictionary(name => name, name => new SizeRange(all.Min(a => a[name].Least), all.Max(a => a[name].Most)));

    private static double? Sum(IEnumerable<double?> seconds)
    {
        var all = seconds.ToList();
        return all.Contains(null) ? null : all.Sum();
    }

    /// <summary>What is known of an execution before it runs.</summary>
    /// <param name="Key">Its key; null: unknown.</param>
    /// <param name="Input">The checkpoint that it starts from; null: unknown, or none.</param>
    /// <param name="IsCached">True: its result can be used.</param>
    /// <param name="Output">The checkpoint that it makes; null: unknown.</param>
    private sealed record Known(string? Key, CheckpointRef? Input, bool IsCached, CheckpointRef? Output)
    {
        public static Known Nothing { get; } = new(null, null, false, null);
    }
}
