using Lathe.Contracts;

namespace Lathe.Reports.Results;

/// <summary>A cell of a table of results.</summary>
/// <param name="Figure">What was measured.</param>
/// <param name="Below">How it compares with the dense network's; empty: it does not.</param>
/// <param name="Interval">Its 95% interval; empty: unknown.</param>
public sealed record ResultCell(string Figure, string Below = "", string Interval = "");

/// <summary>A metric as a column of a table of results.</summary>
/// <param name="Metric">What it means.</param>
public sealed record ResultColumn(MetricDescriptor Metric)
{
    private const int Extra = 100;

    private static readonly IReadOnlyDictionary<string, double> None = new Dictionary<string, double>();

    /// <summary>Head of the column.</summary>
    public string Head => Metric.Unit.Length == 0 ? Metric.Title : $"{Metric.Title} {Metric.Unit}";

    /// <summary>Name of an axis.</summary>
    public string LongTitle => Metric.LongTitle ?? Head;

    /// <summary>True for a column that a narrow table leaves out.</summary>
    public bool IsExtra => Metric.Rank >= Extra;

    /// <summary>True where a difference to the dense network says more than a ratio: what is a share itself.</summary>
    public bool HasPoints => Metric.Format == MetricFormat.Percent && Metric.DenseName is not null;

    private bool HasDense => Metric.DenseName is not null || Metric.RatioName is not null;

    /// <summary>The columns that some result has a value for, by their rank.</summary>
    /// <param name="leaves">Results of one sweep.</param>
    /// <param name="metrics">What their stages measure.</param>
    public static IReadOnlyList<ResultColumn> Of(IReadOnlyList<LeafResult> leaves, IReadOnlyList<MetricDescriptor> metrics) =>
        [.. metrics.Where(m => m.IsColumn).DistinctBy(m => m.Name).OrderBy(m => m.Rank).Select(m => new ResultColumn(m)).Where(c => leaves.Any(l => c.Value(l) is not null))];

    /// <summary>What a result's own stage measured; nothing before it is done.</summary>
    public static IReadOnlyDictionary<string, double> Measured(LeafResult leaf) =>
        IsDone(leaf) && leaf.Stages is [.., var last] ? last.Metrics : None;

    /// <summary>True where a result has what it will have.</summary>
    public static bool IsDone(LeafResult leaf) => leaf.State is ExecutionState.Completed or ExecutionState.Cached;

    /// <summary>The metric of a result; null: not known. One that the result's own stage does not measure, such as the error of an approximation, is a figure of the row.</summary>
    public double? Value(LeafResult leaf) => Figure(leaf, Metric.Name);

    /// <summary>The same of the dense network: as measured with it, else that of the first stage on the way that knows it.</summary>
    public double? Dense(LeafResult leaf) => !HasDense || Value(leaf) is null ? null
        : Figure(leaf, Metric.DenseName) ?? leaf.Stages.Select(s => Find(s.Metrics, Metric.Name)).FirstOrDefault(v => v is not null);

    /// <summary>The metric over that of the dense network.</summary>
    public double? Ratio(LeafResult leaf) => Find(Measured(leaf), Metric.RatioName) ?? Value(leaf) / Dense(leaf);

    /// <summary>Lower end of the 95% interval.</summary>
    public double? Low(LeafResult leaf) => Find(Measured(leaf), Metric.LowName);

    /// <summary>Upper end of it.</summary>
    public double? High(LeafResult leaf) => Find(Measured(leaf), Metric.HighName);

    /// <summary>The cell of a result.</summary>
    public ResultCell Cell(LeafResult leaf)
    {
        var value = Value(leaf);
        // Networks without bits have float weights, once they are there.
        if (value is null && Measured(leaf).Count == 0) return new ResultCell("-");
        var interval = Low(leaf) is { } low && High(leaf) is { } high ? $"{Figures.Of(low, Metric.Format)} to {Figures.Of(high, Metric.Format)}" : "";
        return new ResultCell(Figures.Of(value, Metric.Format), Below(leaf), interval);
    }

    /// <summary>The difference to the dense network.</summary>
    public ResultCell Points(LeafResult leaf) => new(Figures.Points(Value(leaf) - Dense(leaf)));

    /// <summary>Sizes in bytes are told by how many times smaller they are.</summary>
    private string Below(LeafResult leaf) =>
        !HasDense || HasPoints || Ratio(leaf) is not { } ratio ? ""
        : Metric.Format == MetricFormat.Bytes ? Figures.Times(1 / ratio) : Figures.Ratio(ratio);

    private static double? Figure(LeafResult leaf, string? name) =>
        Find(Measured(leaf), name) ?? (name is not null && IsDone(leaf) ? leaf.Figure(name) : null);

    private static double? Find(IReadOnlyDictionary<string, double> metrics, string? name) =>
        name is not null && metrics.TryGetValue(name, out var value) ? value : null;
}
