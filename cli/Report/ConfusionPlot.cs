using Lathe.Evaluator;

namespace Lathe.Cli.Report;

/// <summary>Which class was taken for which.</summary>
internal static class ConfusionPlot
{
    private const double Left = 84;
    private const double Top = 18;
    private const double Side = 270;

    // Above so many classes a cell has no room for its number.
    private const int MostNumbered = 12;
    private const int MostNamed = 24;

    /// <summary>Draws the matrix: rows are what images show, columns what they were taken for; a full cell is all of a row's images.</summary>
    /// <param name="confusion">Square.</param>
    /// <param name="images">Images of each class.</param>
    /// <param name="name">Name of a class.</param>
    public static string Draw(IReadOnlyList<int[]> confusion, IReadOnlyList<int> images, Func<int, string> name)
    {
        var classes = confusion.Count;
        var cell = Side / classes;
        var content = new List<string> { Svg.Label(Left + (Side / 2), 11, "taken for", "middle", "value") };
        for (var label = 0; label < classes; label++)
        {
            for (var taken = 0; taken < classes; taken++)
            {
                var count = confusion[label][taken];
                if (count == 0) continue;
                var share = count / (double)Math.Max(1, images[label]);
                var (x, y) = (Left + (taken * cell), Top + (label * cell));
                content.Add($"""<g><rect x="{Svg.Number(x)}" y="{Svg.Number(y)}" width="{Svg.Number(cell)}" height="{Svg.Number(cell)}" class="{(label == taken ? "right" : "wrong")}" fill-opacity="{Svg.Number(Math.Max(0.05, Math.Sqrt(share) * 0.8))}" />"""
                    + (classes <= MostNumbered ? Svg.Label(x + (cell / 2), y + (cell / 2) + 3, $"{count}", "middle", "cell") : "")
                    + $"<title>{Svg.Text($"{name(label)} taken for {name(taken)}: {count} images, {100 * share:0.#}%")}</title></g>");
            }
        }

        content.Add($"""<rect x="{Svg.Number(Left)}" y="{Svg.Number(Top)}" width="{Svg.Number(Side)}" height="{Svg.Number(Side)}" class="outline" />""");
        if (classes <= MostNamed)
        {
            for (var label = 0; label < classes; label++)
            {
                content.Add(Svg.Label(Left - 5, Top + ((label + 0.5) * cell) + 3, Svg.Shortened(name(label), 13), "end", "value"));
                content.Add($"""<text transform="translate({Svg.Number(Left + ((label + 0.5) * cell) + 3)} {Svg.Number(Top + Side + 6)}) rotate(-60)" text-anchor="end" class="value">{Svg.Text(Svg.Shortened(name(label), 13))}</text>""");
            }
        }

        return Svg.Drawing(Top + Side + (classes <= MostNamed ? 74 : 10), $"Confusion matrix of {classes} classes", string.Concat(content));
    }

    /// <summary>Share of a class's images classified right; null where there are none.</summary>
    public static double? Right(EvaluationRecord record, int label) => record.Images[label] == 0 ? null : record.Right[label] / (double)record.Images[label];
}
