using System.Text.Json;
using Lathe.Contracts;
using Lathe.Contracts.Panels;
using Lathe.Reports.Results;
using Lathe.Reports.Terminals;

namespace Lathe.Reports.Tests;

public sealed class TerminalTests
{
    private static readonly TablePanel Table = new(
        "table", "Layers", [new TableColumn("layer", IsText: true), new TableColumn("weights", MetricFormat.Count), new TableColumn("share", MetricFormat.Percent)],
        [["features.0", 400, 0.25], ["features.denseblock4.denselayer16.conv2.of.a.very.long.name.that.no.terminal.has.room.for", 1_048_576, new TableCell()]]);

    [Fact]
    public void Tables_fit_by_the_ends_of_their_names()
    {
        var lines = Draw(Table, 80);
        Assert.Equal(["Layers", "layer", "features.0"], lines.Take(3).Select(line => line.Trim().Split(' ')[0]));
        Assert.Matches(@"^  ….*\.that\.no\.terminal\.has\.room\.for  1,048,576      -$", lines[3]);
        Assert.All(lines, line => Assert.InRange(line.Length, 1, 80));
    }

    [Fact]
    public void Columns_that_have_no_room_are_counted()
    {
        var wide = Table with { Columns = [.. Enumerable.Range(0, 30).Select(n => new TableColumn($"n{n}"))], Rows = [[.. Enumerable.Repeat<TableCell>(12345.0, 30)]] };
        Assert.Matches(@"^  \d+ of 30 columns; JSON has all$", Draw(wide, 80)[^1]);
    }

    /// <summary>Stages from outside may bring more columns than a terminal has room for.</summary>
    [Fact]
    public void Results_with_many_columns_keep_their_numbers_whole_and_say_what_is_left_out()
    {
        var many = Enumerable.Range(1, 14).Select(n => new MetricDescriptor($"m{n}", $"metric {n}", IsColumn: true, Rank: 60 + n)).ToList();
        var leaf = Sweeps.Leaves[0];
        var figures = many.ToDictionary(m => m.Name, m => 0.1234 * many.IndexOf(m));
        var results = ShownResults.Of(new SweepResults(many, [leaf with { State = ExecutionState.Completed, Stages = [leaf.Stages[^1] with { Metrics = figures }] }]));

        var lines = Screen.Draw(ResultText.Of(results, 80), 80);

        Assert.All(lines, line => Assert.InRange(line.Length, 1, 80));
        Assert.StartsWith("way ", lines[0], StringComparison.Ordinal);
        Assert.Contains("metric 5", lines[0]);
        Assert.DoesNotContain("metric 7", lines[0]);
        Assert.Contains(" 0.1234 0.2468", string.Join(' ', lines[1].Split(' ', StringSplitOptions.RemoveEmptyEntries)));
        Assert.StartsWith("too narrow for metric 7, metric 8", string.Join(' ', lines[2..]), StringComparison.Ordinal);
        Assert.All(Screen.Draw(ResultText.Of(results, 300), 300), line => Assert.DoesNotContain("too narrow", line));
    }

    [Fact]
    public void Of_a_long_course_a_few_rows_are_shown_and_the_last_one()
    {
        var course = Table with { IsCourse = true, Columns = [new TableColumn("epoch")], Rows = [.. Enumerable.Range(1, 40).Select(n => (IReadOnlyList<TableCell>)[n])] };
        var lines = Draw(course, 80);
        Assert.Equal("40", lines[^2].Trim());
        Assert.Equal("10 of 40 rows; JSON has all", lines[^1].Trim());
        Assert.Equal(6, Draw(course with { Rows = [.. course.Rows.Take(4)] }, 80).Length);
    }

    [Fact]
    public void Lines_have_a_block_for_each_point_between_their_first_and_last_values()
    {
        var chart = new LineChart("a", "Sizes", new AxisInfo("epoch"), new AxisInfo("share", FromZero: true),
            [new Line("parameters", [0, 1, 2], [1, 0.5, 0]), new Line("target", [0, 1, 2], [1, 1, 0.5], IsTarget: true)]);
        Assert.Equal(["Sizes", "  parameters  1  █▅▁       0", "  target      1  ██▅  0.5000", "  share, epoch 0 to 2"], Draw(chart, 80));
    }

    [Fact]
    public void Charts_of_one_line_each_go_below_one_another()
    {
        LineChart Chart(string title, params double?[] y) => new(title, title, new AxisInfo("epoch"), new AxisInfo("%"), [new Line("", [1, 2, 3], y)]);
        var text = Assert.Single(PanelText.Of([Chart("loss", 2, 1, 0.5), Chart("accuracy", 50, null, 90)], 80));
        Assert.Equal(["loss       2  █▃▁  0.5000  %, epoch 1 to 3", "accuracy  50  ▁█       90  %, epoch 1 to 3"], Screen.Draw(text, 80));
    }

