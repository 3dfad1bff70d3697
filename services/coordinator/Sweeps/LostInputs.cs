using Lathe.Contracts;
using Lathe.Contracts.Messages;
using Lathe.Hosting;
using Microsoft.EntityFrameworkCore;

namespace Lathe.Coordinator;

/// <summary>
/// Looks for inputs that a worker did not find. One that is in the store says something about the worker, whose store may be another one, and nothing about
/// the input.
/// </summary>
internal sealed class LostInputs(CoordinatorStore store, CheckpointStore checkpoints)
{
    /// <summary>The reports, those of inputs that are not lost as failures that another worker may not have. Outside of every lock: it reads the store.</summary>
    public async Task<IReadOnlyList<Report>> CheckAsync(IReadOnlyList<Report> reports, CancellationToken stop)
    {
        var lost = reports.Select(r => r.Message).OfType<StageFailed>().Where(f => f.Kind == FailureKind.InputLost).Select(f => f.ExecutionId).ToHashSet();
        if (lost.Count == 0) return reports;
        await using var database = store.Open();
        var inputs = await database.Executions.AsNoTracking().Where(e => lost.Contains(e.Id)).ToDictionaryAsync(e => e.Id, e => e.Input(), stop);
        var there = inputs.Where(i => i.Value is { } input && checkpoints.Has(input)).Select(i => i.Key).ToHashSet();
        return
        [
            .. reports.Select(r => r.Message is StageFailed { Kind: FailureKind.InputLost } failed && there.Contains(failed.ExecutionId)
                ? r with { Message = failed with { Kind = FailureKind.Elsewhere } }
                : r),
        ];
    }
}
