namespace Lathe.Coordinator;

/// <summary>The volume that results dominate, up to a reference point (Zitzler and Thiele, 1998). Less is better in every objective.</summary>
public static class Hypervolume
{
    /// <summary>The volume.</summary>
    /// <param name="points">Losses of the results. Those that do not lie below the reference in every objective add nothing.</param>
    /// <param name="reference">One number for each objective.</param>
    public static double Of(IReadOnlyList<IReadOnlyList<double>> points, IReadOnlyList<double> reference)
    {
        var inside = points.Where(p => p.Zip(reference).All(c => c.First < c.Second)).ToList();
        return inside.Count == 0 ? 0 : Volume(inside, reference, reference.Count);
    }

    /// <summary>What each result adds to the volume of all.</summary>
    public static double[] Contributions(IReadOnlyList<IReadOnlyList<double>> points, IReadOnlyList<double> reference)
    {
        var all = Of(points, reference);
        return [.. points.Select((_, i) => Math.Max(0, all - Of([.. points.Where((_, j) => j != i)], reference)))];
    }

    /// <summary>Some of the results that together dominate much: each is the one that adds most to those before it.</summary>
    /// <returns>Their numbers, in that order.</returns>
    public static IReadOnlyList<int> Subset(IReadOnlyList<IReadOnlyList<double>> points, IReadOnlyList<double> reference, int count)
    {
        var chosen = new List<int>();
        var left = Enumerable.Range(0, points.Count).ToList();
        while (chosen.Count < count && left.Count > 0)
        {
            var next = left.MaxBy(i => Of([.. chosen.Append(i).Select(c => points[c])], reference));
            chosen.Add(next);
            left.Remove(next);
        }

        return chosen;
    }

    /// <summary>Sweeps over the last of the first n objectives: between two of its values the volume is an area of one objective fewer.</summary>
    private static double Volume(List<IReadOnlyList<double>> points, IReadOnlyList<double> reference, int n)
    {
        if (n == 1) return reference[0] - points.Min(p => p[0]);
        if (n == 2) return Area(points, reference);
        var ordered = points.OrderBy(p => p[n - 1]).ToList();
        var volume = 0.0;
        for (var i = 0; i < ordered.Count; i++)
        {
            var height = (i + 1 < ordered.Count ? ordered[i + 1][n - 1] : reference[n - 1]) - ordered[i][n - 1];
            if (height > 0) volume += height * Volume(ordered[..(i + 1)], reference, n - 1);
        }

        return volume;
    }

    private static double Area(List<IReadOnlyList<double>> points, IReadOnlyList<double> reference)
    {
        var area = 0.0;
        var lowest = reference[1];
        foreach (var point in points.OrderBy(p => p[0]).ThenBy(p => p[1]))
        {
            if (point[1] >= lowest) continue;
            area += (reference[0] - point[0]) * (lowest - point[1]);
            lowest = point[1];
        }

        return area;
    }
}
