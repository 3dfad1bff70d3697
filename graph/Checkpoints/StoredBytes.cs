using Lathe.Contracts;
using Lathe.Graph.Sizing;

namespace Lathe.Graph.Checkpoints;

/// <summary>What a checkpoint will store of a network, known before the network is computed. See <see cref="CheckpointSize"/>.</summary>
public static class StoredBytes
{
    private const double FloatBytes = sizeof(float);

    /// <summary>Bytes of a network that is known exactly.</summary>
    /// <param name="graph">The network.</param>
    /// <param name="bits">Bits of the weights of a layer, by its name; null: they are floats.</param>
    public static SizeRange Of(NetworkGraph graph, Func<string, int?> bits)
    {
        var tensors = ParameterShapes.Of(graph);
        var formats = tensors.Where(t => t.Kind == ParameterKind.Weight && bits(t.Node) is not null).ToDictionary(t => t.Name, t => new WeightFormat(bits(t.Node)!.Value, 0));
        var bytes = CheckpointSize.Of(tensors, formats).Total;
        return new SizeRange(bytes, bytes);
    }

    /// <summary>
    /// Bytes of a network of which a form is known: one number where the form is exact, else bounds. Whatever widths the network comes to have, it keeps to the ranges of parameters and of
    /// multiplications in the form, and no tensor is larger than the form's.
    /// </summary>
    /// <param name="form">The network.</param>
    /// <param name="bits">Bits of the weights of a layer, by its name; null: they are floats.</param>
    public static SizeRange Of(NetworkForm form, Func<string, int?> bits)
    {
        var graph = NetworkForms.GraphOf(form);
        if (form.IsExact) return Of(graph, bits);
        var parts = Parts(graph, bits);
        var bounds = new List<SizeRange>();
        Bound(NetworkForms.Parameters, p => p.Parameters);
        Bound(NetworkForms.Multiplications, p => p.Multiplications);
        // One byte of each packed weight is its step size; its last byte may be only partly used.
        var packed = ParameterShapes.Of(graph).Count(t => t.Kind == ParameterKind.Weight && bits(t.Node) is not null);
        return SizeBounds.Whole(packed + bounds.Select(b => b.Least).DefaultIfEmpty(0).Max(), (2 * packed) + bounds.Select(b => b.Most).DefaultIfEmpty(parts.Sum(p => p.Bytes)).Min());

        void Bound(string name, Func<Part, double> cost)
        {
            if (form.Sizes.TryGetValue(name, out var size)) bounds.Add(SizeBounds.Gain([.. parts.Select(p => new SizePart(p.Bytes, cost(p)))], size));
        }
    }

    /// <summary>Mean number of bits of a weight: one number where the form is exact or all layers have the same.</summary>
    /// <param name="form">The network.</param>
    /// <param name="bits">Bits of the weights of a layer, by its name; null: they are floats.</param>
    public static SizeRange MeanBits(NetworkForm form, Func<string, int?> bits)
    {
        var weights = ParameterShapes.Of(NetworkForms.GraphOf(form)).Where(t => t.Kind == ParameterKind.Weight).Select(t => (t.Values, Bits: bits(t.Node) ?? 8.0 * FloatBytes)).ToList();
        if (weights.Count == 0) return new SizeRange(0, 0);
        if (!form.IsExact) return new SizeRange(weights.Min(w => w.Bits), weights.Max(w => w.Bits));
        var mean = weights.Sum(w => w.Values * w.Bits) / weights.Sum(w => w.Values);
        return new SizeRange(mean, mean);
    }

    private static List<Part> Parts(NetworkGraph graph, Func<string, int?> bits)
    {
        var products = Complexity.Of(graph).Layers.ToDictionary(l => l.Node, l => (double)l.Multiplications);
        var parts = new List<Part>();
        foreach (var node in ParameterShapes.Of(graph).GroupBy(t => t.Node))
        {
            foreach (var weight in node.Where(t => t.Kind == ParameterKind.Weight))
                parts.Add(new Part(weight.Values * (bits(node.Key) is { } count ? count / 8.0 : FloatBytes), weight.Values, products[node.Key]));
            // Of a batch norm all four tensors go together.
            var others = node.Where(t => t.Kind != ParameterKind.Weight).ToList();
            if (others.Count > 0) parts.Add(new Part(others.Sum(t => t.Values) * FloatBytes, others.Where(t => t.Trainable).Sum(t => t.Values), 0));
        }

        return parts;
    }

    private readonly record struct Part(double Bytes, double Parameters, double Multiplications);
}
