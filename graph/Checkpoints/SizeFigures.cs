using Lathe.Graph.Sizing;

namespace Lathe.Graph.Checkpoints;

/// <summary>What every stage that makes or measures a checkpoint reports of its size.</summary>
public static class SizeFigures
{
    /// <summary>
    /// <c>parameters</c>, <c>multiplications</c> (see <see cref="Complexity"/>), <c>bytes</c> (stored tensors, weights packed) and, where
    /// weights are fixed-point numbers, <c>bits</c> (mean over all weights of convolutions and linear layers; one that stays float has 32).
    /// </summary>
    public static Dictionary<string, double> Of(NetworkGraph graph, IReadOnlyDictionary<string, WeightFormat> formats)
    {
        var complexity = Complexity.Of(graph);
        var figures = new Dictionary<string, double>
        {
            ["parameters"] = complexity.Parameters,
            ["multiplications"] = complexity.Multiplications,
            ["bytes"] = CheckpointSize.Of(graph, formats).Total,
        };
        if (formats.Count > 0) figures["bits"] = MeanBits(graph, formats);
        return figures;
    }

    private static double MeanBits(NetworkGraph graph, IReadOnlyDictionary<string, WeightFormat> formats)
    {
        var weights = ParameterShapes.Of(graph).Where(p => p.Kind == ParameterKind.Weight).ToList();
        return weights.Sum(w => (double)w.Values * (formats.TryGetValue(w.Name, out var format) ? format.Bits : 8 * sizeof(float))) / weights.Sum(w => w.Values);
    }

    /// <summary>A stage's own figures and the size of its output.</summary>
    public static IReadOnlyDictionary<string, double> With(
        this IReadOnlyDictionary<string, double> facts, NetworkGraph graph, IReadOnlyDictionary<string, WeightFormat> formats)
    {
        var all = Of(graph, formats);
        foreach (var (name, value) in facts) all[name] = value;
        return all;
    }
}
