using Lathe.Hosting;

namespace Lathe.Coordinator;

/// <summary>A content of the store with what a rule decides of it.</summary>
/// <param name="Blob">The content.</param>
/// <param name="What">Kind of content, for people.</param>
/// <param name="Why">Why it goes or stays, for people.</param>
/// <param name="Goes">True: it is to be deleted.</param>
internal sealed record Decision(StoredBlob Blob, string What, string Why, bool Goes);

/// <summary>Decides what of a store may go. A pure function of the records.</summary>
internal static class RetentionPlan
{
    public const string Results = "results/";
    public const string States = "states/";
    public const string Shared = "shared/";
    public const string Logs = "logs/";
    public const string Exports = "exports/";

    private const string Checkpoint = "checkpoint";
    private const string Leaf = "checkpoint of a leaf";
    private const string State = "training state";
    private const string Log = "log";
    private const string Export = "export";
    private const int DigestLength = 64;

    /// <summary>Nothing younger goes: whoever wrote it may not have said so yet.</summary>
    public static readonly TimeSpan Young = TimeSpan.FromHours(1);

    /// <summary>A file on its way that is older was left by a process that died.</summary>
    public static readonly TimeSpan Abandoned = TimeSpan.FromDays(1);

    /// <summary>Decides of every content.</summary>
    /// <param name="records">Contents and what is known of them.</param>
    /// <param name="rule">How much is kept.</param>
    /// <param name="now">The time.</param>
    public static IReadOnlyList<Decision> Of(StoreRecords records, RetentionRule rule, DateTimeOffset now)
    {
        var sweeps = records.Sweeps.ToDictionary(s => s.Id);
        var expired = Expired(records.Sweeps, rule, now);
        var uses = records.Checkpoints.ToLookup(u => u.Sha256);
        var results = records.Blobs.Where(b => b.Name.StartsWith(Results, StringComparison.Ordinal)).Select(b => KeyOf(b.Name)).ToHashSet();
        var checkpoints = records.Blobs.Select(b => DigestOf(b.Name)).OfType<string>().ToHashSet();
        var decisions = records.Blobs.Select(b => Decide(b)).ToList();
        foreach (var sweep in records.Sweeps.Where(s => s is { Budget: not null, IsPinned: false }))
        {
            // A checkpoint that another sweep uses too is on nobody's account.
            var own = decisions.Index().Where(d => DigestOf(d.Item.Blob.Name) is { } digest && uses[digest].Any() && uses[digest].All(u => u.Sweep == sweep.Id)).Select(d => d.Index).ToList();
            WithinBudget(decisions, own, sweep.Budget!.Value, OverOwnBudget);
        }

        if (rule.OnlyOfSweeps) return [.. decisions.Select(d => d.Goes && d.Why is not (OverOwnBudget or BeyondOwnDays) ? d with { Goes = false, Why = $"kept, though {d.Why}: no rule for the store" } : d)];
        if (rule.Budget is { } budget) WithinBudget(decisions, [.. Enumerable.Range(0, decisions.Count)], budget, "over the budget");
        return decisions;

        Decision Decide(StoredBlob blob)
        {
            if (blob.Name.EndsWith(AtomicFile.Aside, StringComparison.Ordinal))
                return now - blob.WrittenAt > Abandoned ? new Decision(blob, "file on its way", "left by a process that died", true) : new Decision(blob, "file on its way", "being written", false);
            if (blob.Name.StartsWith(Results, StringComparison.Ordinal)) return new Decision(blob, "result", "results are kept", false);
            if (blob.Name.StartsWith(Shared, StringComparison.Ordinal)) return new Decision(blob, "shared value", "small", false);
            if (blob.Name.StartsWith(States, StringComparison.Ordinal)) return OfState(blob);
            if (blob.Name.StartsWith(Logs, StringComparison.Ordinal)) return OfLog(blob);
            if (blob.Name.StartsWith(Exports, StringComparison.Ordinal)) return OfExport(blob);
            return DigestOf(blob.Name) is { } digest ? OfCheckpoint(blob, digest) : Unnamed(blob, "other file");
        }

        Decision OfState(StoredBlob blob)
        {
            var (key, fresh) = SlotOf(blob.Name);
            if (now - blob.WrittenAt < Young) return new Decision(blob, State, "written within the last hour", false);
            var known = records.States.GetValueOrDefault(key);
            if (known is { IsActive: true }) return new Decision(blob, State, "of an execution that waits or runs", false);
            // A fresh sweep computes again what has a result.
            if (fresh is null ? results.Contains(key) || known is { IsOver: true } : known is { IsOver: true } && !known.Sweeps.Contains(fresh.Value))
                return new Decision(blob, State, "its execution has a result", true);
            if (known is null) return Unnamed(blob, State);
            var open = known.Sweeps.Where(s => !expired.Contains(s)).ToList();
            return open.Count == 0 ? new Decision(blob, State, "its sweeps are beyond the rule", true)
                : known.IsOver && !open.Exists(s => sweeps.GetValueOrDefault(s) is { IsOpen: true }) ? new Decision(blob, State, "its execution has a result", true)
                : new Decision(blob, State, "of an execution without a result, for a retry", false);
        }

        Decision OfLog(StoredBlob blob)
        {
            if (now - blob.WrittenAt < Young) return new Decision(blob, Log, "written within the last hour", false);
            if (records.States.GetValueOrDefault(KeyOf(blob.Name)) is not { } known) return Unnamed(blob, Log);
            return known.IsActive || known.Sweeps.Any(s => !expired.Contains(s))
                ? new Decision(blob, Log, "of a sweep that is kept", false)
                : new Decision(blob, Log, "its sweeps are beyond the rule", true);
        }

        // It can be made again as long as its checkpoint is there.
        Decision OfExport(StoredBlob blob) => now - blob.WrittenAt < Young ? new Decision(blob, Export, "written within the last hour", false)
            : checkpoints.Contains(blob.Name[Exports.Length..].Split('/')[0]) ? new Decision(blob, Export, "its checkpoint is there", false)
            : new Decision(blob, Export, "its checkpoint is gone", true);

        Decision OfCheckpoint(StoredBlob blob, string digest)
        {
            var own = uses[digest].ToList();
            var what = own.Exists(u => u.IsLeaf) ? Leaf : Checkpoint;
            if (now - blob.WrittenAt < Young) return new Decision(blob, what, "written within the last hour", false);
            if (records.TakenIn.Contains(digest)) return new Decision(blob, what, "a sweep starts from it", false);
            if (own.Exists(u => u.IsNeeded)) return new Decision(blob, what, "work that has not finished needs it", false);
            if (own.Exists(u => sweeps.GetValueOrDefault(u.Sweep) is { IsPinned: true })) return new Decision(blob, what, "of a pinned sweep", false);
            if (own.Exists(u => u.IsOnFront)) return new Decision(blob, what, "on a Pareto front", false);
            if (own.Exists(u => u.IsDenseOfFront)) return new Decision(blob, what, "what a result on a Pareto front is compared with", false);
            if (own.Count == 0) return Unnamed(blob, what);
            return own.TrueForAll(u => expired.Contains(u.Sweep))
                ? new Decision(blob, what, own.TrueForAll(u => sweeps.GetValueOrDefault(u.Sweep) is { KeepDays: not null }) ? BeyondOwnDays : "its sweeps are beyond the rule", true)
                : new Decision(blob, what, WithinRule, false);
        }

        Decision Unnamed(StoredBlob blob, string what) => rule.Orphans && now - blob.WrittenAt >= Young
            ? new Decision(blob, what, NoRecord, true)
            : new Decision(blob, what, $"{NoRecord}: --orphans", false);

        // What may still go lies in the order of its value: what others are made of before what a sweep was run for, old sweeps before new ones.
        void WithinBudget(List<Decision> all, IReadOnlyList<int> some, long most, string why)
        {
            var left = some.Where(i => !all[i].Goes).Sum(i => all[i].Blob.Bytes);
            var order = some.Where(i => all[i] is { Goes: false, Why: WithinRule })
                .OrderBy(i => all[i].What == Leaf)
                .ThenBy(i => uses[DigestOf(all[i].Blob.Name)!].Max(u => sweeps.GetValueOrDefault(u.Sweep)?.SubmittedAt ?? DateTimeOffset.MinValue))
                .ThenBy(i => all[i].Blob.Name, StringComparer.Ordinal);
            foreach (var index in order.ToList())
            {
                if (left <= most) break;
                all[index] = all[index] with { Goes = true, Why = why };
                left -= all[index].Blob.Bytes;
            }
        }
    }

