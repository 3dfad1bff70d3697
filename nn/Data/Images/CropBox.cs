using Lathe.NN.Runtime;

namespace Lathe.NN.Data;

/// <summary>The part of an image that becomes the network's input, in the image's own pixels; edges may lie between pixels.</summary>
/// <param name="Left">First column.</param>
/// <param name="Top">First row.</param>
/// <param name="Width">Above 0.</param>
/// <param name="Height">Above 0.</param>
/// <param name="Isolated">
/// Whether pixels outside the box count as if they were not there (crop, then resize) or take part at its edges (resize, then crop).
/// </param>
internal readonly record struct CropBox(double Left, double Top, double Width, double Height, bool Isolated)
{
    private const int Attempts = 10;

    /// <summary>
    /// Shorter side resized to 8/7 of the output's (256 for 224), then the middle of it: where evaluation looks.
    /// </summary>
    public static CropBox Centre(int width, int height, int outputWidth, int outputHeight)
    {
        var shorter = Math.Min(width, height);
        var resizedShorter = Math.Min(outputWidth, outputHeight) * 8 / 7;
        var (resizedWidth, resizedHeight) = ((long)resizedShorter * width / shorter, (long)resizedShorter * height / shorter);
        var (scaleX, scaleY) = ((double)width / resizedWidth, (double)height / resizedHeight);
        // Whole resized pixels, as if the resized image existed.
        var left = Math.Round((resizedWidth - outputWidth) / 2.0);
        var top = Math.Round((resizedHeight - outputHeight) / 2.0);
        return new CropBox(left * scaleX, top * scaleY, outputWidth * scaleX, outputHeight * scaleY, Isolated: false);
    }

    /// <summary>
    /// A box of random area, aspect and place, of whole pixels. Ten attempts; when none fits into the image, the largest box in its
    /// middle whose aspect is allowed.
    /// </summary>
    /// <param name="width">Of the image, pixels.</param>
    /// <param name="height">Of the image, pixels.</param>
    /// <param name="crop">Ranges of area and aspect.</param>
    /// <param name="random">The image's draws.</param>
    /// <param name="firstDraw">The 40 draws from here on are used.</param>
    public static CropBox Random(int width, int height, RandomCrop crop, CounterRandom random, int firstDraw)
    {
        var area = (double)width * height;
        for (var attempt = 0; attempt < Attempts; attempt++)
        {
            var draw = firstDraw + (4 * attempt);
            var target = area * (crop.MinArea + ((crop.MaxArea - crop.MinArea) * random.Uniform(draw)));
            var aspect = Math.Exp(Math.Log(crop.MinAspect) + (Math.Log(crop.MaxAspect / crop.MinAspect) * random.Uniform(draw + 1)));
            var (w, h) = ((int)Math.Round(Math.Sqrt(target * aspect)), (int)Math.Round(Math.Sqrt(target / aspect)));
            if (w > 0 && h > 0 && w <= width && h <= height)
                return new CropBox(random.Below(draw + 2, width - w + 1), random.Below(draw + 3, height - h + 1), w, h, Isolated: true);
        }

        var own = (double)width / height;
        var (boxWidth, boxHeight) = own < crop.MinAspect ? (width, Math.Max(1, (int)Math.Round(width / crop.MinAspect)))
            : own > crop.MaxAspect ? (Math.Max(1, (int)Math.Round(height * crop.MaxAspect)), height)
            : (width, height);
        return new CropBox((width - boxWidth) / 2, (height - boxHeight) / 2, boxWidth, boxHeight, Isolated: true);
    }
}
