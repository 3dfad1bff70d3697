using System.Buffers;
using Lathe.Reports.Results;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace Lathe.Reports.Terminals;

/// <summary>The results of a sweep as text, one row for each leaf. Fits 80 columns: shares of the dense network stand below the figures.</summary>
public static class ResultText
{
    private const int LeastWay = 12;
    private const int WideTerminal = 100;

    // What ends a part of a word, where a line may be broken.
    private static readonly SearchValues<char> Marks = SearchValues.Create("={,./-");

    /// <summary>Draws the table.</summary>
    /// <param name="all">Results of one sweep.</param>
    /// <param name="width">Columns of the terminal.</param>
    /// <param name="showCheckpoints">Below each way, the start of its checkpoint's digest.</param>
    public static IRenderable Of(ShownResults all, int width, bool showCheckpoints = false)
    {
        var gap = width >= WideTerminal ? 3 : 1;
        var results = Fitted(all, width, gap);
        var table = new TextTable([new TextColumn("way"), .. results.Heads.Select(head => new TextColumn(head, IsRight: true))], gap);
        var room = Room(results, width, gap);
        foreach (var (i, leaf) in results.Leaves.Index())
            table.Add([Way(results, i, room, showCheckpoints), .. results.Row(leaf).Select(Lines)]);
        // Extra columns come and go with the width; of any other its reader wants to know where it is.
        var left = all.Columns.Where(c => !c.IsExtra).Skip(results.Columns.Count).Select(c => c.Head).ToList();
        return left.Count == 0 ? table.Content : new Rows(table.Content, new Text($"too narrow for {string.Join(", ", left)}: a wider terminal, --json and lathe report have more", new Style(Color.Grey)));
    }

    /// <summary>
    /// As many of the columns of lesser rank as leave the longest way in one line. Where there is no room for a way at all, as with the columns of several stages from outside, the last of the others
    /// go too: a number that goes on in the next line cannot be read.
    /// </summary>
    private static ShownResults Fitted(ShownResults all, int width, int gap)
    {
        var longest = Enumerable.Range(0, all.Leaves.Count).Select(i => all.Name(i).Length).DefaultIfEmpty(0).Max();
        var extras = all.Columns.Count(c => c.IsExtra);
        while (extras > 0 && Room(all.WithoutExtras(extras), width, gap) < longest) extras--;
        var fitted = all.WithoutExtras(extras);
        while (extras == 0 && fitted.Columns.Count > 1 && Room(fitted, width, gap) < LeastWay) fitted = fitted with { Columns = [.. fitted.Columns.SkipLast(1)] };
        return fitted;
    }

    /// <summary>Columns of the terminal that the figures leave to the way.</summary>
    private static int Room(ShownResults results, int width, int gap)
    {
        var rows = results.Leaves.Select(results.Row).ToList();
        return width - gap - results.Heads.Select((head, i) => gap + rows.Max(row => Math.Max(row[i].Figure.Length, row[i].Below.Length), head.Length)).Sum();
    }

    private static int Max<T>(this IEnumerable<T> items, Func<T, int> of, int least) => items.Select(of).Append(least).Max();

    private static string Lines(ResultCell cell) => cell.Below.Length == 0 ? cell.Figure : $"{cell.Figure}\n{cell.Below}";

    private static string Way(ShownResults results, int leaf, int width, bool showCheckpoint)
    {
        var line = results.Name(leaf);
        var way = line.Length <= width ? line
            : string.Join('\n', results.Ways[leaf].SelectMany((stage, i) => Broken(i == 0 ? stage : $"> {stage}", Math.Max(LeastWay, width))));
        return showCheckpoint && Ways.Checkpoint(results.Leaves[leaf]) is { } made ? $"{way}\n{Figures.Digest(made.Sha256)}" : way;
    }

    /// <summary>
    /// A long text in lines, broken between words or else behind the mark that ends a part of one, <c>bits={</c> or <c>features.</c>: a table that is
    /// wider than the terminal is not drawn at all.
    /// </summary>
    private static IEnumerable<string> Broken(string text, int width)
    {
        while (text.Length > width)
        {
            var space = text.LastIndexOf(' ', width);
            var mark = text.AsSpan(0, width).LastIndexOfAny(Marks) + 1;
            var end = space > 1 ? space : mark > 2 ? mark : width;
            yield return text[..end];
            text = $"  {text[end..].TrimStart()}";
        }

        yield return text;
    }
}
