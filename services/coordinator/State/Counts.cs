using Microsoft.EntityFrameworkCore;

namespace Lathe.Coordinator;

/// <summary>Moves of nodes between states in one transaction, added up for each step of each sweep.</summary>
internal sealed class Counts
{
    private SortedDictionary<(Guid Sweep, int Step), int[]> _changes = [];

    /// <summary>The moves since the last call.</summary>
    public IReadOnlyDictionary<(Guid Sweep, int Step), int[]> Take()
    {
        var taken = _changes;
        _changes = [];
        return taken;
    }

    public void Move(Guid sweep, int step, NodeState? from, NodeState? to, int nodes = 1)
    {
        if (from == to) return;
        if (!_changes.TryGetValue((sweep, step), out var change)) _changes.Add((sweep, step), change = new int[Enum.GetValues<NodeState>().Length]);
        if (from is { } before) change[(int)before] -= nodes;
        if (to is { } after) change[(int)after] += nodes;
    }

    /// <summary>
    /// Adds the changes to the stored counts. Relative, so that two coordinators may do it at once; in one order, so that neither waits for the other in a circle.
    /// </summary>
    public static async Task StoreAsync(IReadOnlyDictionary<(Guid Sweep, int Step), int[]> changes, CoordinatorDatabase database, CancellationToken stop)
    {
        foreach (var ((sweep, step), by) in changes)
        {
            if (by.All(b => b == 0)) continue;
            int At(NodeState state) => by[(int)state];
            var (waiting, ready, queued, running) = (At(NodeState.Waiting), At(NodeState.Ready), At(NodeState.Queued), At(NodeState.Running));
            var (completed, cached, failed) = (At(NodeState.Completed), At(NodeState.Cached), At(NodeState.Failed));
            var (skipped, paused, cancelled) = (At(NodeState.Skipped), At(NodeState.Paused), At(NodeState.Cancelled));
            await database.StepCounts.Where(c => c.SweepId == sweep && c.Step == step).ExecuteUpdateAsync(
                set => set
                    .SetProperty(c => c.Waiting, c => c.Waiting + waiting)
                    .SetProperty(c => c.Ready, c => c.Ready + ready)
                    .SetProperty(c => c.Queued, c => c.Queued + queued)
                    .SetProperty(c => c.Running, c => c.Running + running)
                    .SetProperty(c => c.Completed, c => c.Completed + completed)
                    .SetProperty(c => c.Cached, c => c.Cached + cached)
                    .SetProperty(c => c.Failed, c => c.Failed + failed)
                    .SetProperty(c => c.Skipped, c => c.Skipped + skipped)
                    .SetProperty(c => c.Paused, c => c.Paused + paused)
                    .SetProperty(c => c.Cancelled, c => c.Cancelled + cancelled),
                stop);
        }
    }
}
