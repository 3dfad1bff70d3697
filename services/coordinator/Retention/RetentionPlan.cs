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
        return rule.Budget is { } budget ? WithinBudget(decisions, budget) : decisions;

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
                ? new Decision(blob, what, "its sweeps are beyond the rule", true)
                : new Decision(blob, what, WithinRule, false);
        }

        Decision Unnamed(StoredBlob blob, string what) => rule.Orphans && now - blob.WrittenAt >= Young
            ? new Decision(blob, what, NoRecord, true)
            : new Decision(blob, what, $"{NoRecord}: --orphans", false);

        // What may still go lies in the order of its value: what others are made of before what a sweep was run for, old sweeps before new ones.
        IReadOnlyList<Decision> WithinBudget(List<Decision> all, long most)
        {
            var left = all.Where(d => !d.Goes).Sum(d => d.Blob.Bytes);
            var order = all.Index().Where(d => !d.Item.Goes && d.Item.Why == WithinRule)
                .OrderBy(d => d.Item.What == Leaf)
                .ThenBy(d => uses[DigestOf(d.Item.Blob.Name)!].Max(u => sweeps.GetValueOrDefault(u.Sweep)?.SubmittedAt ?? DateTimeOffset.MinValue))
                .ThenBy(d => d.Item.Blob.Name, StringComparer.Ordinal);
            foreach (var (index, decision) in order.ToList())
            {
                if (left <= most) break;
                all[index] = decision with { Goes = true, Why = "over the budget" };
                left -= decision.Blob.Bytes;
            }

            return all;
        }
    }

    /// <summary>Digest of a checkpoint's name; null for another file.</summary>
    public static string? DigestOf(string name) =>
        name.Length == 3 + DigestLength + CheckpointStore.Extension.Length && name[2] == '/' && name.EndsWith(CheckpointStore.Extension, StringComparison.Ordinal)
        && name[3..(3 + DigestLength)] is var digest && Contracts.StoredModel.IsDigest(digest)
            ? digest
            : null;

    private const string WithinRule = "within the rule";
    private const string NoRecord = "no record here names it";

    /// <summary>Sweeps of which neither days nor count keep anything.</summary>
    private static HashSet<Guid> Expired(IReadOnlyList<KeptSweep> sweeps, RetentionRule rule, DateTimeOffset now)
    {
        if (rule.KeepDays is null && rule.KeepLast is null) return [];
        var newest = sweeps.OrderByDescending(s => s.SubmittedAt).Take(rule.KeepLast ?? 0).Select(s => s.Id).ToHashSet();
        return
        [
            .. sweeps.Where(s => s is { IsOpen: false, IsPinned: false } && !newest.Contains(s.Id)
                && !(rule.KeepDays is { } days && (now - (s.FinishedAt ?? s.SubmittedAt)).TotalDays <= days)).Select(s => s.Id),
        ];
    }

    private static string KeyOf(string name) => Path.GetFileNameWithoutExtension(name);

    /// <summary>Execution key and fresh sweep of a state's name, <c>states/KEY-SWEEP.state</c>.</summary>
    private static (string Key, Guid? Fresh) SlotOf(string name)
    {
        var slot = Path.GetFileName(name).Split('.')[0].Split('-');
        return (slot[0], slot is [_, var sweep] && Guid.TryParseExact(sweep, "N", out var id) ? id : null);
    }
}
