using System.Xml;
using System.Xml.Linq;
using Lathe.Cli.Commands;
using Lathe.Contracts.Panels;
using Lathe.Reports.Page;

namespace Lathe.Cli.Tests.Report;

public sealed class Reports_of_built_in_stages
{
    private static readonly SweepReport Sweep = Hostile.Report();

    [Fact]
    public void Everything_that_stages_wrote_down_is_shown()
    {
        var panels = ReportPage.Panels(Sweep);
        Assert.Equal(panels.Count, panels.Select(p => p.File).Distinct().Count());
        foreach (var file in (string[])
        [
            "top1-parameters", "top1-multiplications", "top1-bytes", "top1-peakActivationBytes", "train-loss", "train-accuracy", "train-learning-rate",
            "prune-widths", "prune-multiplications", "prune-path", "prune-layers", "prune-course", "prune-loss", "quantize-rounding", "quantize-changes", "quantize-residual",
            "quantize-weights", "quantize-weights-layer-1", "quantize-modes", "quantize-layers", "quantize-course", "quantize-learning-rate",
            "evaluate-classes", "evaluate-class-details", "evaluate-confusion",
        ])
        {
            Assert.Contains(panels, p => p.File == file);
        }
    }

    [Fact]
    public void The_page_is_well_formed_whatever_people_call_their_things()
    {
        using var reader = XmlReader.Create(new StringReader(ReportPage.Html(Sweep)), new XmlReaderSettings { DtdProcessing = DtdProcessing.Ignore, XmlResolver = null });
        var page = XDocument.Load(reader);
        Assert.DoesNotContain(page.Descendants(), e => e.Name.LocalName is "script" or "img");
        Assert.Contains("Pruning", page.Descendants().Where(e => e.Name.LocalName == "h2").Select(e => e.Value));
    }

    [Fact]
    public void The_accuracies_by_class_of_all_results_stand_beside_one_another()
    {
        var classes = Assert.IsType<TablePanel>(ReportPage.Panels(Sweep).Single(p => p.File == "evaluate-classes").Panel);
        Assert.Equal(["class", "images", "1: right %", "2: right %", "3: right %", "4: right %"], classes.Columns.Select(c => c.Title));
    }

    [Theory]
    [InlineData("fashion-lenet5", "fashion-lenet5.html")]
    [InlineData("../../etc/passwd", "etc-passwd.html")]
    [InlineData("a b/ü", "a-b.html")]
    [InlineData("...", "report.html")]
    public void A_file_is_named_after_the_sweep_and_stays_in_this_folder(string sweep, string file) => Assert.Equal(file, ReportCommand.FileName(sweep));
}
