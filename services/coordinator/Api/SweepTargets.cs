using Lathe.Contracts;
using Microsoft.EntityFrameworkCore;

namespace Lathe.Coordinator;

/// <summary>Finds what the address of a request names.</summary>
internal sealed class SweepTargets(CoordinatorStore store, SweepQueries queries)
{
    /// <summary>The id of a sweep.</summary>
    /// <param name="reference">Id, unique start of one, or name.</param>
    /// <param name="stop">Gives up.</param>
    /// <exception cref="ApiFault">404.</exception>
    public async Task<Guid> IdAsync(string reference, CancellationToken stop)
    {
        try
        {
            return await queries.IdAsync(reference, stop);
        }
        catch (LatheException e) when (e.Kind == FailureKind.Permanent)
        {
            throw ApiFault.NotFound(e.Message);
        }
    }

    /// <summary>A sweep, a stage of it or one execution.</summary>
    /// <exception cref="ApiFault">404.</exception>
    public async Task<ControlTarget> FindAsync(string reference, string? stage, int? execution, CancellationToken stop)
    {
        var id = await IdAsync(reference, stop);
        await using var database = store.Open();
        if (stage is not null)
        {
            var stages = await database.StepCounts.AsNoTracking().Where(c => c.SweepId == id).OrderBy(c => c.Step).Select(c => c.Stage).ToListAsync(stop);
            if (!stages.Contains(stage)) throw ApiFault.NotFound($"the sweep has no stage '{stage}'; it has {string.Join(", ", stages)}");
        }

        if (execution is { } index && !await database.Nodes.AnyAsync(n => n.SweepId == id && n.Index == index, stop))
            throw ApiFault.NotFound($"the sweep has no execution {index}");
        return new ControlTarget(id, stage, execution);
    }
}
