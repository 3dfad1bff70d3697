using System.Text.Json;
using Lathe.Contracts;
using Microsoft.EntityFrameworkCore;

namespace Lathe.Coordinator;

/// <summary>How far an execution is.</summary>
/// <param name="Index">Place in its sweep's tree.</param>
/// <param name="Progress">What its worker said last.</param>
internal sealed record ExecutionProgress(int Index, StageProgress Progress);

/// <summary>What the workers of a sweep said since somebody asked before.</summary>
internal sealed class HeardProgress(CoordinatorStore store, Guid sweep)
{
    // A person watches a few; of more, the first ones.
    private const int Most = 100;

    private Dictionary<int, DateTimeOffset> _heard = [];

    /// <summary>The executions whose workers said something anew; all that run when it is asked first.</summary>
    public async Task<IReadOnlyList<ExecutionProgress>> NextAsync(CancellationToken stop)
    {
        await using var database = store.Open();
        var running = await (
            from lease in database.Leases.AsNoTracking()
            join node in database.Nodes.AsNoTracking() on (Guid?)lease.ExecutionId equals node.ExecutionId
            where node.SweepId == sweep && lease.Progress != null
            orderby node.Index
            select new { node.Index, lease.HeardAt, lease.Progress }).Take(Most).ToListAsync(stop);
        var anew = running.Where(r => !_heard.TryGetValue(r.Index, out var before) || before != r.HeardAt).ToList();
        _heard = running.ToDictionary(r => r.Index, r => r.HeardAt);
        return anew.ConvertAll(r => new ExecutionProgress(r.Index, JsonSerializer.Deserialize<StageProgress>(r.Progress!, LatheJson.Options)!));
    }
}
