using Lathe.Contracts.Panels;
using Lathe.Reports.Drawings;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace Lathe.Reports.Terminals;

/// <summary>Distributions as text: one line of blocks each, as high as its fullest bin.</summary>
internal static class RidgeText
{
    private const int MostName = 14;

    /// <summary>Draws them with the marks of the axis below; null where there is none.</summary>
    public static IRenderable? Of(RidgeChart chart, int width)
    {
        var ridges = chart.Ridges.Where(r => r.Counts.Count > 0).ToList();
        if (ridges.Count == 0) return null;
        var name = Math.Min(MostName, ridges.Max(r => Cell.Width(Cell.OneLine(r.Name))));
        var room = Math.Max(1, width - name - 1 - 2);
        var lines = ridges.Select(ridge =>
        {
            var bins = Merged(ridge.Counts, room);
            return $"{Cell.Padded(Cell.OneLine(ridge.Name), name, isRight: true)} {Blocks.Of(bins, bins.Max())}";
        });
        var ruler = new string(' ', name + 1) + Ruler(chart, Merged(ridges[0].Counts, room).Count, width - name - 1);
        return new Text(string.Join('\n', [Cell.Fit(Cell.OneLine(chart.About), width), .. lines, ruler.TrimEnd()]));
    }

    /// <summary>An odd number of bins as one where all are too many; then as well each mode lies in the middle of one.</summary>
    private static List<double> Merged(IReadOnlyList<double> counts, int most)
    {
        var together = 1;
        while ((counts.Count + together - 1) / together > most) together += 2;
        return [.. counts.Chunk(together).Select(bins => bins.Sum(Numbers.Length))];
    }

    /// <summary>What stands at the marks, as far as it fits: those in the middle and at the ends first.</summary>
    private static string Ruler(RidgeChart chart, int characters, int width)
    {
        var ruler = new string(' ', width).ToCharArray();
        if (chart.Most <= chart.Least) return "";
        var marks = chart.Marks.Where(m => m.Text.Length > 0 && m.At >= chart.Least && m.At <= chart.Most).ToList();
        foreach (var mark in marks.OrderByDescending(m => m == marks[marks.Count / 2] || m == marks[0] || m == marks[^1]))
        {
            var text = Cell.OneLine(mark.Text);
            var middle = (int)((mark.At - chart.Least) / (chart.Most - chart.Least) * characters);
            var from = Math.Clamp(middle - (text.Length / 2), 0, Math.Max(0, width - text.Length));
            var end = Math.Min(width, from + text.Length);
            // A space between neighbours, or they would read as one.
            if (end - from < text.Length || ruler[Math.Max(0, from - 1)..Math.Min(width, end + 1)].Any(c => c != ' ')) continue;
            text.CopyTo(0, ruler, from, text.Length);
        }

        return new string(ruler);
    }
}