    [Fact]
    public void A_table_stands_for_the_charts_that_say_the_same_and_details_are_left_out()
    {
        Panel chart = new BarChart("bars", "Bars", "weights", ["a"], [new BarSeries("", [1])]) { Figures = "table" };
        var detail = Table with { IsDetail = true };
        Assert.Equal(["Layers"], PanelText.Of([chart, detail, detail with { Id = "other" }], 80).Select(t => Screen.Draw(t, 80)[0]));
        Assert.Equal(["Bars"], PanelText.Of([chart], 80).Select(t => Screen.Draw(t, 80)[0]));
    }

    [Fact]
    public void Bars_say_what_is_left_of_what_was()
    {
        var chart = new BarChart("a", "Widths", "channels", ["conv1", "conv2"], [new BarSeries("before", [16, 8]), new BarSeries("after", [8, 8])]);
        Assert.Equal(
            ["Widths", "  channels", $"  conv1  {new string('█', 25)}{new string('░', 25)}  8 of 16", $"  conv2  {new string('█', 25)}{new string(' ', 25)}  8 of 8"], Draw(chart, 80));
    }

    [Fact]
    public void Each_distribution_is_a_line_as_high_as_its_fullest_bin_with_the_marks_below()
    {
        var chart = new RidgeChart("a", "Weights", "all layers", -2.5, 2.5, [new Ridge("before", [0, 1, 80, 40, 0]), new Ridge("epoch 12", [4, 0, 8, 0, 1])])
        {
            Marks = [new AxisMark(-2, "x"), new AxisMark(0, "0"), new AxisMark(2, "y")],
        };
        // What is there at all is seen.
        Assert.Equal(["Weights", "  all layers", "    before  ▁█▄", "  epoch 12 ▄ █ ▁", "           x 0 y"], Draw(chart, 80));
    }

    [Fact]
    public void Many_bins_are_drawn_by_three()
    {
        var counts = new double[99];
        counts[49] = counts[50] = 1;
        var lines = Draw(new RidgeChart("a", "Weights", "conv", -16.5, 16.5, [new Ridge("before", counts)]) { Marks = [new AxisMark(0, "0")] }, 80);
        Assert.Equal("  before " + new string(' ', 16) + "█", lines[2]);
        Assert.Equal(9 + 16, lines[3].IndexOf('0', StringComparison.Ordinal));
    }

    [Fact]
    public void A_matrix_has_its_numbers_where_they_fit_and_shades_elsewhere()
    {
        var small = new HeatMap("a", "Confusion", "shows", "taken for", ["cat", "dog"], ["cat", "dog"], [[9, 1], [0, 8]]);
        Assert.Equal(["Confusion", "  shows, taken for", "       cat dog", "  cat    9   1", "  dog    ·   8"], Draw(small, 80));
        var names = Enumerable.Range(0, 50).Select(n => $"class {n}").ToList();
        var large = new HeatMap("a", "Confusion", "shows", "taken for", names, names, [.. names.Select((_, i) => (IReadOnlyList<double>)[.. names.Select((_, j) => i == j ? 9.0 : 0)])]);
        Assert.Equal($"  class 3{new string(' ', 5)}█", Draw(large, 80)[5]);
    }

    [Theory]
    [InlineData(0.2494, "0.2494")]
    [InlineData(0.00733, "0.007330")]
    [InlineData(0.0000016, "1.6e-6")]
    [InlineData(12.345, "12.35")]
    [InlineData(1480492, "1,480,492")]
    [InlineData(0, "0")]
    [InlineData(-0.5, "-0.5000")]
    public void Numbers_have_four_digits(double number, string text) => Assert.Equal(text, Figures.Number(number));

    [Theory]
    [InlineData(1.0727e-7, "1.073e-7")]
    [InlineData(-4e-5, "-4e-5")]
    [InlineData(0.0123456789, "0.012346")]
    [InlineData(0.5, "0.5")]
    [InlineData(53197, "53197")]
    [InlineData(0, "0")]
    public void A_small_fact_is_not_shown_as_nothing(double fact, string text) => Assert.Equal(text, Figures.Fact(fact));

    [Theory]
    [InlineData("\"hfp\"", "hfp")]
    [InlineData("[2,4]", "[2, 4]")]
    [InlineData("""{"features.4":4,"features.0":8}""", "{features.0: 8, features.4: 4}")]
    [InlineData("""["first","a, b","true","",[1]]""", """[first, "a, b", "true", "", [1]]""")]
    [InlineData("0.50", "0.5")]
    public void Parameters_are_shown_as_a_sweep_has_them(string json, string text) => Assert.Equal(text, Ways.Value(JsonDocument.Parse(json).RootElement));

    private static string[] Draw(Panel panel, int width) => Screen.Draw(PanelText.Of(panel, width)!, width);
}
