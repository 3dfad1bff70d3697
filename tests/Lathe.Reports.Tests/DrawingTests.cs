using Lathe.Contracts;
using Lathe.Contracts.Panels;
using Lathe.Reports.Drawings;
using Lathe.Reports.Results;

namespace Lathe.Reports.Tests;

public sealed class DrawingTests
{
    [Fact]
    public void Bars_within_one_another_are_as_long_as_the_square_roots_of_what_they_stand_for()
    {
        var rows = Rows(new BarChart(
            "a", "a", "multiplications", ["a", "b"], [new BarSeries("before", [313_600, 2_408_448]), new BarSeries("after", [156_800, 746_496])]));
        Assert.Equal(["157k of 314k", "746k of 2.41M"], rows.Select(r => r.OfType<Label>().Last().Text));
        var boxes = rows.Select(r => r.OfType<Box>().Select(b => b.Width).ToList()).ToList();
        Assert.Equal(Math.Sqrt(746_496 / 2_408_448.0), boxes[1][1] / boxes[1][0], 1e-3);
        Assert.Equal(Math.Sqrt(313_600 / 2_408_448.0), boxes[0][0] / boxes[1][0], 1e-3);
    }

    [Fact]
    public void Parts_of_a_bar_add_up_in_the_colours_of_their_groups()
    {
        var rows = Rows(new BarChart(
            "a", "a", "share", ["a", "b"], [new BarSeries("−Δ", [0.25, 0.5], 1), new BarSeries("0", [0.4, 0], 0), new BarSeries("Δ", [0.35, 0.5], 2)]) { IsStacked = true });
        var parts = rows.Select(r => r.OfType<Box>().ToList()).ToList();
        Assert.Equal([[1, 0, 2], [1, 2]], parts.Select(p => p.Select(b => b.Series).ToArray()));
        Assert.Equal([0.25, 0.4, 0.35], parts[0].Select(b => Math.Round(b.Width / parts[0].Sum(p => p.Width), 3)));
        Assert.All(parts, p => Assert.All(p.Zip(p.Skip(1)), pair => Assert.Equal(pair.First.X + pair.First.Width, pair.Second.X, 1e-9)));
    }

    [Fact]
    public void A_mark_stands_where_it_says()
    {
        var chart = new LineChart("a", "a", new AxisInfo("epoch"), new AxisInfo("share"), [new Line("a", [1, 2, 3], [1, 0.5, 0.2])]) { Mark = new LineMark("chosen", 1.5) };
        var mark = Shapes(chart).OfType<Stroke>().First(s => s.Look == Look.Moment);
        Assert.Equal(new Axis(1, 3, Frame.Left + 6, Frame.Right - 6).Place(1.5), mark.Places[0].X, 0.01);
        Assert.DoesNotContain(Shapes(chart with { Mark = new LineMark("chosen", 4) }).OfType<Stroke>(), s => s.Look == Look.Moment);
    }

    [Fact]
    public void What_lies_orders_of_magnitude_apart_is_told_apart_on_a_logarithmic_axis()
    {
        var chart = new LineChart(
            "a", "a", new AxisInfo("epoch"), new AxisInfo("distance", AxisScale.Logarithmic, FromZero: true), [new Line("a", [1, 2, 3, 4], [0.3, 1e-3, 1e-6, 0])]);
        var heights = Shapes(chart).OfType<Disc>().Select(d => d.Y).ToList();
        Assert.Equal([.. heights.Order()], heights);
        Assert.All(heights.Zip(heights.Skip(1)), pair => Assert.True(pair.Second - pair.First > 5, string.Join(", ", heights)));
        Assert.Equal(Frame.Bottom, heights[^1], 0.01);
    }

    [Fact]
    public void The_Pareto_front_holds_what_nothing_beats() =>
        Assert.Equal([1, 3, 4, 5], ParetoFront.Of([(100, 0.92), (50, 0.93), (50, 0.9), (10, 0.8), (10, 0.8), (9, 0.7), (200, 0.93)]).Order());

    [Fact]
    public void In_a_crowd_what_nothing_beats_keeps_its_number()
    {
        // Twelve of one cost, the most accurate of them last.
        ScatterPoint[] points = [.. Enumerable.Range(1, 12).Select(n => new ScatterPoint(100, 90 + (n * 1e-2), "", $"{n}", n == 12)), new(100, 20, "", "13")];
        var numbers = Shapes(new ScatterChart("a", "a", new AxisInfo("bytes", AxisScale.Logarithmic), new AxisInfo("%"), points))
            .OfType<Label>().Where(l => l.Look == TextLook.Number).Select(l => l.Text).ToList();
        Assert.Equal("12", numbers[0]);
        Assert.True(numbers.Count < points.Length, "this is no crowd");
    }

    [Theory]
    [InlineData(725_304, 3_024_384, true)]
    [InlineData(0, 1, false)]
    [InlineData(89.4, 92.1, false)]
    [InlineData(1e-7, 5e3, true)]
    [InlineData(1000, 1001, true)]
    public void Axes_have_a_few_round_values_within_their_range(double low, double high, bool isLogarithmic)
    {
        var axis = new Axis(low, high, 0, 100, isLogarithmic);
        var ticks = axis.Ticks();
        Assert.InRange(ticks.Count, 2, 7);
        Assert.All(ticks, tick => Assert.InRange(axis.Place(tick), 0, 100));
        Assert.Equal(ticks.Count, ticks.Select(Axis.Short).Distinct().Count());
        Assert.All(ticks.Zip(ticks.Skip(1)), pair => Assert.InRange(axis.Place(pair.Second) - axis.Place(pair.First), 8, 100));
    }

    [Fact]
    public void Epochs_are_whole() => Assert.Equal([1, 2], new Axis(1, 2, 0, 100, IsWhole: true).Ticks());

    [Fact]
    public void The_end_of_a_long_name_is_kept()
    {
        var fitted = TextWidth.Fit("features.denseblock4.denselayer16.conv2", 100, TextLook.Usual);
        Assert.Matches("^….*conv2$", fitted);
        Assert.InRange(TextWidth.Of(fitted, TextLook.Usual), 80, 100);
    }

    private static IReadOnlyList<Shape> Shapes(Panel panel) => PanelDrawing.Of(panel)!.Shapes;

    private static List<IReadOnlyList<Shape>> Rows(BarChart chart) => [.. Shapes(chart).OfType<Group>().Select(g => g.Shapes)];
}
