using Lathe.Contracts.Panels;

namespace Lathe.Reports.Results;

/// <summary>A panel as a report shows it.</summary>
/// <param name="File">Name of its file, without an ending.</param>
/// <param name="Title">Its own, and whose it is.</param>
/// <param name="Panel">What is drawn.</param>
/// <param name="FoldedUnder">Whose details it belongs to; null: it is shown at once.</param>
public sealed record ShownPanel(string File, string Title, Panel Panel, string? FoldedUnder = null);

/// <summary>Panels under one heading.</summary>
public sealed record PanelSection(string Title, IReadOnlyList<ShownPanel> Panels)
{
    /// <summary>All panels of a report, by the headings that stages gave them; those that merge are merged over executions.</summary>
    public static IReadOnlyList<PanelSection> Of(SweepReport report) =>
        [.. report.Executions
            .SelectMany(e => e.Panels.Select(p => new Owned(e, p)))
            .GroupBy(o => o.Panel.Section.Length > 0 ? o.Panel.Section : Words.Capital(o.Execution.Stage))
            .Select(section => new PanelSection(section.Key, Ordered([.. section.GroupBy(o => (o.Execution.Stage, o.Panel.Id)).Select(same => Shown(same))])))];

    /// <summary>
    /// What compares executions stands before or after what is of one alone, as their stages have it. Of that, the same panel of all executions stands
    /// together: side by side they can be compared, and they are about as high.
    /// </summary>
    private static IReadOnlyList<ShownPanel> Ordered(IReadOnlyList<Placed> groups)
    {
        var before = groups.TakeWhile(g => g.IsMerged);
        var after = groups.SkipWhile(g => g.IsMerged).OrderBy(g => g.IsMerged);
        return [.. before.Concat(after).SelectMany(g => g.Panels)];
    }

    /// <summary>One panel of each execution that has it, or what they come to together.</summary>
    private static Placed Shown(IGrouping<(string Stage, string Id), Owned> same)
    {
        var file = $"{same.Key.Stage}-{same.Key.Id}";
        var all = same.ToList();
        if (all.TrueForAll(o => o.Panel.Merges))
        {
            var merged = MergedPanels.Of([.. all.Select(o => (o.Execution, o.Panel))]);
            return new Placed(true, [.. merged.Select((panel, n) => new ShownPanel(file + Suffix(n), panel.Title, panel, panel.IsDetail ? panel.Title : null))]);
        }

        return new Placed(false, [.. all.Select((o, n) => new ShownPanel(
            file + Suffix(n), $"{o.Panel.Title}, {o.Execution.Name}", o.Panel, o.Panel.IsDetail || o.Execution.IsOutdone ? o.Execution.Name : null))]);
    }

    private static string Suffix(int n) => n == 0 ? "" : $"-{n + 1}";

    private sealed record Owned(ReportedExecution Execution, Panel Panel);

    /// <summary>The panels of one identifier.</summary>
    private sealed record Placed(bool IsMerged, IReadOnlyList<ShownPanel> Panels);
}
