using System.Text.Json;

namespace Lathe.Coordinator;

/// <summary>A trial that a round chose.</summary>
internal sealed record ChosenTrial(
    double[] Point, IReadOnlyDictionary<string, JsonElement> Values, IReadOnlyList<PlannedExecution> Executions, TrialState State, double Violation, string? Reason);

/// <summary>What a search knows in the course of one round, and what it decides. Nothing of it is recorded yet.</summary>
/// <param name="history">All trials, in their order.</param>
/// <param name="courses">Their figures epoch by epoch.</param>
/// <param name="stops">When trials stop early; null: none does.</param>
internal sealed class SearchRound(List<SearchTrial> history, List<IReadOnlyList<double[]>> courses, EarlyStops? stops)
{
    private readonly List<ChosenTrial> _chosen = [];
    private readonly List<TrialEnd> _ended = [];
    private readonly HashSet<int> _arrived = [];
    private readonly Dictionary<int, TrialState> _moved = [];

    public IReadOnlyList<SearchTrial> History => history;

    public IReadOnlyList<IReadOnlyList<double[]>> Courses => courses;

    public IReadOnlyList<ChosenTrial> Chosen => _chosen;

    public IReadOnlyList<TrialEnd> Ended => _ended;

    /// <summary>Trials that ended further epochs.</summary>
    public IReadOnlySet<int> Arrived => _arrived;

    /// <summary>Trials that stop or go on, with the state that each has then.</summary>
    public IReadOnlyDictionary<int, TrialState> Moved => _moved;

    /// <summary>True: nothing is left to choose.</summary>
    public bool IsOver { get; set; }

    public int Open => history.Count(t => t.State == TrialState.Open);

    public void Take(TrialEnd end)
    {
        _ended.Add(end);
        _moved.Remove(end.Number);
        history[end.Number] = history[end.Number] with { State = end.State, Losses = end.Losses, Violation = end.Violation };
        // What it did may leave room in a rung for others.
        IsOver = false;
    }

    public void Take(TrialArrival arrival)
    {
        var before = courses[arrival.Number].Count;
        courses[arrival.Number] = arrival.Course;
        _arrived.Add(arrival.Number);
        IsOver = false;
        if (stops!.IsDue(Trials(), arrival.Number, before)) Move(arrival.Number, TrialState.Stopped);
    }

    /// <summary>Lets the next stopped trial go on; false: none does.</summary>
    public bool SendOn()
    {
        if (stops?.Next(Trials()) is not { } number) return false;
        Move(number, TrialState.Open);
        return true;
    }

    public void Add(ChosenTrial next)
    {
        _chosen.Add(next);
        history.Add(new SearchTrial(next.Point, next.State, [], next.Violation));
        courses.Add([]);
    }

    private void Move(int number, TrialState state)
    {
        history[number] = history[number] with { State = state };
        // One that is stopped and goes on in the same round never stood still.
        if (!_moved.Remove(number)) _moved.Add(number, state);
    }

    private List<TrialCourse> Trials() => [.. history.Zip(courses, (t, course) => new TrialCourse(t.State, course))];
}
