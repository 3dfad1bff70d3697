using System.Text.Json.Serialization;

namespace Lathe.Contracts;

/// <summary>Which of two values of a metric is the better one.</summary>
public enum Better
{
    /// <summary>Neither: the metric describes and does not judge.</summary>
    Neither,

    /// <summary>More is better: an accuracy.</summary>
    Higher,

    /// <summary>Less is better: a size, an error.</summary>
    Lower,
}

/// <summary>Images that a metric was measured on.</summary>
public enum DataSplit
{
    /// <summary>Training images that were learned from.</summary>
    Training,

    /// <summary>Training images that were held out.</summary>
    Validation,

    /// <summary>Test images. They decide nothing: a search refuses such a metric as its objective.</summary>
    Test,
}

/// <summary>How a metric's value is written for people.</summary>
public enum MetricFormat
{
    /// <summary>Four significant digits: <c>0.2494</c>.</summary>
    Number,

    /// <summary>A whole number, thousands separated: <c>215,546</c>.</summary>
    Count,

    /// <summary>A fraction of 1, written in percent with two decimals: 0.9235 is <c>92.35</c>.</summary>
    Percent,

    /// <summary>Bytes, written in KiB with one decimal.</summary>
    Bytes,

    /// <summary>Seconds, written with the unit that fits.</summary>
    Seconds,

    /// <summary>A ratio to something else, three decimals: <c>0.490</c>.</summary>
    Ratio,

    /// <summary>Bits of a weight; 0, and none where the stage measured other metrics, stand for float.</summary>
    Bits,
}

/// <summary>What one of a stage's metrics means, for whoever shows it, sorts by it or searches with it.</summary>
/// <param name="Name">Key in <c>StageOutcome.Metrics</c>, for example <c>top1</c>.</param>
/// <param name="Title">Head of its column: short, lower case, for example <c>top-1</c>.</param>
/// <param name="Unit">Unit as people write it, for example <c>%</c>; empty: none.</param>
/// <param name="Format">How its value is written.</param>
/// <param name="Better">Which of two values is the better one.</param>
/// <param name="IsColumn">True: tables of results show it unasked.</param>
/// <param name="DenseName">Name of the metric that holds the same figure of the dense network; null: there is none.</param>
/// <param name="Description">One sentence for a person who does not know the metric.</param>
/// <param name="Rank">
/// Place among the columns of a table, smallest first; equal ranks keep the order of the stages. A table without room for all leaves out those from 100 on, the last ones first.
/// </param>
public sealed record MetricDescriptor(
    string Name,
    string Title,
    string Unit = "",
    MetricFormat Format = MetricFormat.Number,
    Better Better = Better.Neither,
    bool IsColumn = false,
    string? DenseName = null,
    string Description = "",
    int Rank = 90)
{
    /// <summary>Title where there is room, with its unit, as an axis has it: <c>multiplications for one image</c>; null: title and unit.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? LongTitle { get; init; }

    /// <summary>Name of the metric that holds this one over that of the dense network; null: there is none.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? RatioName { get; init; }

    /// <summary>Name of the metric that holds the lower end of its 95% interval; null: there is none.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? LowName { get; init; }

    /// <summary>Name of the metric that holds the upper end of it.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? HighName { get; init; }

    /// <summary>Images that it was measured on; null: none, or its author does not say.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public DataSplit? Split { get; init; }

    /// <summary>True: the stage reports it after each epoch too (<see cref="EpochFigures.Metrics"/>), so that a search may stop trials by it.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool EachEpoch { get; init; }
}
