namespace Lathe.Quantizer.Weights;

/// <summary>A layer whose bits may be chosen.</summary>
/// <param name="Name">Of the node.</param>
/// <param name="Weights">Number of its weights.</param>
/// <param name="Least">Fewest bits that it may have.</param>
/// <param name="Loss">By how much the loss rises with so many bits, from <paramref name="Least"/> up. More bits never raise it: their grid holds that of fewer.</param>
public sealed record BitLayer(string Name, long Weights, int Least, IReadOnlyList<double> Loss)
{
    /// <summary>Most bits that it may have.</summary>
    public int Most => Least + Loss.Count - 1;

    /// <summary>What the loss rises by with these bits.</summary>
    public double LossAt(int bits) => Loss[bits - Least];

    /// <summary>Bytes of its packed weights.</summary>
    public long BytesAt(int bits) => new Graph.Checkpoints.WeightFormat(bits, 0).PackedBytes(Weights);
}

/// <summary>
/// Chooses bits for each layer so that all packed weights fit a number of bytes. It gives bits where they save the most loss for their bytes, exchanges them between two layers as long as that saves loss, and
/// in the end gives every bit that still fits. So the result is at or under the budget, no layer could have one bit more, and no number of bits that all layers can have is better. Detail ours.
/// </summary>
public static class BitBudget
{
    /// <summary>Bytes with the fewest bits everywhere.</summary>
    public static long Least(IReadOnlyList<BitLayer> layers) => layers.Sum(layer => layer.BytesAt(layer.Least));

    /// <summary>Bits of each layer.</summary>
    /// <param name="layers">The layers.</param>
    /// <param name="budget">Bytes for their packed weights, at least <see cref="Least"/>.</param>
    /// <returns>Bits in the order of the layers.</returns>
    public static int[] Choose(IReadOnlyList<BitLayer> layers, double budget)
    {
        if (budget < Least(layers)) throw new ArgumentException($"{budget} bytes are fewer than the fewest bits take", nameof(budget));
        // The same bits everywhere are starts too, so that the result is never worse than those.
        var starts = Enumerable.Range(0, layers.Max(layer => layer.Most) + 1)
            .Select(same => layers.Select(layer => Math.Clamp(same, layer.Least, layer.Most)).ToArray())
            .Where(bits => Bytes(layers, bits) <= budget).DistinctBy(bits => string.Join(' ', bits));
        return starts.Select(bits => Improved(layers, bits, budget)).MinBy(bits => Loss(layers, bits))!;
    }

    private static int[] Improved(IReadOnlyList<BitLayer> layers, int[] bits, double budget)
    {
        var left = budget - Bytes(layers, bits);
        Fill(layers, bits, ref left);
        // Each exchange saves loss, and there are finitely many choices.
        while (Exchange(layers, bits, ref left)) Fill(layers, bits, ref left);
        return bits;
    }

    private static long Bytes(IReadOnlyList<BitLayer> layers, int[] bits) => layers.Select((layer, i) => layer.BytesAt(bits[i])).Sum();

    private static double Loss(IReadOnlyList<BitLayer> layers, int[] bits) => layers.Select((layer, i) => layer.LossAt(bits[i])).Sum();

    /// <summary>What one more bit of a layer adds at least; null where all have the most.</summary>
    public static long? OneMoreBit(IReadOnlyList<BitLayer> layers, IReadOnlyList<int> bits) => layers
        .Select((layer, i) => bits[i] < layer.Most ? layer.BytesAt(bits[i] + 1) - layer.BytesAt(bits[i]) : (long?)null).Min();

    /// <summary>Gives bits, several at once where that pays more, until none fits.</summary>
    private static void Fill(IReadOnlyList<BitLayer> layers, int[] bits, ref double left)
    {
        while (true)
        {
            var (best, bestBits, bestScore) = (-1, 0, double.NegativeInfinity);
            for (var i = 0; i < bits.Length; i++)
            {
                for (var more = bits[i] + 1; more <= layers[i].Most; more++)
                {
                    var bytes = layers[i].BytesAt(more) - layers[i].BytesAt(bits[i]);
                    if (bytes > left) break;
                    // Of a layer of a few weights one more bit may cost nothing.
                    var score = (layers[i].LossAt(bits[i]) - layers[i].LossAt(more)) / Math.Max(bytes, double.Epsilon);
                    if (score > bestScore) (best, bestBits, bestScore) = (i, more, score);
                }
            }

            if (best < 0) return;
            left -= layers[best].BytesAt(bestBits) - layers[best].BytesAt(bits[best]);
            bits[best] = bestBits;
        }
    }

    /// <summary>Takes bits from one layer and gives some to another, where that saves the most loss; false where no exchange does.</summary>
    private static bool Exchange(IReadOnlyList<BitLayer> layers, int[] bits, ref double left)
    {
        var (best, bestSaved) = ((From: -1, FromBits: 0, To: 0, ToBits: 0), 0.0);
        for (var from = 0; from < bits.Length; from++)
        {
            for (var fewer = layers[from].Least; fewer < bits[from]; fewer++)
            {
                var room = left + layers[from].BytesAt(bits[from]) - layers[from].BytesAt(fewer);
                var lost = layers[from].LossAt(fewer) - layers[from].LossAt(bits[from]);
                for (var to = 0; to < bits.Length; to++)
                {
                    if (to == from) continue;
                    for (var more = bits[to] + 1; more <= layers[to].Most && layers[to].BytesAt(more) - layers[to].BytesAt(bits[to]) <= room; more++)
                    {
                        var saved = layers[to].LossAt(bits[to]) - layers[to].LossAt(more) - lost;
                        if (saved > bestSaved) (best, bestSaved) = ((from, fewer, to, more), saved);
                    }
                }
            }
        }

        if (best.From < 0) return false;
        left += layers[best.From].BytesAt(bits[best.From]) - layers[best.From].BytesAt(best.FromBits);
        left -= layers[best.To].BytesAt(best.ToBits) - layers[best.To].BytesAt(bits[best.To]);
        (bits[best.From], bits[best.To]) = (best.FromBits, best.ToBits);
        return true;
    }
}
