using System.Text.RegularExpressions;
using System.Xml;
using System.Xml.Linq;
using Lathe.Cli.Commands;
using Lathe.Cli.Report;

namespace Lathe.Cli.Tests.Report;

public sealed class ReportPageTests
{
    private static readonly SweepReport Sweep = Hostile.Report();
    private static readonly string Html = ReportPage.Html(Sweep);
    private static readonly XDocument Page = Parse(Html);

    [Fact]
    public void It_is_well_formed_whatever_people_call_their_things()
    {
        Assert.DoesNotContain("<script", Html, StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain("<img", Html, StringComparison.OrdinalIgnoreCase);
        Assert.Empty(Elements("script").Concat(Elements("img")));
        Assert.DoesNotContain(Page.Descendants().Attributes(), a => a.Name.LocalName.StartsWith("on", StringComparison.Ordinal));
        // As text the name is there, less the character that XML cannot hold.
        Assert.Equal(Hostile.Markup.Replace('\u0001', '\uFFFD'), Elements("h1").Single().Value);
        Assert.Equal(Hostile.Markup.Replace('\u0001', '\uFFFD'), Elements("title").First().Value);
    }

    [Fact]
    public void It_asks_for_nothing_from_anywhere()
    {
        string[] loading = ["src", "href", "srcset", "data", "action", "poster", "background"];
        Assert.DoesNotContain(Page.Descendants().Attributes(), a => loading.Contains(a.Name.LocalName));
        Assert.Empty(Elements("link").Concat(Elements("iframe")).Concat(Elements("object")));
        foreach (var style in Elements("style")) Assert.DoesNotMatch(@"url\(|@import|expression\(", style.Value);
        Assert.Contains(Elements("meta"), m => m.Attribute("content")?.Value == "default-src 'none'; style-src 'unsafe-inline'");
    }

    [Fact]
    public void Every_result_has_its_row_and_the_best_one_stands_out()
    {
        var rows = Elements("table").First().Descendants().Where(e => e.Name.LocalName == "tr").Skip(1).ToList();
        Assert.Equal(["1", "2", "3", "4", "5"], rows.Select(r => r.Elements().First().Value));
        Assert.Equal(Sweep.Names.Select(n => n.Replace('\u0001', '\uFFFD')), rows.Select(r => ((System.Xml.Linq.XText)r.Elements().ElementAt(1).FirstNode!).Value));
        Assert.Equal("best", rows[0].Attribute("class")?.Value);
        Assert.Equal(["92.00", "91.00", "90.00", "89.00", "failed"], rows.Select(r => r.Elements().ElementAt(2).Nodes().First().ToString()));
        Assert.Equal(5, Elements("summary").Count(s => Regex.IsMatch(s.Value, @"^\d: ")));
    }

    [Fact]
    public void A_checkpoint_that_is_not_there_becomes_a_note()
    {
        var note = Assert.Single(Page.Descendants(), e => e.Attribute("class")?.Value == "note").Value;
        Assert.StartsWith("quantize 444444444444 is left out of the plots: checkpoint 4444", note, StringComparison.Ordinal);
        var without = SweepReport.Of(Hostile.Sweep, Hostile.Leaves, checkpoint => throw new Contracts.LatheException("gone"));
        Assert.Equal(4, Parse(ReportPage.Html(without)).Descendants().Count(e => e.Attribute("class")?.Value == "note"));
    }

    [Fact]
    public void A_sweep_without_any_result_yet_has_a_page_too()
    {
        var page = Parse(ReportPage.Html(SweepReport.Of(Hostile.Sweep, [], Hostile.Read))).Descendants().ToList();
        Assert.Equal(Hostile.Markup.Replace('\u0001', '\uFFFD'), page.Single(e => e.Name.LocalName == "h1").Value);
        Assert.DoesNotContain(page, e => e.Name.LocalName == "figure");
        // The head of the table of results.
        Assert.Single(page.First(e => e.Name.LocalName == "table").Descendants(), e => e.Name.LocalName == "tr");
    }

    [Fact]
    public void Each_plot_is_drawn_once_and_is_a_picture_of_its_own()
    {
        var plots = ReportPlots.All(Sweep);
        Assert.Equal(plots.Count, plots.Select(p => p.File).Distinct().Count());
        foreach (var file in (string[])["accuracy-multiplications", "accuracy-bytes", "prune-widths", "prune-multiplications", "prune-path", "quantize-changes", "quantize-residual", "quantize-weights", "quantize-weights-layer", "quantize-modes", "train-loss", "prune-accuracy", "quantize-learning-rate", "confusion"])
            Assert.Contains(plots, p => p.File == file);
        foreach (var plot in plots)
        {
            var picture = Parse(ReportPage.File(plot)).Root!;
            Assert.Equal("http://www.w3.org/2000/svg", picture.Name.NamespaceName);
            Assert.NotEmpty(picture.Attribute("aria-label")!.Value);
            Assert.DoesNotContain("NaN", plot.Svg, StringComparison.Ordinal);
            Assert.DoesNotContain("∞", plot.Svg, StringComparison.Ordinal);
        }

        Assert.Equal(plots.Count, Elements("figure").Count());
    }

    [Fact]
    public void A_quantization_shows_what_the_rounding_moved_and_where_the_weights_lie()
    {
        var rows = Elements("table").Single(t => t.Descendants().First(e => e.Name.LocalName == "th").Value == "quantization").Descendants().Where(e => e.Name.LocalName == "tr").Skip(1);
        Assert.Equal(["91.30", "91.20", "0.01000"], Assert.Single(rows).Elements().Skip(1).Select(cell => cell.Value));

        var bars = Parse(ReportPlots.Quantization(Sweep).Single(p => p.File == "quantize-modes").Svg).Descendants().Where(e => e.Name.LocalName == "g").ToList();
        Assert.Equal(2, bars.Count);
        Assert.EndsWith("2 bits: −1Δ 25.00%, 0Δ 40.00%, 1Δ 35.00%", bars[0].Elements().First().Value, StringComparison.Ordinal);
        Assert.EndsWith("8 bits: 50.00% below 0, 10.00% at 0", bars[1].Elements().First().Value, StringComparison.Ordinal);
        foreach (var (bar, shares) in bars.Zip((double[][])[[0.25, 0.4, 0.35], [0.5, 0.1, 0.4]]))
        {
            var parts = bar.Elements().Where(e => e.Name.LocalName == "rect").ToList();
            var whole = parts.Sum(part => (double)part.Attribute("width")!);
            Assert.Equal(["mode below", "mode zero", "mode above"], parts.Select(part => part.Attribute("class")!.Value));
            Assert.Equal(shares, parts.Select(part => Math.Round((double)part.Attribute("width")! / whole, 3)));
        }
    }

    [Fact]
    public void A_pruning_shows_what_is_left_of_each_layer_and_the_way_there()
    {
        var plots = ReportPlots.Pruning(Sweep);
        var widths = Bars("prune-widths");
        Assert.Equal(["8 of 16", "20 of 32"], widths.Select(w => w.Text));
        var multiplications = Bars("prune-multiplications");
        Assert.Equal(["157k of 314k", "746k of 2.41M"], multiplications.Select(m => m.Text));
        // Lengths go with the square root of what they stand for, over all layers.
        Assert.Equal(Math.Sqrt(746_496 / 2_408_448.0), multiplications[1].After / multiplications[1].Before, 1e-3);
        Assert.Equal(Math.Sqrt(313_600 / 2_408_448.0), multiplications[0].Before / multiplications[1].Before, 1e-3);

        var path = plots.Single(p => p.File == "prune-path");
        Assert.EndsWith("the exact finish closed 1 and reopened 12.", path.Caption, StringComparison.Ordinal);
        var drawing = Parse(path.Svg);
        Assert.Equal(
            ["parameters", "multiplications", "target of multiplications", "channels chosen"],
            drawing.Descendants().Where(e => e.Name.LocalName == "g" && e.Elements().Any(t => t.Name.LocalName == "title")).Select(e => e.Elements().First().Value));
        // Chosen after one and a half of three epochs, a quarter of the way from the first epoch's end to the third's.
        var moment = drawing.Descendants().First(e => e.Attribute("class")?.Value == "moment");
        Assert.Equal(new Axis(1, 3, PlotFrame.Left + 6, PlotFrame.Right - 6).Place(1.5), (double)moment.Attribute("x1")!, 0.01);

        List<(string Text, double Before, double After)> Bars(string file) =>
            [.. Parse(plots.Single(p => p.File == file).Svg).Root!.Elements().Where(e => e.Name.LocalName == "g").Select(g => (
                g.Elements().Last().Value,
                (double)g.Elements().Single(e => e.Attribute("class")?.Value == "before").Attribute("width")!,
                (double)g.Elements().Single(e => e.Attribute("class")?.Value == "after").Attribute("width")!))];
    }

    [Fact]
    public void The_Pareto_front_holds_what_nothing_beats()
    {
        ResultPoint At(int number, double cost, double top1) => new(number, "", cost, top1, null, null, null, false);
        ResultPoint[] points = [At(1, 100, 0.92), At(2, 50, 0.93), At(3, 50, 0.9), At(4, 10, 0.8), At(5, 10, 0.8), At(6, 9, 0.7), At(7, 200, 0.93)];
        Assert.Equal([6, 4, 5, 2], ScatterPlot.Front(points).Select(p => p.Number));
    }

    [Fact]
    public void In_a_crowd_what_nothing_beats_keeps_its_number()
    {
        // Twelve of one cost, the most accurate of them last.
        ResultPoint[] points = [.. Enumerable.Range(1, 12).Select(n => new ResultPoint(n, "", 100, 0.9 + (n * 1e-4), null, null, 2, false)), new(13, "", 100, 0.2, null, null, null, false)];
        var numbers = Parse(ScatterPlot.Draw(points, "bytes")).Descendants().Where(e => e.Attribute("class")?.Value == "number").Select(e => e.Value).ToList();
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
    public void What_lies_orders_of_magnitude_apart_is_told_apart_on_a_logarithmic_axis()
    {
        var heights = Parse(LinePlot.Draw([new LineSeries("a", [1, 2, 3, 4], [0.3, 1e-3, 1e-6, 0], 1)], "epoch", "distance", fromZero: true, isLogarithmic: true))
            .Descendants().Where(e => e.Name.LocalName == "circle").Select(e => (double)e.Attribute("cy")!).ToList();
        Assert.Equal([.. heights.Order()], heights);
        Assert.All(heights.Zip(heights.Skip(1)), pair => Assert.True(pair.Second - pair.First > 5, string.Join(", ", heights)));
        Assert.Equal(PlotFrame.Bottom, heights[^1], 0.01);
    }

    [Fact]
    public void Epochs_are_whole() =>
        Assert.Equal([1, 2], new Axis(1, 2, 0, 100, IsWhole: true).Ticks());

    [Theory]
    [InlineData("fashion-lenet5", "fashion-lenet5.html")]
    [InlineData("../../etc/passwd", "etc-passwd.html")]
    [InlineData("a b/ü", "a-b.html")]
    [InlineData("...", "report.html")]
    public void A_file_is_named_after_the_sweep_and_stays_in_this_folder(string sweep, string file) => Assert.Equal(file, ReportCommand.FileName(sweep));

    private static IEnumerable<XElement> Elements(string name) => Page.Descendants().Where(e => e.Name.LocalName == name);

    private static XDocument Parse(string text)
    {
        using var reader = XmlReader.Create(new StringReader(text), new XmlReaderSettings { DtdProcessing = DtdProcessing.Ignore, XmlResolver = null });
        return XDocument.Load(reader);
    }
}
