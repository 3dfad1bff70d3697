using System.Text;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Storage;

namespace Lathe.Coordinator;

/// <summary>Moves of nodes between states in one transaction, added up for each step of each sweep.</summary>
internal sealed class Counts
{
    private static readonly int States = Enum.GetValues<NodeState>().Length;

    private SortedDictionary<(Guid Sweep, int Step), Moves> _changes = [];

    public bool IsEmpty => _changes.Count == 0;

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

    /// <summary>Counts a new node.</summary>
    public void Add(Guid sweep, int step, NodeState state)
    {
        if (!_changes.TryGetValue((sweep, step), out var moves)) _changes.Add((sweep, step), moves = new Moves(new int[States]));
        moves.By[(int)state]++;
    }

    /// <summary>
    /// Adds the changes to the stored counts, in one round trip. Relative, so that two coordinators may do it at once; in one order, so that neither waits for the
    /// other in a circle.
    /// </summary>
    /// <param name="changes">The moves.</param>
    /// <param name="database">Has a transaction.</param>
    /// <param name="then">A statement that is executed after all of them; null: none.</param>
    /// <param name="events">What is told after that.</param>
    /// <param name="stop">Gives up; the transaction must then be rolled back.</param>
    /// <returns>The sweeps of which no changed step has anything left to run.</returns>
    public static async Task<IReadOnlySet<Guid>> StoreAsync(
        IReadOnlyDictionary<(Guid Sweep, int Step), Moves> changes, CoordinatorDatabase database, string? then, IEnumerable<EventRow> events, CancellationToken stop)
    {
        await using var command = database.Database.GetDbConnection().CreateCommand();
        command.Transaction = database.Database.CurrentTransaction!.GetDbTransaction();
        var text = new StringBuilder();
        foreach (var ((sweep, step), moves) in changes.Where(c => c.Value.By.Any(b => b != 0)))
        {
            text.Append("UPDATE step_counts SET ");
            foreach (var state in Enum.GetValues<NodeState>())
            {
                if (moves.By[(int)state] != 0) text.Append($"\"{state}\" = \"{state}\" + {Value(moves.By[(int)state])}, ");
            }

            text.Append($"\"Seconds\" = \"Seconds\" + {Value(moves.Seconds)} WHERE \"SweepId\" = {Value(sweep)} AND \"Step\" = {Value(step)} ")
                .Append("RETURNING \"SweepId\", \"Waiting\" + \"Ready\" + \"Queued\" + \"Running\" + \"Paused\";");
        }

        if (then is not null) text.Append(then).Append(';');
        foreach (var e in events)
        {
            text.Append($"INSERT INTO events (\"SweepId\", \"At\", \"Kind\", \"Json\") VALUES ({Value(e.SweepId)}, {Value(e.At.UtcDateTime)}, {Value(e.Kind)}, {Value(e.Json)});");
        }

        command.CommandText = text.ToString();
        var (done, open) = (new HashSet<Guid>(), new HashSet<Guid>());
        if (command.CommandText.Length == 0) return done;
        await using var reader = await command.ExecuteReaderAsync(stop);
        do
        {
            while (reader.FieldCount == 2 && await reader.ReadAsync(stop))
            {
                (reader.GetInt64(1) == 0 ? done : open).Add(reader.GetGuid(0));
            }
        }
        while (await reader.NextResultAsync(stop));
        done.ExceptWith(open);
        return done;

        string Value(object value)
        {
            var parameter = command.CreateParameter();
            (parameter.ParameterName, parameter.Value) = ($"@p{command.Parameters.Count}", value);
            command.Parameters.Add(parameter);
            return parameter.ParameterName;
        }
    }

    /// <summary>What happened to the counts of one step.</summary>
    /// <param name="By">Change of each state's number.</param>
    public sealed record Moves(int[] By)
    {
        public double Seconds { get; set; }
    }
}
