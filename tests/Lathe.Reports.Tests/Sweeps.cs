using System.Text.Json;
using Lathe.Contracts;
using Lathe.Contracts.Panels;
using Lathe.Reports.Results;

namespace Lathe.Reports.Tests;

/// <summary>Sweeps of stages that nobody knows, whose author has put markup into every name.</summary>
internal static class Sweeps
{
    public const string Markup = "</title></style><script>alert(1)</script><img src=\"http://x/\" onerror='a()'>&amp;\u0001";

    public static readonly CheckpointRef Grown = new(new string('1', 64), 800_000), Cut = new(new string('2', 64), 400_000),
        Packed = new(new string('3', 64), 30_000), Lost = new(new string('4', 64), 50_000);

    public static DateTimeOffset Start { get; } = new(2026, 1, 2, 3, 4, 5, TimeSpan.Zero);

    public static SweepStatus Status { get; } = new(
        Guid.Parse("01234567-89ab-cdef-0123-456789abcdef"), Markup, SweepState.Failed, Start, Start.AddHours(1), []);

    /// <summary>As a stage would describe them.</summary>
    public static IReadOnlyList<MetricDescriptor> Metrics { get; } =
    [
        new("yield", "yield", "%", MetricFormat.Percent, Better.Higher, IsColumn: true, DenseName: "yieldDense", Description: "share of good apples", Rank: 10)
        {
            LowName = "yieldLow", HighName = "yieldHigh", LongTitle = "yield %",
        },
        new("mass", "mass", "", MetricFormat.Count, Better.Lower, IsColumn: true, Rank: 20) { RatioName = "massRatio", LongTitle = "mass of all apples" },
        new("bits", "bits", "", MetricFormat.Bits, IsColumn: true, Rank: 40),
        new("box", "KiB", "", MetricFormat.Bytes, Better.Lower, IsColumn: true, DenseName: "boxDense", Rank: 50),
        new("sugar", "sugar", "g", MetricFormat.Number, IsColumn: true, Description: "of one apple", Rank: 100),
        new("secret", "secret"),
    ];

    public static IReadOnlyList<LeafResult> Leaves { get; } =
    [
        Leaf(Weighed(Grown, 0.92, null, 1), Stage("grow", """{"epochs":3}""", Grown)),
        Leaf(Weighed(Cut, 0.91, null, 0.5), Stage("grow", """{"epochs":3}""", Grown), Stage("cut", """{"mass":0.5}""", Cut)),
        Leaf(Weighed(Packed, 0.9, 2, 0.5), Stage("grow", """{"epochs":3}""", Grown), Stage("cut", """{"mass":0.5}""", Cut), Stage("pack", Exclude, Packed)),
        Leaf(Weighed(Lost, 0.89, 4, 0.5), Stage("grow", """{"epochs":3}""", Grown), Stage("cut", """{"mass":0.5}""", Cut), Stage("pack", """{"bits":4,"exclude":""}""", Lost)),
        new(Markup, Markup, 1, ExecutionState.Failed,
            [Stage("grow", """{"epochs":3}""", Grown), Stage("cut", """{"mass":0.1}""", null)]),
    ];

    public static ShownResults Results { get; } = ShownResults.Of(new SweepResults(Metrics, Leaves));

    /// <summary>A report in which every execution shows every kind of panel.</summary>
    public static SweepReport Report { get; } = SweepReport.Of(Status, Results, Read, (_, _) => Panels("Weighing", isMeasured: true));

    /// <summary>A report in which every execution shows these panels.</summary>
    public static SweepReport With(IReadOnlyList<Panel> panels) => SweepReport.Of(Status, Results, c => Read(c) with { Panels = panels }, (_, _) => panels);

    public static CheckpointStory Read(CheckpointRef checkpoint) => checkpoint == Lost ? throw new LatheException($"checkpoint {Lost.Sha256} is not in the store {Markup}")
        : new CheckpointStory(
            "1", Json(Exclude), 1, checkpoint == Grown ? null : Grown, new DataRef(Markup, "abcdef"), new Dictionary<string, string> { ["threads"] = "1", [Markup] = Markup },
            new Dictionary<string, double> { [Markup] = 1 }, Panels(Markup, isMeasured: false));

