using System.Text.RegularExpressions;
using System.Xml;
using System.Xml.Linq;
using Lathe.Contracts;
using Lathe.Contracts.Panels;
using Lathe.Reports.Page;
using Lathe.Reports.Results;

namespace Lathe.Reports.Tests;

public sealed class ReportPageTests
{
    private static readonly string Written = Sweeps.Markup.Replace('\u0001', '\uFFFD');
    private static readonly string Html = ReportPage.Html(Sweeps.Report);
    private static readonly XDocument Page = Parse(Html);

    [Fact]
    public void It_is_well_formed_whatever_people_call_their_things()
    {
        Assert.DoesNotContain("<script", Html, StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain("<img", Html, StringComparison.OrdinalIgnoreCase);
        Assert.Empty(Elements("script").Concat(Elements("img")));
        Assert.DoesNotContain(Page.Descendants().Attributes(), a => a.Name.LocalName.StartsWith("on", StringComparison.Ordinal));
        // As text the name is there, less the character that XML cannot hold.
        Assert.Equal(Written, Elements("h1").Single().Value);
        Assert.Equal(Written, Elements("title").First().Value);
        Assert.Contains(Elements("h2"), h => h.Value == Written);
    }

    [Fact]
    public void Only_elements_without_content_close_themselves() =>
        Assert.All(Page.Descendants().Where(e => e.IsEmpty && e.Name.NamespaceName.Length == 0), e => Assert.Equal("meta", e.Name.LocalName));

    [Fact]
    public void It_asks_for_nothing_from_anywhere()
    {
        string[] loading = ["src", "href", "srcset", "data", "action", "poster", "background"];
        Assert.DoesNotContain(Page.Descendants().Attributes(), a => loading.Contains(a.Name.LocalName));
        Assert.Empty(Elements("link").Concat(Elements("iframe")).Concat(Elements("object")));
        foreach (var style in Elements("style")) Assert.DoesNotMatch(@"url\(|@import|expression\(|[<>&]", style.Value);
        Assert.Contains(Elements("meta"), m => m.Attribute("content")?.Value == "default-src 'none'; style-src 'unsafe-inline'");
    }

    [Fact]
    public void Every_result_has_its_row_and_the_best_one_stands_out()
    {
        var table = Elements("table").First();
        Assert.Equal(["#", "way", "yield %", "points", "mass", "bits", "KiB", "sugar g", "time"], table.Descendants().Where(e => e.Name.LocalName == "th").Select(e => e.Value));
        var rows = table.Descendants().Where(e => e.Name.LocalName == "tr").Skip(1).ToList();
        Assert.Equal(["1", "2", "3", "4", "5"], rows.Select(r => r.Elements().First().Value));
        Assert.Equal(
            Enumerable.Range(0, 5).Select(i => Sweeps.Results.Name(i).Replace('\u0001', '\uFFFD')), rows.Select(r => ((XText)r.Elements().ElementAt(1).FirstNode!).Value));
        Assert.Equal("best", rows[0].Attribute("class")?.Value);
        Assert.Equal(["92.00", "91.00", "90.00", "89.00", "failed"], rows.Select(r => r.Elements().ElementAt(2).Nodes().First().ToString()));
        Assert.Equal(["90.00", "89.00 to 91.00"], rows[2].Elements().ElementAt(2).Nodes().Select(Value));
        Assert.Equal(["100,000", "0.500"], rows[2].Elements().ElementAt(4).Nodes().Select(Value));
        Assert.Equal(["24.4", "32.0x"], rows[2].Elements().ElementAt(6).Nodes().Select(Value));
        Assert.Equal(["float", "float", "2", "4", "-"], rows.Select(r => r.Elements().ElementAt(5).Value));
        Assert.Equal(5, Elements("summary").Count(s => Regex.IsMatch(s.Value, @"^\d: ")));

        static string Value(XNode node) => node is XElement element ? element.Value : node.ToString();
    }

    [Fact]
    public void A_checkpoint_that_is_not_there_becomes_a_note()
    {
        var note = Assert.Single(Page.Descendants(), e => e.Attribute("class")?.Value == "note").Value;
        Assert.StartsWith("pack 444444444444 is left out of the plots: checkpoint 4444", note, StringComparison.Ordinal);
        var without = SweepReport.Of(Sweeps.Status, Sweeps.Results, _ => throw new LatheException("gone"), (_, _) => []);
        Assert.Equal(4, Parse(ReportPage.Html(without)).Descendants().Count(e => e.Attribute("class")?.Value == "note"));
    }

    [Fact]
    public void A_sweep_without_any_result_yet_has_a_page_too()
    {
        var empty = SweepReport.Of(Sweeps.Status, ShownResults.Of(new SweepResults(Sweeps.Metrics, [])), Sweeps.Read, (_, _) => []);
        var page = Parse(ReportPage.Html(empty)).Descendants().ToList();
        Assert.Equal(Written, page.Single(e => e.Name.LocalName == "h1").Value);
        Assert.DoesNotContain(page, e => e.Name.LocalName == "figure");
        // The head of the table of results.
        Assert.Single(page.First(e => e.Name.LocalName == "table").Descendants(), e => e.Name.LocalName == "tr");
    }

    [Fact]
    public void Each_panel_is_shown_once_under_a_name_of_its_own()
    {
        var panels = ReportPage.Panels(Sweeps.Report);
        Assert.Equal(panels.Count, panels.Select(p => p.File).Distinct().Count());
        foreach (var file in (string[])["yield-mass", "yield-box", "grow-course", "cut-path", "pack-widths", "weigh-confusion", "weigh-confusion-4", "weigh-classes"])
            Assert.Contains(panels, p => p.File == file);
        Assert.Equal(panels.Count(p => p.Panel is not TablePanel), Elements("figure").Count());
        Assert.Equal(panels.Count(p => p.Panel is TablePanel), Page.Descendants().Count(e => e.Attribute("class")?.Value == "table"));
        Assert.All(Page.Descendants().Where(e => e.Name.LocalName == "svg"), svg => Assert.NotEmpty(svg.Attribute("aria-label")!.Value));
    }

    [Fact]
    public void Of_what_measured_results_the_best_ones_panels_stand_open()
    {
        var matrices = ReportPage.Panels(Sweeps.Report).Where(p => p.Panel is HeatMap && p.File.StartsWith("weigh", StringComparison.Ordinal)).ToList();
        Assert.StartsWith("Confusion, 1: dense", matrices[0].Title, StringComparison.Ordinal);
        Assert.Equal([false, true, true, true], matrices.Select(p => p.FoldedUnder is not null));
    }

    [Fact]
    public void A_sweep_file_of_a_result_has_every_parameter()
    {
        var file = CommandSection.SweepFile(Sweeps.Report, Sweeps.Leaves[1], 2);
        Assert.EndsWith("\nseed: 1\nthreads: 1\nstages:\n  - grow: { epochs: 3 }\n  - cut: { mass: 0.5 }\n  - weigh: { }", file, StringComparison.Ordinal);

        // The device is in the key: without it the file would not find the result again.
        var onGpus = Sweeps.Report with { Sweep = Sweeps.Status with { Device = DeviceKind.Cuda } };
        Assert.Contains("\nthreads: 1\ndevice: cuda\nstages:\n", CommandSection.SweepFile(onGpus, Sweeps.Leaves[1], 2), StringComparison.Ordinal);
    }

    private static IEnumerable<XElement> Elements(string name) => Page.Descendants().Where(e => e.Name.LocalName == name);

    private static XDocument Parse(string text)
    {
        using var reader = XmlReader.Create(new StringReader(text), new XmlReaderSettings { DtdProcessing = DtdProcessing.Ignore, XmlResolver = null });
        return XDocument.Load(reader);
    }
}
