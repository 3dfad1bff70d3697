using Microsoft.EntityFrameworkCore;

namespace Lathe.Coordinator;

/// <summary>Moves of nodes between states in one transaction, added up for each step of each sweep.</summary>
internal sealed class Counts
{
    private static readonly int States = Enum.GetValues<NodeState>().Length;

    private SortedDictionary<(Guid Sweep, int Step), Moves> _changes = [];

    /// <summary>The moves since the last call.</summary>
    public IReadOnlyDictionary<(Guid Sweep, int Step), Moves> Take()
    {
        var taken = _changes;
        _changes = [];
        return taken;
    }

    /// <summary>Counts a move.</summary>
    /// <param name="sweep">The node's sweep.</param>
    /// <param name="step">The node's step.</param>
    /// <param name="from">State that it leaves.</param>
    /// <param name="to">State that it enters.</param>
    /// <param name="seconds">Time that it took; 0 unless it completed.</param>
    public void Move(Guid sweep, int step, NodeState from, NodeState to, double seconds = 0)
    {
        if (!_changes.TryGetValue((sweep, step), out var moves)) _changes.Add((sweep, step), moves = new Moves(new int[States]));
        moves.By[(int)from]--;
        moves.By[(int)to]++;
        moves.Seconds += seconds;
    }

    /// <summary>
    /// Adds the changes to the stored counts. Relative, so that two coordinators may do it at once; in one order, so that neither waits for the other in a circle.
    /// </summary>
    public static async Task StoreAsync(IReadOnlyDictionary<(Guid Sweep, int Step), Moves> changes, CoordinatorDatabase database, CancellationToken stop)
    {
        foreach (var ((sweep, step), moves) in changes)
        {
            if (moves.By.All(b => b == 0)) continue;
            int At(NodeState state) => moves.By[(int)state];
            var seconds = moves.Seconds;
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
                    .SetProperty(c => c.Cancelled, c => c.Cancelled + cancelled)
                    .SetProperty(c => c.Seconds, c => c.Seconds + seconds),
                stop);
        }
    }

    /// <summary>What happened to the counts of one step.</summary>
    /// <param name="By">Change of each state's number.</param>
    public sealed record Moves(int[] By)
    {
        public double Seconds { get; set; }
    }
}