    private static string Exclude => JsonSerializer.Serialize(new { bits = 2, exclude = Markup });

    /// <summary>The same result with another yield.</summary>
    public static LeafResult Yielding(LeafResult leaf, double yield)
    {
        var last = leaf.Stages[^1];
        return leaf with { Stages = [.. leaf.Stages.SkipLast(1), last with { Metrics = new Dictionary<string, double>(last.Metrics) { ["yield"] = yield } }] };
    }

    private static IReadOnlyList<Panel> Panels(string section, bool isMeasured) =>
    [
        new LineChart("course", $"course {Markup}", new AxisInfo("epoch"), new AxisInfo(Markup), [new Line("", [1, 2, 3], [0.9, null, 0.3])]) { Merges = true, Section = section },
        new LineChart("path", "Path", new AxisInfo("epoch"), new AxisInfo("share", FromZero: true), [new Line("a", [1, 2, 3], [1, 0.7, 0.5], 1), new Line("b", [1, 3], [0.5, 0.5], 1, true)])
        {
            Mark = new LineMark(Markup, 1.5), Section = section, Caption = Markup,
        },
        new ScatterChart("scatter", "Scatter", new AxisInfo("x"), new AxisInfo("y"), [new ScatterPoint(1, 2, Markup, "1", true), new ScatterPoint(2, 1, "b", "2")]) { Section = section },
        new BarChart("widths", "Widths", "channels", [Markup, "features.4"], [new BarSeries("before", [16, 32]), new BarSeries("after", [8, 20])]) { Section = section },
        new BarChart("modes", "Modes", "share", [Markup, "b"], [new BarSeries("−Δ", [0.25, 0.5], 1), new BarSeries("0", [0.4, 0.1], 0), new BarSeries("Δ", [0.35, 0.4], 2)])
        {
            IsStacked = true, Section = section, Labels = ["40% at 0", Markup],
        },
        new RidgeChart("weights", "Weights", Markup, -2, 2, [new Ridge("before", [1, 4, 6, 4, 1]), new Ridge(Markup, [0, 8, 0, 8, 0])])
        {
            Marks = [new AxisMark(-1, "−Δ"), new AxisMark(0, "0"), new AxisMark(1, Markup)], Section = section, IsDetail = true,
        },
        new HeatMap("confusion", "Confusion", Markup, "taken for", ["a", Markup], ["a", Markup], [[9, 1], [2, 8]]) { IsDiagonalRight = true, Section = section },
        new TablePanel("classes", "Classes", [new TableColumn("class", IsText: true), new TableColumn("right %", MetricFormat.Percent)], [["a", 0.9], [Markup, isMeasured ? 0.5 : new TableCell()]])
        {
            Keys = 1, Merges = true, Section = section,
        },
        new TablePanel("layers", "Layers", [new TableColumn(Markup, IsText: true), new TableColumn("n")], [[Markup, 1.5]]) { IsDetail = true, Section = section },
    ];

    private static JsonElement Json(string text) => JsonDocument.Parse(text).RootElement;

    private static StageResult Stage(string stage, string parameters, CheckpointRef? made) =>
        new(stage, Json(parameters), made?.Sha256, made, 10, false, new Dictionary<string, double> { ["mass"] = 200_000 });

    private static StageResult Weighed(CheckpointRef of, double yield, int? bits, double ratio)
    {
        var metrics = new Dictionary<string, double>
        {
            ["yield"] = yield, ["yieldDense"] = 0.92, ["yieldLow"] = yield - 0.01, ["yieldHigh"] = yield + 0.01, ["mass"] = 200_000 * ratio, ["massRatio"] = ratio,
            ["box"] = 800_000 * ratio * (bits ?? 32) / 32, ["boxDense"] = 800_000, ["sugar"] = 0.04, ["secret"] = 7,
        };
        if (bits is { } known) metrics["bits"] = known;
        return new StageResult("weigh", Json("{}"), null, of, 1, false, metrics, OnlyMeasures: true);
    }

    private static LeafResult Leaf(StageResult weighed, params StageResult[] made) =>
        new(Markup, Markup, 1, ExecutionState.Completed, [.. made, weighed]);
}
