namespace Lathe.NN.Data;

/// <summary>Cuts a box of random area, aspect and place out of a photograph and resizes it to the input's size.</summary>
/// <param name="MinArea">Smallest share of the image's area, above 0.</param>
/// <param name="MaxArea">Largest, at most 1.</param>
/// <param name="MinAspect">Smallest width / height, above 0; even on a logarithmic scale.</param>
/// <param name="MaxAspect">Largest.</param>
public sealed record RandomCrop(double MinArea = 0.08, double MaxArea = 1, double MinAspect = 3.0 / 4, double MaxAspect = 4.0 / 3)
{
    internal bool IsValid => MinArea > 0 && MinArea <= MaxArea && MaxArea <= 1 && MinAspect > 0 && MinAspect <= MaxAspect && double.IsFinite(MaxAspect);
}

/// <summary>Random changes of colour, in random order. A strength s draws its factor from [max(0, 1 − s), 1 + s].</summary>
/// <param name="Brightness">Multiplies all values; at least 0.</param>
/// <param name="Contrast">Moves values away from or towards the image's mean grey; at least 0.</param>
/// <param name="Saturation">Moves values away from or towards each pixel's own grey; at least 0. Leaves images of one channel alone.</param>
public sealed record ColourJitter(double Brightness = 0, double Contrast = 0, double Saturation = 0)
{
    internal bool IsValid => double.IsFinite(Brightness + Contrast + Saturation) && Math.Min(Brightness, Math.Min(Contrast, Saturation)) >= 0;
}
