using Lathe.Contracts;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace Lathe.Cli.Output;

/// <summary>The results of a sweep, one row for each leaf. Fits 80 columns: shares of the dense network stand below the figures.</summary>
internal static class ResultsTable
{
    private const int LeastWay = 12;

    private static readonly string[] Figured = ["top-1 %", "points", "params", "mults", "bits", "KiB", "time"];

    /// <summary>Draws the table.</summary>
    /// <param name="leaves">Results of one sweep.</param>
    /// <param name="width">Columns of the terminal.</param>
    /// <param name="showCheckpoints">Below each way, the start of its checkpoint's digest.</param>
    public static IRenderable Render(IReadOnlyList<LeafResult> leaves, int width, bool showCheckpoints = false)
    {
        var gap = width >= 100 ? 3 : 1;
        var table = new Table().Border(TableBorder.None);
        table.AddColumn(Column("way", gap).LeftAligned());
        foreach (var name in Figured) table.AddColumn(Column(name, gap).RightAligned());

        var ways = Ways.Of(leaves);
        var rows = leaves.Select(leaf => Row(leaf, DenseBytes(leaf))).ToList();
        var wayWidth = width - Figured.Select((name, c) => gap + rows.SelectMany(row => row[c].Split('\n')).Append(name).Max(line => line.Length)).Sum() - gap;
        for (var i = 0; i < leaves.Count; i++) table.AddRow([Cell(Way(ways[i], wayWidth) + (showCheckpoints && Ways.Checkpoint(leaves[i]) is { } made ? $"\n{Figures.Digest(made.Sha256)}" : "")), .. rows[i].Select(Cell)]);
        return table;
    }

    private static string[] Row(LeafResult leaf, double? denseBytes) =>
    [
        leaf.Figure("top1") is null && leaf.State is not (ExecutionState.Completed or ExecutionState.Cached) ? Words.Of(leaf.State) : Figures.Percent(leaf.Figure("top1")),
        Figures.Points(leaf.Figure("top1") - leaf.Figure("top1Dense")),
        $"{Figures.Count(leaf.Figure("parameters"))}\n{Figures.Ratio(leaf.Figure("parametersRatio"))}",
        $"{Figures.Count(leaf.Figure("multiplications"))}\n{Figures.Ratio(leaf.Figure("multiplicationsRatio"))}",
        leaf.Figure("parameters") is null ? "-" : Figures.Bits(leaf.Figure("bits")),
        $"{Figures.Kilobytes(leaf.Figure("bytes"))}\n{Figures.Times(denseBytes / leaf.Figure("bytes"))}",
        Time(leaf),
    ];

    /// <summary>Time that the stages on the way took, and how much of that was spent now.</summary>
    private static string Time(LeafResult leaf)
    {
        var seconds = leaf.Stages.Sum(s => s.Seconds);
        if (leaf.Stages.All(s => s.Seconds is null)) return "-";
        var time = Figures.Time(seconds!.Value);
        return leaf.Stages.All(s => s.Cached) ? $"{time}\ncached" : time;
    }

    /// <summary>Bytes of the dense ancestor: as measured, else four for each of its parameters.</summary>
    private static double? DenseBytes(LeafResult leaf) =>
        leaf.Stages.Count > 0 && leaf.Stages[^1].Metrics.TryGetValue("bytesDense", out var bytes) ? bytes : 4 * leaf.Figure("parameters") / leaf.Figure("parametersRatio");

    private static string Way(IReadOnlyList<string> stages, int width)
    {
        var line = string.Join(" > ", stages);
        return line.Length <= width ? line : string.Join("\n", stages.SelectMany((stage, i) => Lines(i == 0 ? stage : $"> {stage}", Math.Max(LeastWay, width))));
    }

    /// <summary>A long text in lines, broken between words where there are any: a table that is wider than the terminal is not drawn at all.</summary>
    private static IEnumerable<string> Lines(string text, int width)
    {
        while (text.Length > width)
        {
            var space = text.LastIndexOf(' ', width);
            var end = space > 1 ? space : width;
            yield return text[..end];
            text = $"  {text[end..].TrimStart()}";
        }

        yield return text;
    }

    private static TableColumn Column(string name, int gap) => new TableColumn(new Markup($"[bold]{name}[/]")).PadLeft(0).PadRight(gap).NoWrap();

    private static Text Cell(string text) => new(text);
}
