using Lathe.Contracts.Panels;

namespace Lathe.Reports.Drawings;

/// <summary>Distributions above one another, each as high as its own fullest bin.</summary>
internal static class RidgeDrawing
{
    private const double Left = 58;
    private const double Right = 350;
    private const double Top = 26;
    private const double Step = 26;
    private const double Height = 34;
    private const double Edge = 2;

    // With more lines the ground would be grey.
    private const int MostLines = 15;

    /// <summary>Lays it out; null where there is no distribution.</summary>
    public static Drawing? Of(RidgeChart chart)
    {
        var ridges = chart.Ridges.Where(r => r.Counts.Count > 0).ToList();
        if (ridges.Count == 0 || !Numbers.IsSound(chart.Least) || !Numbers.IsSound(chart.Most) || chart.Most <= chart.Least) return null;
        var x = new Axis(chart.Least, chart.Most, Left, Right);
        var bottom = Top + Height + ((ridges.Count - 1) * Step);
        var marks = chart.Marks.Where(m => m.At >= chart.Least && m.At <= chart.Most).ToList();
        IEnumerable<Shape> shapes =
        [
            new Label(6, 11, TextWidth.Fit(chart.About, Drawing.UsualWidth - 8, TextLook.Usual)),
            .. marks.Count > MostLines ? [] : marks.Select(m => Stroke.Line(x.Place(m.At), Top - 6, x.Place(m.At), bottom, Look.Grid)),
            .. ridges.SelectMany((ridge, i) => Shapes(ridge, Top + Height + (i * Step))),
            .. marks.Where(m => m.Text.Length > 0).Select(m => Below(m, x, bottom + 14)),
        ];
        return new Drawing(Drawing.UsualWidth, bottom + 22, $"{chart.Title}: {ridges.Count} distributions of {chart.About}", [.. shapes]);
    }

    private static IEnumerable<Shape> Shapes(Ridge ridge, double baseline)
    {
        var counts = ridge.Counts.Select(Numbers.Length).ToList();
        var (fullest, all) = (counts.Max(), counts.Sum());
        var width = (Right - Left) / counts.Count;
        var steps = counts.SelectMany((count, bin) =>
        {
            var y = baseline - (fullest == 0 ? 0 : Height * count / fullest);
            return (Place[])[new(Left + (bin * width), y), new(Left + ((bin + 1) * width), y)];
        });
        var share = all == 0 ? 0 : 100 * fullest / all;
        yield return new Stroke([new(Left, baseline), .. steps, new(Right, baseline)], Look.Ridge, IsClosed: true)
        {
            Tooltip = FormattableString.Invariant($"{ridge.Name}: fullest bin {share:0.#}% of {all:#,0}"),
        };
        yield return new Label(Left - 6, baseline, TextWidth.Fit(ridge.Name, Left - 6 - Edge, TextLook.Value), Anchor.End, TextLook.Value);
    }

    private static Label Below(AxisMark mark, Axis x, double y)
    {
        var text = TextWidth.Fit(mark.Text, 60, TextLook.Value);
        var half = TextWidth.Of(text, TextLook.Value) / 2;
        return new Label(Math.Min(x.Place(mark.At), Drawing.UsualWidth - Edge - half), y, text, Anchor.Middle, TextLook.Value);
    }
}
