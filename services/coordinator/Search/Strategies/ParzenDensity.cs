namespace Lathe.Coordinator;

/// <summary>
/// The density of points along one coordinate: a mixture with one part for each point and one for the whole range (Bergstra, Bardenet, Bengio and Kegl, 2011). Along an ordered coordinate the
/// parts are normal distributions cut off at 0 and 1, whose width is the distance to the farther neighbour; otherwise they are counts.
/// </summary>
internal sealed class ParzenDensity
{
    private const double PriorWeight = 1;
    private const int MostDraws = 100;

    private readonly SearchDimension _dimension;
    private readonly double[] _means;
    private readonly double[] _widths;
    private readonly double[] _weights;
    private readonly double[] _inside;

    /// <param name="dimension">The coordinate.</param>
    /// <param name="values">Coordinates of the points.</param>
    /// <param name="weights">One for each point; their mean is about 1.</param>
    public ParzenDensity(SearchDimension dimension, IReadOnlyList<double> values, IReadOnlyList<double> weights)
    {
        _dimension = dimension;
        // The last part is the whole range.
        _means = [.. values, 0.5];
        _weights = [.. weights, PriorWeight];
        var sum = _weights.Sum();
        for (var i = 0; i < _weights.Length; i++) _weights[i] /= sum;
        _widths = dimension.IsOrdered ? Widths(_means) : [];
        _inside = [.. _widths.Select((width, i) => NormalDistribution.Between(-_means[i] / width, (1 - _means[i]) / width))];
    }

    /// <summary>A value that the density makes likely.</summary>
    public double Draw(SearchDraws draws)
    {
        var (u, part) = (draws.Uniform(), 0);
        while (part < _weights.Length - 1 && (u -= _weights[part]) >= 0) part++;
        if (!_dimension.IsOrdered) return part == _means.Length - 1 ? draws.Coordinate(_dimension) : _means[part];
        for (var i = 0; i < MostDraws; i++)
        {
            var value = _means[part] + (_widths[part] * draws.Normal());
            if (value is >= 0 and <= 1) return _dimension.Snap(value);
        }

        return draws.Coordinate(_dimension);
    }

    /// <summary>Logarithm of the density at a value.</summary>
    public double Log(double value)
    {
        var density = 0.0;
        for (var i = 0; i < _means.Length; i++) density += _weights[i] * Part(i, value);
        return Math.Log(Math.Max(density, double.Epsilon));
    }

    private double Part(int i, double value)
    {
        if (!_dimension.IsOrdered) return i == _means.Length - 1 ? 1.0 / _dimension.Levels : _dimension.LevelOf(_means[i]) == _dimension.LevelOf(value) ? 1 : 0;
        var width = _widths[i];
        if (_dimension.Levels == 0) return NormalDistribution.Density((value - _means[i]) / width) / (width * _inside[i]);
        var half = 0.5 / _dimension.Levels;
        return NormalDistribution.Between((value - half - _means[i]) / width, (value + half - _means[i]) / width) / _inside[i];
    }

    private static double[] Widths(double[] means)
    {
        var order = Enumerable.Range(0, means.Length).OrderBy(i => means[i]).ToList();
        var widths = new double[means.Length];
        var least = 1.0 / Math.Min(100, means.Length + 1);
        for (var i = 0; i < order.Count; i++)
        {
            var before = i == 0 ? 0 : means[order[i - 1]];
            var after = i == order.Count - 1 ? 1 : means[order[i + 1]];
            var mean = means[order[i]];
            widths[order[i]] = Math.Clamp(Math.Max(mean - before, after - mean), least, 1);
        }

        // That of the whole range is as wide as it.
        widths[^1] = 1;
        return widths;
    }
}
