namespace Lathe.NN.FixedPoint;

/// <summary>Images as the bytes that fixed-point inference begins with.</summary>
public static class ImageBytes
{
    /// <summary>Rounds normalized pixels to the format of a network's input, ties to even.</summary>
    /// <param name="input">The input tensor.</param>
    /// <param name="pixels">[C, H, W] of one image.</param>
    /// <param name="bytes">Takes [H, W, C].</param>
    public static void Quantize(ByteTensor input, ReadOnlySpan<float> pixels, Span<byte> bytes)
    {
        var (channels, positions) = (input.Shape.Channels, input.Shape.Height * input.Shape.Width);
        if (pixels.Length != input.Length || bytes.Length != input.Length)
            throw new ArgumentException($"{pixels.Length} pixels and {bytes.Length} bytes given; the image has {input.Length}");
        for (var channel = 0; channel < channels; channel++)
        {
            for (var position = 0; position < positions; position++)
            {
                var steps = MathF.Round(MathF.ScaleB(pixels[(channel * positions) + position], input.Fraction), MidpointRounding.ToEven);
                bytes[(position * channels) + channel] = (byte)Math.Clamp(steps + input.Zero, input.Least, input.Greatest);
            }
        }
    }
}
