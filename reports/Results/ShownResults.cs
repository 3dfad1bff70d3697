using Lathe.Contracts;

namespace Lathe.Reports.Results;

/// <summary>The results of a sweep with what is needed to show them.</summary>
/// <param name="Leaves">The results.</param>
/// <param name="Ways">The way to each, stage by stage.</param>
/// <param name="Columns">Metrics that tables show.</param>
public sealed record ShownResults(
    IReadOnlyList<LeafResult> Leaves, IReadOnlyList<IReadOnlyList<string>> Ways, IReadOnlyList<ResultColumn> Columns)
{
    /// <summary>Puts it together.</summary>
    /// <param name="results">Of one sweep.</param>
    public static ShownResults Of(SweepResults results) =>
        new(results.Leaves, Results.Ways.Of(results.Leaves), ResultColumn.Of(results.Leaves, results.Metrics));

    /// <summary>What a reader of the results has to know; null: nothing.</summary>
    public string? Note { get; init; }

    /// <summary>The metric by which results are judged first; null: none of which more is better.</summary>
    public ResultColumn? Goal => Columns.FirstOrDefault(c => c.Metric.Better == Better.Higher);

    /// <summary>Index of the best result, of equal ones and without a goal of the first; null: there are none.</summary>
    public int? Best => Leaves.Count == 0 ? null : Leaves.Index().MaxBy(l => Goal?.Value(l.Item) ?? double.MinValue).Index;

    /// <summary>Metrics that a better result pays with.</summary>
    public IEnumerable<ResultColumn> Costs => Columns.Where(c => c.Metric.Better == Better.Lower);

    /// <summary>The way to a result in one line.</summary>
    public string Name(int leaf) => string.Join(" > ", Ways[leaf]);

    /// <summary>Figures of a result, one for each head: its metrics, then its time. Where there are none, its state.</summary>
    public IReadOnlyList<ResultCell> Row(LeafResult leaf)
    {
        var cells = Columns.SelectMany(c => c.HasPoints ? (ResultCell[])[c.Cell(leaf), c.Points(leaf)] : [c.Cell(leaf)]).ToList();
        var state = new ResultCell(Words.Of(leaf.State));
        if (Columns.Count == 0) cells.Add(state);
        else if (!ResultColumn.IsDone(leaf)) cells[0] = state;
        return [.. cells, Time(leaf)];
    }

    /// <summary>Heads of <see cref="Row"/>.</summary>
    public IReadOnlyList<string> Heads =>
        [.. Columns.Count == 0 ? ["state"] : Columns.SelectMany(c => c.HasPoints ? (string[])[c.Head, "points"] : [c.Head]), "time"];

    /// <summary>The same with fewer columns.</summary>
    public ShownResults WithoutExtras(int extras) => this with { Columns = [.. Columns.Where(c => !c.IsExtra), .. Columns.Where(c => c.IsExtra).Take(extras)] };

    /// <summary>True for a result that no stage changed after the first.</summary>
    public static bool IsDense(LeafResult leaf) => leaf.Stages.Select(s => s.Checkpoint?.Sha256).OfType<string>().Distinct().Count() <= 1;

    /// <summary>Time that the stages on the way took, and whether any of that was spent now.</summary>
    private static ResultCell Time(LeafResult leaf) => leaf.Stages.All(s => s.Seconds is null) ? new ResultCell("-")
        : new ResultCell(Figures.Time(leaf.Stages.Sum(s => s.Seconds ?? 0)), leaf.Stages.All(s => s.Cached) ? "cached" : "");
}