    /// <summary>Digest of a checkpoint's name; null for another file.</summary>
    public static string? DigestOf(string name) =>
        name.Length == 3 + DigestLength + CheckpointStore.Extension.Length && name[2] == '/' && name.EndsWith(CheckpointStore.Extension, StringComparison.Ordinal)
        && name[3..(3 + DigestLength)] is var digest && Contracts.StoredModel.IsDigest(digest)
            ? digest
            : null;

    private const string WithinRule = "within the rule";
    private const string OverOwnBudget = "over the budget of its sweep";
    private const string BeyondOwnDays = "its sweep is over for longer than it wants to be kept";
    private const string NoRecord = "no record here names it";

    /// <summary>Sweeps of which neither days nor count keep anything. A sweep that says how long it is kept is under no other rule.</summary>
    private static HashSet<Guid> Expired(IReadOnlyList<KeptSweep> sweeps, RetentionRule rule, DateTimeOffset now)
    {
        var newest = sweeps.OrderByDescending(s => s.SubmittedAt).Take(rule.KeepLast ?? 0).Select(s => s.Id).ToHashSet();
        return
        [
            .. sweeps.Where(s => s is { IsOpen: false, IsPinned: false } && (s.KeepDays is { } own
                ? IsOlder(s, own)
                : (rule.KeepDays is not null || rule.KeepLast is not null) && !newest.Contains(s.Id) && (rule.KeepDays is not { } days || IsOlder(s, days)))).Select(s => s.Id),
        ];

        bool IsOlder(KeptSweep sweep, int days) => (now - (sweep.FinishedAt ?? sweep.SubmittedAt)).TotalDays > days;
    }

    private static string KeyOf(string name) => Path.GetFileNameWithoutExtension(name);

    /// <summary>Execution key and fresh sweep of a state's name, <c>states/KEY-SWEEP.state</c>.</summary>
    private static (string Key, Guid? Fresh) SlotOf(string name)
    {
        var slot = Path.GetFileName(name).Split('.')[0].Split('-');
        return (slot[0], slot is [_, var sweep] && Guid.TryParseExact(sweep, "N", out var id) ? id : null);
    }
}
