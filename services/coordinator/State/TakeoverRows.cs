using Lathe.Contracts;

namespace Lathe.Coordinator;

/// <summary>The rows of one sweep from before migrations in today's tables.</summary>
internal sealed record MovedSweep(
    SweepRow Sweep,
    IReadOnlyList<PointRow> Points,
    IReadOnlyList<BranchRow> Branches,
    IReadOnlyList<NodeRow> Nodes,
    IReadOnlyList<ExecutionRow> Executions,
    IReadOnlyList<StepCountRow> Counts)
{
    /// <summary>
    /// Finished executions stay finished. Those that ran or waited in a queue have no execution any more: where the sweep still runs, its coordinator advances
    /// them again, and finds in the store what was computed meanwhile.
    /// </summary>
    /// <param name="sweep">The sweep.</param>
    /// <param name="executions">All of its executions, in the order of their indices, which begin with 0.</param>
    public static MovedSweep Of(OldSweep sweep, IReadOnlyList<OldExecution> executions)
    {
        var id = sweep.Id;
        var steps = StepsOf(executions);
        var points = new Dictionary<(int, string, bool, bool, string, string), PointRow>();
        var branches = new Dictionary<(string, string, long), BranchRow>();
        var counts = new SortedDictionary<int, StepCountRow>();
        var parents = executions.Select(e => e.Parent).ToHashSet();
        var lost = new Dictionary<int, int>();
        var finished = new List<ExecutionRow>();
        var nodes = new List<NodeRow>();
        foreach (var old in executions)
        {
            var readsData = old.DataFingerprint.Length > 0;
            var step = steps[old.Index];
            var point = Known(points, (step, old.Version, old.OnlyMeasures, readsData, old.Parameters, old.Varied), number => new PointRow
            {
                SweepId = id, Number = number, Step = step, Stage = old.Stage, Version = old.Version, OnlyMeasures = old.OnlyMeasures, ReadsData = readsData,
                Parameters = old.Parameters, Varied = old.Varied,
            });
            var branch = Known(branches, (old.Model, old.Dataset, old.Seed), number => new BranchRow
            {
                SweepId = id, Number = number, Model = old.Model, Dataset = old.Dataset, Seed = old.Seed, Fingerprint = "",
            });
            if (readsData) branch.Fingerprint = old.DataFingerprint;

            // Parents come before children, so one pass finds the nearest failed node before each.
            int? blockedBy = old.Parent is { } parent && lost.TryGetValue(parent, out var failed) ? failed : null;
            if (old.State == nameof(ExecutionState.Failed)) lost[old.Index] = old.Index;
            else if (blockedBy is { } index) lost[old.Index] = index;

            var execution = ExecutionOf(sweep, old);
            if (execution is not null) finished.Add(execution);
            nodes.Add(new NodeRow
            {
                SweepId = id, Index = old.Index, Parent = old.Parent, Branch = branch.Number, Point = point.Number, IsLeaf = !parents.Contains(old.Index),
                ExecutionId = execution?.Id, BlockedBy = execution is null ? blockedBy : null,
            });
            if (!counts.TryGetValue(step, out var count))
                counts.Add(step, count = new StepCountRow { SweepId = id, Step = step, Stage = old.Stage, Version = old.Version });
            Count(count, execution, blockedBy);
        }

        return new MovedSweep(RowOf(sweep), [.. points.Values], [.. branches.Values], nodes, finished, [.. counts.Values]);
    }

    /// <summary>
    /// Place of each execution's stage in the sweep's list of stages. The tree was written depth first, so that the stages appear in it in their order; a stage
    /// that the list has twice follows another one the second time.
    /// </summary>
    private static int[] StepsOf(IReadOnlyList<OldExecution> executions)
    {
        var known = new Dictionary<(int? After, string Stage), int>();
        var steps = new int[executions.Count];
        for (var i = 0; i < steps.Length; i++)
        {
            var place = (executions[i].Parent is { } parent ? steps[parent] : (int?)null, executions[i].Stage);
            if (!known.TryGetValue(place, out steps[i])) known.Add(place, steps[i] = known.Count);
        }

        return steps;
    }

    private static TRow Known<TKey, TRow>(Dictionary<TKey, TRow> rows, TKey key, Func<int, TRow> make)
        where TKey : notnull
    {
        if (!rows.TryGetValue(key, out var row)) rows.Add(key, row = make(rows.Count));
        return row;
    }

    private static SweepRow RowOf(OldSweep old)
    {
        var state = Enum.Parse<SweepState>(old.State);
        return new SweepRow
        {
            Id = old.Id,
            Name = old.Name,
            State = state,
            SubmittedAt = OldTime.Of(old.SubmittedAt),
            FinishedAt = OldTime.Of(old.FinishedAt),
            Fresh = old.Fresh,
            Threads = old.Threads,
            Device = old.Device is null ? null : Enum.Parse<DeviceKind>(old.Device),
            Owner = old.Owner,
            OwnerSeenAt = OldTime.Of(old.OwnerSeenAt),
            TraceParent = old.TraceParent,
            ShareKey = old.Id.ToString(),
            IsAdvancing = state == SweepState.Running,
        };
    }

    private static ExecutionRow? ExecutionOf(OldSweep sweep, OldExecution old)
    {
        var state = Enum.Parse<ExecutionState>(old.State);
        if (old.Key is null || state is not (ExecutionState.Completed or ExecutionState.Cached or ExecutionState.Failed)) return null;
        var readyAt = OldTime.Of(old.SentAt ?? sweep.SubmittedAt);
        return new ExecutionRow
        {
            Id = Guid.CreateVersion7(readyAt),
            Key = old.Key,
            Scope = sweep.Fresh ? sweep.Id : Guid.Empty,
            Owner = sweep.Owner,
            SweepId = sweep.Id,
            NodeIndex = old.Index,
            Stage = old.Stage,
            StageVersion = old.Version,
            State = state == ExecutionState.Failed ? RunState.Failed : RunState.Completed,
            Found = state == ExecutionState.Cached,
            Attempt = old.Attempt,
            Failures = old.Failures,
            ReadyAt = readyAt,
            SentAt = OldTime.Of(old.SentAt),
            // The result of a cached one is older than the sweep.
            FinishedAt = OldTime.Of((state == ExecutionState.Completed ? old.CompletedAt : null) ?? old.HeardAt) ?? readyAt,
            Worker = old.Worker,
            InputSha256 = old.InputSha256,
            InputBytes = old.InputBytes,
            OutputSha256 = old.OutputSha256,
            OutputBytes = old.OutputBytes,
            Metrics = old.Metrics,
            Seconds = old.Seconds,
            Error = old.Error,
            TraceParent = old.TraceParent,
        };
    }

    private static void Count(StepCountRow count, ExecutionRow? execution, int? blockedBy)
    {
        switch (execution)
        {
            case { State: RunState.Failed }: count.Failed++; break;
            case { Found: true }: count.Cached++; break;
            case not null:
                count.Completed++;
                count.Seconds += execution.Seconds ?? 0;
                break;
            case null when blockedBy is not null: count.Skipped++; break;
            default: count.Waiting++; break;
        }
    }
}
