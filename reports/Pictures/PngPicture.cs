using Lathe.Reports.Drawings;
using SkiaSharp;

namespace Lathe.Reports.Pictures;

/// <summary>Paints drawings as pixels with Skia.</summary>
public static class PngPicture
{
    /// <summary>Pixels of one unit of a drawing.</summary>
    public const int Scale = 3;

    /// <summary>The drawing as a PNG file in light colours, with its title above it.</summary>
    /// <exception cref="Contracts.LatheException">The machine has no font.</exception>
    public static byte[] File(Drawing drawing, string title)
    {
        var titled = drawing.WithTitle(title);
        var size = new SKImageInfo(Pixels(titled.Width), Pixels(titled.Height + titled.Above), SKColorType.Rgba8888, SKAlphaType.Premul);
        using var surface = SKSurface.Create(size) ?? throw new InvalidOperationException($"no surface for a plot of {size.Width} x {size.Height} pixels");
        var canvas = surface.Canvas;
        canvas.Clear(Colour(Tint.Paper));
        canvas.Scale(Scale);
        canvas.Translate(0, (float)titled.Above);
        foreach (var shape in titled.Shapes) Draw(canvas, shape);
        using var image = surface.Snapshot();
        using var png = image.Encode(SKEncodedImageFormat.Png, 100);
        return png.ToArray();
    }

    internal static SKColor Colour(Tint tint, double opacity = 1) => SKColor.Parse(PlotStyle.Of(tint)).WithAlpha((byte)Math.Round(255 * opacity));

    private static int Pixels(double units) => (int)Math.Ceiling(units * Scale);

    private static void Draw(SKCanvas canvas, Shape shape)
    {
        switch (shape)
        {
            case Group group:
                foreach (var part in group.Shapes) Draw(canvas, part);
                break;
            case Label label:
                PngText.Draw(canvas, label);
                break;
            case Box box:
                var area = SKRect.Create((float)box.X, (float)box.Y, (float)box.Width, (float)box.Height);
                Fill(Looks.Of(box.Look, box.Series), box.Opacity, paint => canvas.DrawRect(area, paint));
                break;
            case Disc disc:
                Fill(Looks.Of(disc.Look, disc.Series), 1, paint => canvas.DrawCircle((float)disc.X, (float)disc.Y, (float)disc.Radius, paint));
                break;
            case Stroke stroke:
                using (var path = Path(stroke))
                    Fill(Looks.Of(stroke.Look, stroke.Series), 1, paint => canvas.DrawPath(path, paint));
                break;
            default:
                throw new InvalidOperationException($"{shape.GetType().Name} cannot be painted");
        }
    }

    private static SKPath Path(Stroke stroke)
    {
        using var path = new SKPathBuilder();
        path.AddPoly([.. stroke.Places.Select(p => new SKPoint((float)p.X, (float)p.Y))], stroke.IsClosed);
        return path.Detach();
    }

    /// <summary>Fills, then draws the line, as far as the paint has them.</summary>
    private static void Fill(Paint look, double opacity, Action<SKPaint> draw)
    {
        if (look.Fill is { } fill)
        {
            using var paint = new SKPaint { IsAntialias = true, Style = SKPaintStyle.Fill, Color = Colour(fill, look.FillOpacity * opacity * look.Opacity) };
            draw(paint);
        }

        if (look.Stroke is not { } stroke) return;
        using var dashes = look.Dashes is { Count: > 0 } lengths ? SKPathEffect.CreateDash([.. lengths.Select(l => (float)l)], 0) : null;
        using var line = new SKPaint
        {
            IsAntialias = true,
            Style = SKPaintStyle.Stroke,
            Color = Colour(stroke, look.Opacity),
            StrokeWidth = (float)look.StrokeWidth,
            StrokeJoin = look.IsRound ? SKStrokeJoin.Round : SKStrokeJoin.Miter,
            PathEffect = dashes,
        };
        draw(line);
    }
}
