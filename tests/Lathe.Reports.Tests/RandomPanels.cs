using CsCheck;
using Lathe.Contracts;
using Lathe.Contracts.Panels;

namespace Lathe.Reports.Tests;

/// <summary>Panels of every kind as anybody may send them.</summary>
internal static class RandomPanels
{
    private static readonly Gen<string> Words = Gen.OneOf(
        Gen.String[Gen.Char.AlphaNumeric, 0, 12],
        Gen.String[Gen.Char[" MWil.%/-"], 0, 90],
        Gen.String[Gen.Char["<>&\"'\u0001\t\n层é…Δ−"], 0, 40],
        Some("</title><script>alert(1)</script>", "features.denseblock4.denselayer16.conv2", "😀😀 畳み込みニューラルネットワーク", ""));

    private static readonly Gen<double> Values = Gen.OneOf(
        Gen.Double[0, 1], Gen.Double[-1000, 1000], Gen.Double[0, 1e9], Gen.Int[0, 200].Select(i => (double)i), Some(0, 1e-12, -1e30, 1e300, 5e-324));

    private static readonly Gen<AxisInfo> Axes = Gen.Select(Words, Gen.Enum<AxisScale>(), Gen.Bool, (title, scale, zero) => new AxisInfo(title, scale, zero));

    private static readonly Gen<MetricFormat> Formats = Gen.Enum<MetricFormat>();

    private static readonly Gen<Line> Lines = Gen.Select(
        Words, Gen.Int[0, 60].SelectMany(n => Gen.Select(Values.Array[n], Gen.Nullable(Values).Array[n])), Gen.Nullable(Gen.Int[0, 9]), Gen.Bool,
        (name, points, group, isTarget) => new Line(name, [.. points.Item1.Order()], points.Item2, group, isTarget));

    private static readonly Gen<Panel> LineCharts = Gen.Select(
        Words, Axes, Axes, Lines.Array[0, 12], Gen.Nullable(Values),
        (title, x, y, lines, mark) => (Panel)new LineChart("lines", title, x, y, lines) { Mark = mark is { } at ? new LineMark(title, at) : null, Caption = title });

    private static readonly Gen<ScatterPoint> Points = Gen.Select(
        Values, Values, Words, Gen.Int[1, 12000], Gen.Bool, Gen.Int[-1, 9], Gen.Nullable(Values),
        (x, y, name, label, front, group, low) => new ScatterPoint(x, y, name, $"{label}", front, group) { Low = low, High = low + 1 });

    private static readonly Gen<Panel> ScatterCharts = Gen.Select(
        Words, Axes, Axes, Points.Array[0, 40], Words.Array[0, 6],
        (title, x, y, points, groups) => (Panel)new ScatterChart("scatter", title, x, y, points) { Groups = groups, FrontName = title, IntervalName = title });

    private static readonly Gen<Panel> BarCharts = Gen.Select(
        Words, Words.Array[0, 30], Gen.Select(Words, Values.Array[0, 30], Gen.Nullable(Gen.Int[0, 5]), (name, values, group) => new BarSeries(name, values, group)).Array[0, 6],
        Gen.Bool, Words.Array[0, 5],
        (title, categories, series, isStacked, labels) => (Panel)new BarChart("bars", title, title, categories, series) { IsStacked = isStacked, Labels = labels });

    private static readonly Gen<Panel> RidgeCharts = Gen.Select(
        Words, Values, Values, Gen.Select(Words, Values.Array[0, 120], (name, counts) => new Ridge(name, counts)).Array[0, 12],
        Gen.Select(Values, Words, (at, text) => new AxisMark(at, text)).Array[0, 20],
        (title, least, most, ridges, marks) => (Panel)new RidgeChart("ridges", title, title, least, most, ridges) { Marks = [.. marks.OrderBy(m => m.At)] });

    private static readonly Gen<Panel> HeatMaps = Gen.Select(
        Words, Words.Array[0, 30], Words.Array[0, 110], Values.Array[0, 110].Array[0, 30], Gen.Bool,
        (title, rows, columns, values, isDiagonalRight) =>
            (Panel)new HeatMap("heat", title, title, title, rows, columns, [.. values.Select(row => (IReadOnlyList<double>)row)]) { IsDiagonalRight = isDiagonalRight });

    private static readonly Gen<TableCell> Cells = Gen.OneOf(
        Words.Select(text => new TableCell(text)), Values.Select(number => new TableCell(Number: number)), Gen.Const(new TableCell()));

    private static readonly Gen<Panel> Tables = Gen.Select(
        Words, Gen.Select(Words, Formats, Gen.Bool, (title, format, isText) => new TableColumn(title, format, isText)).Array[0, 12], Cells.Array[0, 12].Array[0, 80],
        Gen.Bool, Words,
        (title, columns, rows, isCourse, caption) => (Panel)new TablePanel("table", title, columns, [.. rows.Select(row => (IReadOnlyList<TableCell>)row)])
        {
            IsCourse = isCourse, Caption = caption,
        });

    /// <summary>A generator for each kind, by its name in JSON.</summary>
    public static IReadOnlyDictionary<string, Gen<Panel>> ByKind { get; } = new Dictionary<string, Gen<Panel>>
    {
        ["lines"] = LineCharts, ["scatter"] = ScatterCharts, ["bars"] = BarCharts, ["ridges"] = RidgeCharts, ["heat"] = HeatMaps, ["table"] = Tables,
    };

    private static Gen<T> Some<T>(params T[] values) => Gen.Int[0, values.Length - 1].Select(i => values[i]);
}
