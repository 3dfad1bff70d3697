using Lathe.Graph;

namespace Lathe.NN.Data;

/// <summary>How pixels become network inputs: (byte / 255 − mean) / standard deviation, for each channel.</summary>
/// <param name="Mean">Per channel, fractions of 1.</param>
/// <param name="StandardDeviation">Per channel, above 0.</param>
public sealed record Normalization(IReadOnlyList<double> Mean, IReadOnlyList<double> StandardDeviation)
{
    /// <summary>Of ImageNet's training images, as everybody uses them: red, green, blue.</summary>
    public static Normalization ImageNet { get; } = new([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]);

    /// <summary>Of all pixels of a set of images, exact: sums are integers.</summary>
    /// <param name="images">Bytes [N, C, H, W].</param>
    /// <param name="shape">Shape of one image.</param>
    public static Normalization Of(ReadOnlySpan<byte> images, TensorShape shape)
    {
        var plane = shape.Height * shape.Width;
        var mean = new double[shape.Channels];
        var deviation = new double[shape.Channels];
        var count = (double)images.Length / shape.Channels;
        for (var channel = 0; channel < shape.Channels; channel++)
        {
            ulong sum = 0, squares = 0;
            for (var start = channel * plane; start < images.Length; start += shape.Channels * plane)
            {
                foreach (ulong pixel in images.Slice(start, plane))
                {
                    sum += pixel;
                    squares += pixel * pixel;
                }
            }

            mean[channel] = sum / count / 255;
            var variance = (squares / count / (255.0 * 255.0)) - (mean[channel] * mean[channel]);
            deviation[channel] = variance > 1e-12 ? Math.Sqrt(variance) : 1;
        }

        return new Normalization(mean, deviation);
    }
}
