using Lathe.NN.Runtime;

namespace Lathe.NN.Data;

/// <summary>Changes of brightness, contrast and saturation on the bytes of an image, each rounded to whole values.</summary>
internal static class Recolouring
{
    /// <summary>Applies the changes in random order.</summary>
    /// <param name="image">[C, H, W], changed in place; saturation needs C = 3.</param>
    /// <param name="channels">C.</param>
    /// <param name="jitter">Strengths.</param>
    /// <param name="random">Draws <paramref name="firstDraw"/> to 5 after it are used.</param>
    /// <param name="firstDraw">First of six draws.</param>
    public static void Apply(Span<byte> image, int channels, ColourJitter jitter, CounterRandom random, int firstDraw)
    {
        int[] order = [0, 1, 2];
        for (var i = 2; i > 0; i--)
        {
            var j = random.Below(firstDraw + i, i + 1);
            (order[i], order[j]) = (order[j], order[i]);
        }

        foreach (var change in order)
        {
            var strength = change switch { 0 => jitter.Brightness, 1 => jitter.Contrast, _ => jitter.Saturation };
            if (strength <= 0)
                continue;
            var least = Math.Max(0, 1 - strength);
            var factor = (float)(least + ((1 + strength - least) * random.Uniform(firstDraw + 3 + change)));
            if (change == 0)
                Blend(image, 0, factor);
            else if (change == 1)
                Blend(image, MeanGrey(image, channels), factor);
            else if (channels == 3)
                Saturate(image, factor);
        }
    }

    /// <summary>Moves each value away from (factor above 1) or towards (below 1) one value.</summary>
    private static void Blend(Span<byte> image, float towards, float factor)
    {
        Span<byte> levels = stackalloc byte[256];
        for (var level = 0; level < 256; level++)
            levels[level] = Byte(towards + (factor * (level - towards)));
        foreach (ref var value in image)
            value = levels[value];
    }

    private static void Saturate(Span<byte> image, float factor)
    {
        var plane = image.Length / 3;
        var red = image[..plane];
        var green = image.Slice(plane, plane);
        var blue = image[(2 * plane)..];
        for (var i = 0; i < red.Length; i++)
        {
            var grey = Grey(red[i], green[i], blue[i]);
            red[i] = Byte(grey + (factor * (red[i] - grey)));
            green[i] = Byte(grey + (factor * (green[i] - grey)));
            blue[i] = Byte(grey + (factor * (blue[i] - grey)));
        }
    }

    private static float MeanGrey(ReadOnlySpan<byte> image, int channels)
    {
        long sum = 0;
        var plane = image.Length / channels;
        if (channels != 3)
        {
            foreach (var value in image)
                sum += value;
            return (float)Math.Round((double)sum / image.Length);
        }

        for (var i = 0; i < plane; i++)
            sum += Grey(image[i], image[plane + i], image[(2 * plane) + i]);
        return (float)Math.Round((double)sum / plane);
    }

    /// <summary>Luma of ITU-R BT.601, rounded.</summary>
    private static int Grey(int red, int green, int blue) => ((19595 * red) + (38470 * green) + (7471 * blue) + 32768) >> 16;

    private static byte Byte(float value) => (byte)Math.Clamp(value + 0.5f, 0, 255);
}
