using System.Globalization;
using Lathe.Contracts;
using Microsoft.EntityFrameworkCore;

namespace Lathe.Coordinator;

/// <summary>Finds what the address of a request names.</summary>
internal sealed class SweepTargets(CoordinatorStore store, SweepQueries queries)
{
    private const int MostOfAKey = 20;

    /// <summary>The id of a sweep.</summary>
    /// <param name="reference">Id, unique start of one, or name.</param>
    /// <param name="stop">Gives up.</param>
    /// <exception cref="ApiFault">404.</exception>
    public async Task<Guid> IdAsync(string reference, CancellationToken stop)
    {
        try
        {
            // Where the database lies is nothing for those who ask.
            return await queries.FindIdAsync(reference, stop)
                ?? throw ApiFault.NotFound($"no sweep '{reference}'; expected an id, the start of one, or a name (lathe status and GET /sweeps list them)");
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
        var target = new ControlTarget(await IdAsync(reference, stop), stage, execution);
        if (target.IsWhole) return target;
        await using var database = store.Open();
        return await target.ProblemAsync(database, stop) is { } problem ? throw ApiFault.NotFound(problem) : target;
    }

    /// <summary>The sweep and the index of an execution.</summary>
    /// <param name="reference"><c>SWEEP:INDEX</c>, an execution's id, or its key.</param>
    /// <param name="stop">Gives up.</param>
    /// <exception cref="ApiFault">400: it is none of these; 404: there is no such execution.</exception>
    public async Task<(Guid Sweep, int Index)> ExecutionAsync(string reference, CancellationToken stop)
    {
        var colon = reference.LastIndexOf(':');
        if (colon > 0 && int.TryParse(reference.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var index))
            return ((await FindAsync(reference[..colon], null, index, stop)).Sweep, index);
        await using var database = store.Open();
        var executions = database.Executions.AsNoTracking();
        if (Guid.TryParse(reference, out var id)) executions = executions.Where(e => e.Id == id);
        else if (StoredModel.IsDigest(reference)) executions = executions.Where(e => e.Key == reference).OrderByDescending(e => e.State == RunState.Completed).ThenBy(e => e.Found).ThenByDescending(e => e.ReadyAt);
        else throw new ApiFault(StatusCodes.Status400BadRequest, $"'{reference}' names no execution; expected SWEEP:INDEX, the id of an execution, or its key of 64 hexadecimal characters");
        foreach (var found in await executions.Select(e => new { e.Id, e.SweepId, e.NodeIndex }).Take(MostOfAKey).ToListAsync(stop))
        {
            // The sweep on whose account it runs may be deleted while others have it.
            var node = await database.Nodes.Where(n => n.ExecutionId == found.Id)
                .OrderByDescending(n => n.SweepId == found.SweepId && n.Index == found.NodeIndex).ThenBy(n => n.Index).Select(n => new { n.SweepId, n.Index }).FirstOrDefaultAsync(stop);
            if (node is not null) return (node.SweepId, node.Index);
        }

        throw ApiFault.NotFound($"no sweep has an execution '{reference}'");
    }
}
