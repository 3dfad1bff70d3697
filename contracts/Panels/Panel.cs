using System.Text.Json.Serialization;

namespace Lathe.Contracts.Panels;

/// <summary>
/// A picture or table that a stage made of its result, as data: nothing here knows how it is drawn. Panels are kept beside the result
/// as JSON; a reader that does not know a kind reads a plain <see cref="Panel"/> and leaves it out.
/// </summary>
/// <param name="Id">
/// Names the panel within its stage, lower case with dashes: <c>residual</c>. It becomes part of a file name, and panels of the same
/// identifier from several executions belong together.
/// </param>
/// <param name="Title">What it shows.</param>
[JsonPolymorphic(
    TypeDiscriminatorPropertyName = "kind", UnknownDerivedTypeHandling = JsonUnknownDerivedTypeHandling.FallBackToBaseType, IgnoreUnrecognizedTypeDiscriminators = true)]
[JsonDerivedType(typeof(LineChart), "lines")]
[JsonDerivedType(typeof(ScatterChart), "scatter")]
[JsonDerivedType(typeof(BarChart), "bars")]
[JsonDerivedType(typeof(RidgeChart), "ridges")]
[JsonDerivedType(typeof(HeatMap), "heat")]
[JsonDerivedType(typeof(TablePanel), "table")]
public record Panel(string Id, string Title)
{
    /// <summary>Heading that it stands under, for example <c>Quantization</c>; empty: the stage's name.</summary>
    public string Section { get; init; } = "";

    /// <summary>What to see in it, one or two sentences; empty: nothing to add.</summary>
    public string Caption { get; init; } = "";

    /// <summary>True: of secondary interest, shown when somebody asks for more.</summary>
    public bool IsDetail { get; init; }

    /// <summary>
    /// True for line charts and tables that compare executions: those of one stage and identifier are drawn as one. Lines get the names of
    /// their executions; for tables see <see cref="TablePanel.Keys"/>.
    /// </summary>
    public bool Merges { get; init; }

    /// <summary>Identifier of the table that says the same in figures: where there is only text, the table stands for this panel. Null: none.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Figures { get; init; }
}

/// <summary>How an axis is scaled.</summary>
public enum AxisScale
{
    /// <summary>Equal steps add.</summary>
    Linear,

    /// <summary>Equal steps multiply; values are above 0.</summary>
    Logarithmic,
}

/// <summary>An axis of a chart.</summary>
/// <param name="Title">Quantity and unit, for example <c>learning rate</c> or <c>share of weights, %</c>.</param>
/// <param name="Scale">How it is scaled.</param>
/// <param name="FromZero">True: zero is on it, whatever the data.</param>
public sealed record AxisInfo(string Title, AxisScale Scale = AxisScale.Linear, bool FromZero = false);

/// <summary>Lines over a common horizontal quantity.</summary>
public sealed record LineChart(string Id, string Title, AxisInfo X, AxisInfo Y, IReadOnlyList<Line> Lines) : Panel(Id, Title)
{
    /// <summary>A vertical line with a word beside it; null: none.</summary>
    public LineMark? Mark { get; init; }
}

/// <summary>One line of a <see cref="LineChart"/>.</summary>
/// <param name="Name">For the legend; empty in a chart that merges: the execution's name is used.</param>
/// <param name="X">Horizontal values, rising.</param>
/// <param name="Y">As many vertical values; null where there is none.</param>
/// <param name="Group">Lines of one group share a colour; null: each line has its own.</param>
/// <param name="IsTarget">True: what the others should come to, drawn as a limit.</param>
public sealed record Line(string Name, IReadOnlyList<double> X, IReadOnlyList<double?> Y, int? Group = null, bool IsTarget = false);

/// <summary>A vertical mark.</summary>
public sealed record LineMark(string Text, double X);

/// <summary>Points in a plane.</summary>
public sealed record ScatterChart(string Id, string Title, AxisInfo X, AxisInfo Y, IReadOnlyList<ScatterPoint> Points) : Panel(Id, Title)
{
    /// <summary>Names of the groups of points, for the legend.</summary>
    public IReadOnlyList<string> Groups { get; init; } = [];

    /// <summary>What is said of the points on the front, for the legend; empty: nothing.</summary>
    public string FrontName { get; init; } = "";

    /// <summary>What the interval of a point is, for the legend; empty: nothing.</summary>
    public string IntervalName { get; init; } = "";
}

/// <summary>A point of a <see cref="ScatterChart"/>.</summary>
/// <param name="X">Horizontal value.</param>
/// <param name="Y">Vertical value.</param>
/// <param name="Name">What it stands for.</param>
/// <param name="Label">Short text beside it, for example its number in a table.</param>
/// <param name="OnFront">True: no other point is better in both.</param>
/// <param name="Group">Points of one group share colour and shape; from 0.</param>
public sealed record ScatterPoint(double X, double Y, string Name, string Label = "", bool OnFront = false, int Group = 0)
{
    /// <summary>Lower end of the vertical value's interval; null: unknown.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public double? Low { get; init; }

