using System.Xml.Linq;
using Lathe.Contracts;
using Lathe.Reports.Results;

namespace Lathe.Reports.Page;

/// <summary>The table of results.</summary>
internal static class ResultSection
{
    private const string Notes =
        "Below a way: its checkpoint. Below a figure: its 95% interval, or its share of the dense network's, of bytes how many times smaller they are. "
        + "Points are won or lost against the dense network.";

    public static IEnumerable<XElement?> Of(ShownResults results)
    {
        var goal = results.Goal;
        var best = goal is null ? null : results.Leaves.Max(goal.Value);
        return
        [
            Markup.Table(Heads(results), results.Leaves.Select((leaf, i) => Row(results, leaf, i, best is not null && goal!.Value(leaf) == best))),
            Markup.Styled("p", "soft", $"{Notes}{(goal is null ? "" : $" The best result by {goal.Metric.Title} is bold.")}"),
            Descriptions(results) is { Length: > 0 } words ? Markup.Styled("p", "soft", words) : null,
        ];
    }

    private static IEnumerable<XElement> Heads(ShownResults results) =>
    [
        Markup.Head("#"), Markup.Head("way", isText: true),
        .. results.Heads.Select(head => Markup.Head(head, about: results.Columns.FirstOrDefault(c => c.Head == head)?.Metric.Description ?? "")),
    ];

    private static string Descriptions(ShownResults results)
    {
        var words = string.Join("; ", results.Columns.Where(c => c.Metric.Description.Length > 0).Select(c => $"{c.Head}: {c.Metric.Description.TrimEnd('.', ' ')}"));
        return words.Length == 0 ? "" : $"{Words.Capital(words)}.";
    }

    private static XElement Row(ShownResults results, LeafResult leaf, int i, bool isBest)
    {
        var checkpoint = Ways.Checkpoint(leaf) is { } made ? Markup.Of("small", Figures.Digest(made.Sha256)) : null;
        IEnumerable<XElement> cells =
        [
            Markup.Of("td", $"{i + 1}"),
            Markup.Styled("td", "way", results.Name(i), checkpoint),
            .. results.Row(leaf).Select(cell => Markup.Cell(cell.Figure, cell.Interval, cell.Below)),
        ];
        return isBest ? Markup.Styled("tr", "best", cells) : Markup.Of("tr", cells);
    }
}
