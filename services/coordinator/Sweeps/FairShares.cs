namespace Lathe.Coordinator;

/// <summary>A sweep that has executions of one stage ready.</summary>
/// <param name="Sweep">The sweep.</param>
/// <param name="Priority">A higher one goes first.</param>
/// <param name="Share">Sweeps of one share divide it.</param>
/// <param name="Weight">Size of the share.</param>
/// <param name="Ready">Executions that may be sent.</param>
/// <param name="Room">How many more its own limits allow.</param>
internal sealed record ShareClaim(Guid Sweep, int Priority, string Share, double Weight, int Ready, int Room)
{
    public static ShareClaim Of(SweepRow sweep, int ready, int room = int.MaxValue) => new(sweep.Id, sweep.Priority, sweep.ShareKey, sweep.ShareWeight, ready, room);
}

/// <summary>Decides whose executions are sent next.</summary>
internal static class FairShares
{
    /// <summary>
    /// How many executions of a stage may wait in its queue. Enough that no worker runs out of work before more is sent, and no more: the queue is in order of
    /// sending, and whatever is in it goes before a sweep that comes later, whatever its priority.
    /// </summary>
    /// <param name="running">Executions of the stage that workers have in hand.</param>
    /// <param name="meanSeconds">What one has taken so far; null: unknown.</param>
    /// <param name="options">The limits.</param>
    public static int Backlog(int running, double? meanSeconds, CoordinatorOptions options)
    {
        var most = Math.Max(options.Backlog, 2 * running);
        var least = Math.Min(most, Math.Max(options.LeastBacklog, 2 * running));
        if (meanSeconds is not { } mean) return least;
        // Who takes very short ones is never seen to run one.
        var inTime = Math.Max(1, running) * options.BacklogTime.TotalSeconds / mean;
        return inTime >= most ? most : Math.Max(least, (int)inTime);
    }

    /// <summary>
    /// Gives out free places, one after the other: to the highest priority that has something ready, there to the share that has the least under way for
    /// its weight, and within a share to the sweep that has the least.
    /// </summary>
    /// <param name="claims">In order of submission; among equals the earlier one wins.</param>
    /// <param name="underWay">Executions that are with workers or in the queue, by sweep.</param>
    /// <param name="free">Places to give out.</param>
    /// <returns>Number of places by sweep.</returns>
    public static IReadOnlyDictionary<Guid, int> Divide(IReadOnlyList<ShareClaim> claims, IReadOnlyDictionary<Guid, int> underWay, int free)
    {
        var given = new Dictionary<Guid, int>();
        foreach (var level in claims.GroupBy(c => c.Priority).OrderByDescending(g => g.Key))
        {
            var ofShare = level.GroupBy(c => c.Share).ToDictionary(g => g.Key, g => g.Sum(c => underWay.GetValueOrDefault(c.Sweep)));
            while (free > 0)
            {
                ShareClaim? next = null;
                var (least, leastOfSweep) = (double.MaxValue, int.MaxValue);
                foreach (var claim in level)
                {
                    var has = given.GetValueOrDefault(claim.Sweep);
                    if (has >= Math.Min(claim.Ready, claim.Room)) continue;
                    var load = ofShare[claim.Share] / claim.Weight;
                    var loadOfSweep = underWay.GetValueOrDefault(claim.Sweep) + has;
                    if (load < least || (load == least && loadOfSweep < leastOfSweep)) (next, least, leastOfSweep) = (claim, load, loadOfSweep);
                }

                if (next is null) break;
                given[next.Sweep] = given.GetValueOrDefault(next.Sweep) + 1;
                ofShare[next.Share]++;
                free--;
            }
        }

        return given;
    }
}
