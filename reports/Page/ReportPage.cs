using System.Globalization;
using System.Xml.Linq;
using Lathe.Contracts;
using Lathe.Contracts.Panels;
using Lathe.Reports.Pictures;
using Lathe.Reports.Results;

namespace Lathe.Reports.Page;

/// <summary>A sweep as one page of HTML that asks for nothing from anywhere, and is well-formed XML too.</summary>
public static class ReportPage
{
    private const string CostNote = "Numbers are those of the table. Where results crowd, only some have one, those on the front first.";
    private const string Policy = "default-src 'none'; style-src 'unsafe-inline'";

    /// <summary>The whole page.</summary>
    public static string Html(SweepReport report)
    {
        var head = Markup.Of("head",
            new XElement("meta", new XAttribute("charset", "utf-8")),
            new XElement("meta", new XAttribute("http-equiv", "Content-Security-Policy"), new XAttribute("content", Policy)),
            new XElement("meta", new XAttribute("name", "viewport"), new XAttribute("content", "width=device-width, initial-scale=1")),
            Markup.Of("title", report.Sweep.Name),
            new XElement("style", PlotStyle.Css + PageStyle.Css));
        var main = Markup.Of("main",
        [
            Markup.Of("h1", report.Sweep.Name),
            Markup.Styled("p", "soft", About(report)),
            .. report.Executions.Where(e => e.Problem is not null).Select(Note),
            Markup.Section("Results", [report.Results.Note is { } note ? Markup.Styled("p", "soft", note) : null, .. ResultSection.Of(report.Results)]),
            Markup.Section("Accuracy and cost", Costs(report.Results)),
            .. PanelSection.Of(report).Select(s => Markup.Section(s.Title, Panels(s))),
            Markup.Section("Lineage", LineageSection.Of(report)),
            Markup.Section("Made with", LineageSection.Versions(report)),
            Markup.Section("Do it again", CommandSection.Of(report)),
        ]);
        return Markup.Text(new XElement("html", new XAttribute("lang", "en"), head, Markup.Of("body", main)));
    }

    /// <summary>Every panel of the page with the name of its file and its title, each name once.</summary>
    public static IReadOnlyList<ShownPanel> Panels(SweepReport report) =>
        [.. CostCharts.Of(report.Results).Select(c => new ShownPanel(c.Id, c.Title, c)), .. PanelSection.Of(report).SelectMany(s => s.Panels)];

    private static IEnumerable<XElement?> Costs(ShownResults results)
    {
        var plots = Plots(CostCharts.Of(results).Select(c => Markup.Panel(c, c.Title))).ToList();
        return plots.Count == 0 ? [] : [Markup.Styled("p", "soft", CostNote), .. plots];
    }

    private static string About(SweepReport report)
    {
        var sweep = report.Sweep;
        var from = string.Join(", ", report.Results.Leaves.Select(l => $"{StoredModel.Shown(l.Model)} on {l.Dataset}").Distinct());
        var finished = sweep.FinishedAt is { } end ? $", finished {Moment(end)}" : "";
        return $"{from}. Sweep {sweep.Id}, {Words.Of(sweep.State)}, submitted {Moment(sweep.SubmittedAt)}{finished}";
    }

    private static string Moment(DateTimeOffset moment) => moment.ToUniversalTime().ToString("yyyy-MM-dd HH:mm", CultureInfo.InvariantCulture) + " UTC";

    private static XElement Note(ReportedExecution execution) =>
        Markup.Styled("p", "note", $"{execution.Stage} {Figures.Digest(execution.Checkpoint!.Sha256)} is left out of the plots: {execution.Problem}");

    /// <summary>Tables first, then pictures, then what belongs to somebody's details.</summary>
    private static IEnumerable<XElement?> Panels(PanelSection section)
    {
        var shown = section.Panels.Where(p => p.FoldedUnder is null).ToList();
        return
        [
            .. Unfolded(shown),
            .. section.Panels.Where(p => p.FoldedUnder is not null).GroupBy(p => p.FoldedUnder!)
                .Select(details => Markup.Folded([$"Details of {details.Key}"], Unfolded([.. details]))),
        ];
    }

    private static IEnumerable<XElement?> Unfolded(IReadOnlyList<ShownPanel> panels) =>
    [
        .. panels.Where(p => p.Panel is TablePanel).Select(Figure),
        .. Plots(panels.Where(p => p.Panel is not TablePanel).Select(Figure)),
    ];

    /// <summary>Whose details a panel belongs to stands above them all already.</summary>
    private static XElement? Figure(ShownPanel panel) => Markup.Panel(panel.Panel, panel.FoldedUnder is null ? panel.Title : panel.Panel.Title);

    private static IEnumerable<XElement?> Plots(IEnumerable<XElement?> figures)
    {
        var some = figures.OfType<XElement>().ToList();
        return some.Count == 0 ? [] : [Markup.Styled("div", "plots", some)];
    }
}
