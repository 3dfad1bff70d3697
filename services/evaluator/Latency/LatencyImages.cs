using Lathe.Graph;

namespace Lathe.Evaluator.Latency;

/// <summary>Images to take times with: what is on them changes no time.</summary>
internal static class LatencyImages
{
    private const int Seed = 1;

    /// <summary>Values from -2 to 2, [N, C, H, W].</summary>
    public static float[] Of(TensorShape shape, int count)
    {
        var random = new Random(Seed);
        var values = new float[(long)count * shape.Channels * shape.Height * shape.Width];
        for (var i = 0; i < values.Length; i++) values[i] = (random.NextSingle() * 4) - 2;
        return values;
    }
}
