using System.Globalization;
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
            .GroupBy(o => o.Panel.Section.Length > 0 ? o.Panel.Section : Capital(o.Execution.Stage))
            .Select(section => new PanelSection(section.Key, Ordered([.. section.GroupBy(o => (o.Execution.Stage, o.Panel.Id)).Select(same => Shown(same))])))];

    /// <summary>What compares executions stands before or after what is of one alone, as their stages have it; of that, each execution's stands together.</summary>
    private static IReadOnlyList<ShownPanel> Ordered(IReadOnlyList<IReadOnlyList<Placed>> groups)
    {
        var before = groups.TakeWhile(g => g[0].Execution is null).ToList();
        var after = groups.Skip(before.Count).ToList();
        var own = after.SelectMany(g => g).Where(p => p.Execution is not null).GroupBy(p => p.Execution).SelectMany(g => g);
        return [.. before.SelectMany(g => g).Concat(own).Concat(after.SelectMany(g => g).Where(p => p.Execution is null)).Select(p => p.Panel)];
    }

    /// <summary>One panel of each execution that has it, or what they come to together.</summary>
    private static IReadOnlyList<Placed> Shown(IGrouping<(string Stage, string Id), Owned> same)
    {
        var file = $"{same.Key.Stage}-{same.Key.Id}";
        var all = same.ToList();
        if (all.TrueForAll(o => o.Panel.Merges))
        {
            var merged = MergedPanels.Of([.. all.Select(o => (o.Execution, o.Panel))]);
            return [.. merged.Select((panel, n) => new Placed(new ShownPanel(file + Suffix(n), panel.Title, panel, panel.IsDetail ? panel.Title : null), null))];
        }

        return [.. all.Select((o, n) => new Placed(
            new ShownPanel(file + Suffix(n), $"{o.Panel.Title}, {o.Execution.Name}", o.Panel, IsFolded(o, n) ? o.Execution.Name : null), o.Execution))];
    }

    /// <summary>Of what measured results the best one's is shown, and every result is no news of its own.</summary>
    private static bool IsFolded(Owned owned, int n) => owned.Panel.IsDetail || (owned.Execution.OnlyMeasures && n > 0);

    private static string Suffix(int n) => n == 0 ? "" : $"-{n + 1}";

    private static string Capital(string word) => word.Length == 0 ? word : char.ToUpper(word[0], CultureInfo.InvariantCulture) + word[1..];

    private sealed record Owned(ReportedExecution Execution, Panel Panel);

    /// <summary>A panel, and whose alone it is; null: it compares executions.</summary>
    private sealed record Placed(ShownPanel Panel, ReportedExecution? Execution);
}
