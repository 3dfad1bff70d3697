namespace Lathe.Contracts;

/// <summary>Results that no other beats.</summary>
public static class ParetoFront
{
    /// <summary>Numbers of the points that no other beats: at most its cost and at least its height, one of them better. In O(n log n).</summary>
    /// <param name="points">Cost and height of each; none is NaN.</param>
    public static IReadOnlySet<int> Of(IReadOnlyList<(double Cost, double Height)> points)
    {
        var front = new HashSet<int>();
        var highest = double.NegativeInfinity;
        foreach (var ofCost in points.Index().GroupBy(p => p.Item.Cost).OrderBy(g => g.Key))
        {
            // Of equal cost only the highest, and only if nothing cheaper is as high. Equal points stand together.
            var top = ofCost.Max(p => p.Item.Height);
            if (top <= highest) continue;
            highest = top;
            front.UnionWith(ofCost.Where(p => p.Item.Height == top).Select(p => p.Index));
        }

        return front;
    }
}
