using Lathe.NN.Runtime;

namespace Lathe.NN.Data;

/// <summary>Turns a split's bytes into normalized network inputs, augmented on the way.</summary>
internal sealed class ImageWriter
{
    private readonly Split _split;
    private readonly float[][] _levels;

    public ImageWriter(Split split)
    {
        _split = split;
        // A byte has 256 values: each channel's normalization is a table.
        _levels = [.. Enumerable.Range(0, split.Shape.Channels).Select(channel => Enumerable.Range(0, 256)
            .Select(pixel => (float)(((pixel / 255.0) - split.Normalization.Mean[channel]) / split.Normalization.StandardDeviation[channel]))
            .ToArray())];
    }

    public int ImageLength => _split.Shape.Channels * _split.Shape.Height * _split.Shape.Width;

    /// <summary>Writes one image as it is.</summary>
    public void Write(int index, Span<float> output)
    {
        var image = _split.Image(index);
        var plane = image.Length / _levels.Length;
        for (var channel = 0; channel < _levels.Length; channel++)
        {
            var levels = _levels[channel];
            var pixels = image.Slice(channel * plane, plane);
            var values = output.Slice(channel * plane, plane);
            for (var i = 0; i < values.Length; i++)
                values[i] = levels[pixels[i]];
        }
    }

    /// <summary>Writes one image as the augmentation's draws 0 to 4 have it.</summary>
    public void Write(int index, Span<float> output, Augmentation augmentation, CounterRandom random)
    {
        var (height, width) = (_split.Shape.Height, _split.Shape.Width);
        var downwards = augmentation.Shift > 0 ? random.Below(0, (2 * augmentation.Shift) + 1) - augmentation.Shift : 0;
        var rightwards = augmentation.Shift > 0 ? random.Below(1, (2 * augmentation.Shift) + 1) - augmentation.Shift : 0;
        var isFlipped = augmentation.Flip && random.Below(2, 2) == 1;
        if (downwards == 0 && rightwards == 0 && !isFlipped)
            Write(index, output);
        else
            WriteMoved(_split.Image(index), output, downwards, rightwards, isFlipped);

        if (augmentation.Cutout > 0)
            CutOut(output, random.Below(3, height), random.Below(4, width), augmentation.Cutout);
    }

    private void WriteMoved(ReadOnlySpan<byte> image, Span<float> output, int downwards, int rightwards, bool isFlipped)
    {
        var (height, width) = (_split.Shape.Height, _split.Shape.Width);
        for (var channel = 0; channel < _levels.Length; channel++)
        {
            var levels = _levels[channel];
            var pixels = image.Slice(channel * height * width, height * width);
            var values = output.Slice(channel * height * width, height * width);
            for (var y = 0; y < height; y++)
            {
                var fromY = y - downwards;
                for (var x = 0; x < width; x++)
                {
                    var fromX = (isFlipped ? width - 1 - x : x) - rightwards;
                    var isInside = (uint)fromY < (uint)height && (uint)fromX < (uint)width;
                    values[(y * width) + x] = levels[isInside ? pixels[(fromY * width) + fromX] : (byte)0];
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
