using Lathe.NN.Runtime;

namespace Lathe.NN.Data;

/// <summary>Mixup (Zhang, Cisse, Dauphin, Lopez-Paz, ICLR 2018): each image blended with the next one of its batch.</summary>
internal static class Mixing
{
    /// <summary>Blends image i with image i + 1, the last with the first, in shares λ and 1 − λ.</summary>
    /// <param name="batch">Images are blended in place; other labels and shares are filled in.</param>
    /// <param name="imageLength">Values of one image.</param>
    /// <param name="share">λ of an image of the batch, in [0, 1].</param>
    public static void Apply(PreparedBatch batch, int imageLength, Func<int, double> share)
    {
        var count = batch.Labels.Length;
        var first = batch.Images.AsSpan(0, imageLength).ToArray();
        for (var i = 0; i < count; i++)
        {
            var own = batch.Images.AsSpan(i * imageLength, imageLength);
            var next = i + 1 < count ? batch.Images.AsSpan((i + 1) * imageLength, imageLength) : first;
            var weight = (float)share(i);
            for (var p = 0; p < own.Length; p++)
                own[p] = (weight * own[p]) + ((1 - weight) * next[p]);
            batch.Shares![i] = weight;
            batch.OtherLabels![i] = batch.Labels[(i + 1) % count];
        }
    }

    /// <summary>A draw of the distribution Beta(m, m), by Jöhnk's method, which needs m of at most 1; in logarithms, for small m.</summary>
    /// <param name="m">In (0, 1].</param>
    /// <param name="random">The image's draws.</param>
    public static double Share(double m, CounterRandom random)
    {
        for (var draw = 0; ; draw += 2)
        {
            var x = Math.Log(1 - random.Uniform(draw)) / m;
            var y = Math.Log(1 - random.Uniform(draw + 1)) / m;
            var larger = Math.Max(x, y);
            var sum = larger + Math.Log(Math.Exp(x - larger) + Math.Exp(y - larger));
            if (sum <= 0)
                return Math.Exp(x - sum);
        }
    }
}
