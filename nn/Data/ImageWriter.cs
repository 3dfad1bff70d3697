using Lathe.NN.Runtime;

namespace Lathe.NN.Data;

/// <summary>Turns a split's images into normalized network inputs, augmented on the way. One for each thread.</summary>
internal sealed class ImageWriter
{
    private readonly Split _split;
    private readonly float[][] _levels;
    private readonly ImageScratch _scratch = new();

    public ImageWriter(Split split)
    {
        _split = split;
        // A byte has 256 values: each channel's normalization is a table.
        _levels = [.. Enumerable.Range(0, split.Shape.Channels).Select(channel => Enumerable.Range(0, 256)
            .Select(pixel => (float)(((pixel / 255.0) - split.Normalization.Mean[channel]) / split.Normalization.StandardDeviation[channel]))
            .ToArray())];
    }

    /// <summary>Writes one image as it is, or the next good one in its place.</summary>
    /// <returns>The class of the image that was written.</returns>
    public int Write(int index, Span<float> output)
    {
        if (_split.Values(index, out var label) is { Length: > 0 } values)
            values.CopyTo(output);
        else
            WriteWhole(_split.Read(index, null, default, _scratch, out label), output);
        return label;
    }

    /// <summary>Writes one image as the augmentation's draws have it.</summary>
    /// <returns>The class of the image that was written.</returns>
    public int Write(int index, Span<float> output, Augmentation augmentation, CounterRandom random)
    {
        if (_split.Values(index, out var own) is { Length: > 0 } values)
        {
            values.CopyTo(output);
            return own;
        }

        var (height, width) = (_split.Shape.Height, _split.Shape.Width);
        var image = _split.Read(index, augmentation.Crop, random, _scratch, out var label);
        if (augmentation.Colours is { } colours)
            image = Recoloured(image, colours, random);
        var shift = augmentation.Shift;
        var downwards = shift > 0 ? random.Below(ImageDraws.ShiftDown, (2 * shift) + 1) - shift : 0;
        var rightwards = shift > 0 ? random.Below(ImageDraws.ShiftRight, (2 * shift) + 1) - shift : 0;
        var isFlipped = augmentation.Flip && random.Below(ImageDraws.Flip, 2) == 1;
        if (downwards == 0 && rightwards == 0 && !isFlipped)
            WriteWhole(image, output);
        else
            WriteMoved(image, output, downwards, rightwards, isFlipped);

        if (augmentation.Cutout > 0)
            CutOut(output, random.Below(ImageDraws.CutoutRow, height), random.Below(ImageDraws.CutoutColumn, width), augmentation.Cutout);
        return label;
    }

    private ReadOnlySpan<byte> Recoloured(ReadOnlySpan<byte> image, ColourJitter colours, CounterRandom random)
    {
        var copy = _scratch.RecolouredOf(image.Length);
        image.CopyTo(copy);
        Recolouring.Apply(copy, _split.Shape.Channels, colours, random, ImageDraws.Colours);
        return copy;
    }

    private void WriteWhole(ReadOnlySpan<byte> image, Span<float> output)
    {
        var plane = image.Length / _levels.Length;
        for (var channel = 0; channel < _levels.Length; channel++)
        {
            var levels = _levels[channel].AsSpan(0, 256);
            var pixels = image.Slice(channel * plane, plane);
            var values = output.Slice(channel * plane, plane);
            for (var i = 0; i < values.Length; i++)
                values[i] = levels[pixels[i]];
        }
    }

    private void WriteMoved(ReadOnlySpan<byte> image, Span<float> output, int downwards, int rightwards, bool isFlipped)
    {
        var (height, width) = (_split.Shape.Height, _split.Shape.Width);
        // Columns of the output that lie within the image.
        var first = Math.Clamp(isFlipped ? -rightwards : rightwards, 0, width);
        var end = Math.Clamp(isFlipped ? width - rightwards : width + rightwards, first, width);
        for (var channel = 0; channel < _levels.Length; channel++)
        {
            var levels = _levels[channel].AsSpan(0, 256);
            for (var y = 0; y < height; y++)
            {
                var values = output.Slice(((channel * height) + y) * width, width);
                var fromY = y - downwards;
                if ((uint)fromY >= (uint)height)
                {
                    values.Fill(levels[0]);
                    continue;
                }

                values[..first].Fill(levels[0]);
                values[end..].Fill(levels[0]);
                var pixels = image.Slice(((channel * height) + fromY) * width, width);
                if (isFlipped)
                {
                    for (var x = first; x < end; x++)
                        values[x] = levels[pixels[width - 1 - x - rightwards]];
                }
                else
                {
                    for (var x = first; x < end; x++)
                        values[x] = levels[pixels[x - rightwards]];
                }
            }
        }
    }

    private void CutOut(Span<float> output, int centreY, int centreX, int side)
    {
        var (height, width) = (_split.Shape.Height, _split.Shape.Width);
        var left = Math.Max(0, centreX - (side / 2));
        var right = Math.Min(width, centreX - (side / 2) + side);
        var top = Math.Max(0, centreY - (side / 2));
        var bottom = Math.Min(height, centreY - (side / 2) + side);
        for (var channel = 0; channel < _levels.Length; channel++)
        {
            for (var y = top; y < bottom; y++)
                output.Slice((((channel * height) + y) * width) + left, right - left).Clear();
        }
    }
}
