using Lathe.Contracts;
using Lathe.Hosting;
using Microsoft.EntityFrameworkCore;

namespace Lathe.Coordinator;

/// <summary>What was, or would be, deleted of a store, and what is kept and why.</summary>
/// <param name="IsDryRun">True: nothing was deleted.</param>
/// <param name="Lines">Contents of one kind and reason together, those that go first.</param>
/// <param name="Before">Bytes in the store before.</param>
/// <param name="After">Bytes in it afterwards.</param>
/// <param name="MeetsBudget">False: more is needed than the budget has room for. Null: there is no budget.</param>
public sealed record CollectionReport(bool IsDryRun, IReadOnlyList<CollectionLine> Lines, long Before, long After, bool? MeetsBudget)
{
    /// <summary>Why the most of what is left stays, the largest part first, for people.</summary>
    public string Left() => string.Join("; ", Lines.Where(l => !l.Goes && l.Bytes > 0).OrderByDescending(l => l.Bytes).Take(3).Select(l => $"{l.What}: {l.Why}"));
}

/// <summary>Contents of one kind and reason.</summary>
/// <param name="What">Kind of content.</param>
/// <param name="Why">Why they go or stay.</param>
/// <param name="Goes">True: deleted.</param>
/// <param name="Count">Number of them.</param>
/// <param name="Bytes">Their lengths together.</param>
public sealed record CollectionLine(string What, string Why, bool Goes, int Count, long Bytes);

/// <summary>
/// Deletes what a rule does not keep. Results stay; one whose checkpoint is gone is computed again when a sweep asks for it. So it may be stopped at any
/// moment, and run beside workers and other coordinators.
/// </summary>
/// <param name="store">The database.</param>
/// <param name="blobs">The whole store.</param>
/// <param name="time">Clock.</param>
internal sealed class StoreCollector(CoordinatorStore store, IBlobs blobs, TimeProvider time)
{
    // The database is read again before each so many deletions.
    private const int AtATime = 1000;

    /// <summary>Deletes, or says what it would delete.</summary>
    /// <param name="rule">How much is kept.</param>
    /// <param name="isDryRun">True: deletes nothing.</param>
    /// <param name="stop">Gives up; what was deleted until then is no loss.</param>
    /// <exception cref="LatheException">The store or the database cannot be used.</exception>
    public async Task<CollectionReport> CollectAsync(RetentionRule rule, bool isDryRun, CancellationToken stop = default)
    {
        // A listing of a large bucket costs more than this question.
        if (rule.OnlyOfSweeps && !await HasOwnRulesAsync(stop)) return new CollectionReport(isDryRun, [], 0, 0, null);
        var listed = await Task.Run(() => blobs.ListAll().ToList(), stop);
        var decisions = await DecideAsync(listed, rule, stop);
        if (isDryRun) return Report(decisions, rule, isDryRun);
        var kept = new Dictionary<string, Decision>();
        foreach (var some in decisions.Where(d => d.Goes).Select(d => d.Blob.Name).Chunk(AtATime))
        {
            // A sweep that was submitted meanwhile may need some of them.
            var now = (await DecideAsync(listed, rule, stop)).ToDictionary(d => d.Blob.Name);
            foreach (var name in some)
            {
                stop.ThrowIfCancellationRequested();
                if (!now[name].Goes) kept[name] = now[name];
                else if (!await Task.Run(() => Delete(now[name]), stop)) kept[name] = now[name] with { Goes = false, Why = "written again meanwhile" };
            }
        }

        return Report([.. decisions.Select(d => kept.GetValueOrDefault(d.Blob.Name, d))], rule, isDryRun);
    }

    private async Task<bool> HasOwnRulesAsync(CancellationToken stop)
    {
        await using var database = store.Open();
        var limits = await database.Sweeps.AsNoTracking().Where(s => s.Limits != null).Select(s => s.Limits).Distinct().ToListAsync(stop);
        return limits.Exists(l => SweepRows.LimitsOf(l) is { KeepDays: not null } or { BudgetBytes: not null });
    }

    private async Task<IReadOnlyList<Decision>> DecideAsync(IReadOnlyList<StoredBlob> listed, RetentionRule rule, CancellationToken stop)
    {
        await using var database = store.Open();
        if (rule.Orphans && !await database.Sweeps.AnyAsync(stop))
            throw new LatheException($"there is no sweep in {store.Address}, so that no record names anything; 'orphans' would delete the whole store {blobs.Place}. Is it the right database?");
        return RetentionPlan.Of(await StoreRecordsReader.ReadAsync(database, listed, stop), rule, time.GetUtcNow());
    }

    /// <summary>False: it is another content by now, which is too young.</summary>
    private bool Delete(Decision decision)
    {
        try
        {
            if (blobs.Find(decision.Blob.Name) is not { } there) return true;
            if (there.WrittenAt != decision.Blob.WrittenAt && time.GetUtcNow() - there.WrittenAt < RetentionPlan.Young) return false;
            blobs.Delete(decision.Blob.Name);
            return true;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new LatheException($"{blobs.PlaceOf(decision.Blob.Name)} cannot be deleted: {e.Message}", inner: e);
        }
    }

    private static CollectionReport Report(IReadOnlyList<Decision> decisions, RetentionRule rule, bool isDryRun)
    {
        var (before, after) = (decisions.Sum(d => d.Blob.Bytes), decisions.Where(d => !d.Goes).Sum(d => d.Blob.Bytes));
        return new CollectionReport(
            isDryRun,
            [
                .. decisions.GroupBy(d => (d.What, d.Why, d.Goes)).Select(g => new CollectionLine(g.Key.What, g.Key.Why, g.Key.Goes, g.Count(), g.Sum(d => d.Blob.Bytes)))
                    .OrderByDescending(l => l.Goes).ThenByDescending(l => l.Bytes).ThenBy(l => l.What, StringComparer.Ordinal).ThenBy(l => l.Why, StringComparer.Ordinal),
            ],
            before, after, rule.Budget is { } budget ? after <= budget : null);
    }
}