    /// <summary>Upper end of it.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public double? High { get; init; }
}

/// <summary>Bars by category, several series within or on one another.</summary>
/// <param name="Id">See <see cref="Panel"/>.</param>
/// <param name="Title">See <see cref="Panel"/>.</param>
/// <param name="Unit">What is counted, in the plural: <c>channels</c>.</param>
/// <param name="Categories">One bar each, from top to bottom.</param>
/// <param name="Series">At least one; values are at least 0.</param>
public sealed record BarChart(string Id, string Title, string Unit, IReadOnlyList<string> Categories, IReadOnlyList<BarSeries> Series) : Panel(Id, Title)
{
    /// <summary>True: the series of a category add up to one bar; false: they lie within one another, the first is the outline (before and after).</summary>
    public bool IsStacked { get; init; }

    /// <summary>What stands beside each bar; empty: its values.</summary>
    public IReadOnlyList<string> Labels { get; init; } = [];
}

/// <summary>One series of a <see cref="BarChart"/>.</summary>
/// <param name="Name">For the tooltip.</param>
/// <param name="Values">One for each category.</param>
/// <param name="Group">Parts of one group share a colour; null: each series has its own.</param>
public sealed record BarSeries(string Name, IReadOnlyList<double> Values, int? Group = null);

/// <summary>Distributions above one another, each a row of bins over one axis.</summary>
/// <param name="Id">See <see cref="Panel"/>.</param>
/// <param name="Title">See <see cref="Panel"/>.</param>
/// <param name="About">What the distributions are of.</param>
/// <param name="Least">Lower edge of the first bin.</param>
/// <param name="Most">Upper edge of the last bin.</param>
/// <param name="Ridges">From top to bottom.</param>
public sealed record RidgeChart(string Id, string Title, string About, double Least, double Most, IReadOnlyList<Ridge> Ridges) : Panel(Id, Title)
{
    /// <summary>Places on the axis that matter, rising.</summary>
    public IReadOnlyList<AxisMark> Marks { get; init; } = [];
}

/// <summary>A place on an axis.</summary>
/// <param name="At">Where it is.</param>
/// <param name="Text">What stands there; empty: a line alone.</param>
public sealed record AxisMark(double At, string Text);

/// <summary>One distribution of a <see cref="RidgeChart"/>: its counts in bins of equal width.</summary>
public sealed record Ridge(string Name, IReadOnlyList<double> Counts);

/// <summary>A matrix of counts as colours, for example a confusion matrix. A full cell holds all of its row.</summary>
/// <param name="Id">See <see cref="Panel"/>.</param>
/// <param name="Title">See <see cref="Panel"/>.</param>
/// <param name="RowTitle">What rows are.</param>
/// <param name="ColumnTitle">What columns are.</param>
/// <param name="Rows">Names of the rows.</param>
/// <param name="Columns">Names of the columns.</param>
/// <param name="Values">One list for each row.</param>
public sealed record HeatMap(
    string Id, string Title, string RowTitle, string ColumnTitle, IReadOnlyList<string> Rows, IReadOnlyList<string> Columns,
    IReadOnlyList<IReadOnlyList<double>> Values) : Panel(Id, Title)
{
    /// <summary>True: the diagonal is what should be, and has a colour of its own.</summary>
    public bool IsDiagonalRight { get; init; }
}

/// <summary>A table.</summary>
public sealed record TablePanel(string Id, string Title, IReadOnlyList<TableColumn> Columns, IReadOnlyList<IReadOnlyList<TableCell>> Rows) : Panel(Id, Title)
{
    /// <summary>
    /// How many columns, from the first, say what a row is about. Tables that merge are joined by them: each execution's other columns
    /// stand beside those of the others. 0: rows of executions stand below one another, each with its execution's name.
    /// </summary>
    public int Keys { get; init; }

    /// <summary>True: rows are points of a course, of which a reader with little room may leave some out, but not the last.</summary>
    public bool IsCourse { get; init; }
}

/// <summary>A column of a <see cref="TablePanel"/>.</summary>
/// <param name="Title">Head of the column.</param>
/// <param name="Format">How numbers in it are written.</param>
/// <param name="IsText">True: its cells are texts, aligned to the left.</param>
public sealed record TableColumn(string Title, MetricFormat Format = MetricFormat.Number, bool IsText = false);

/// <summary>A cell: a number in its column's format, or a text; neither: nothing is known.</summary>
public sealed record TableCell(
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? Text = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] double? Number = null)
{
    /// <summary>A text.</summary>
    public static implicit operator TableCell(string? text) => new(text);

    /// <summary>A number; null: nothing is known.</summary>
    public static implicit operator TableCell(double? number) => new(null, number);
}
