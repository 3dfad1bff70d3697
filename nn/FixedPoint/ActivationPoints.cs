using Lathe.Graph;

namespace Lathe.NN.FixedPoint;

/// <summary>A tensor that fixed-point inference holds as small integers.</summary>
/// <param name="Tensor">Name of its node, or of the image.</param>
/// <param name="Signed">It may hold values below 0.</param>
/// <param name="Scale">Tensors of one number share their step size.</param>
public sealed record ActivationPoint(string Tensor, bool Signed, int Scale);

/// <summary>
/// Which tensors of a network are to be quantized. A convolution or linear layer, the batch norm on it and the ReLU on that are computed in
/// one go and rounded once, at their end; so are sums and products with the ReLU on them. Layers that only choose, move or repeat values
/// (maximum pooling, flatten, padding) leave numbers as they are. The operands of a sum share a scale, so that integers can be added
/// as they are; so do those of a concatenation, and its result. The logits are not rounded.
/// </summary>
public static class ActivationPoints
{
    /// <summary>The points of a network without any, in the order of the graph, the image first.</summary>
    public static IReadOnlyList<ActivationPoint> Of(NetworkGraph graph)
    {
        var readers = Readers(graph);
        var signed = new Dictionary<string, bool> { [NetworkGraph.InputName] = true };
        var pointOf = new Dictionary<string, string> { [NetworkGraph.InputName] = NetworkGraph.InputName };
        var points = new List<string> { NetworkGraph.InputName };
        var scales = new Scales();
        foreach (var node in graph.Nodes)
        {
            signed.Add(node.Name, IsSigned(node, signed));
            if (Keeps(node))
            {
                pointOf[node.Name] = pointOf[node.Inputs[0]];
            }
            else if (!IsInnerPart(node, readers) && (node.Name != graph.Output || readers.ContainsKey(node.Name)))
            {
                pointOf[node.Name] = node.Name;
                points.Add(node.Name);
            }

            if (node is Add or Concat)
            {
                foreach (var other in node.Inputs) scales.Join(pointOf[node.Inputs[0]], pointOf[other]);
                if (node is Concat && pointOf.TryGetValue(node.Name, out var own)) scales.Join(pointOf[node.Inputs[0]], own);
            }
        }

        var numbers = new Dictionary<string, int>();
        return [.. points.Select(point => new ActivationPoint(point, signed[point], Number(scales.Of(point))))];

        int Number(string scale)
        {
            if (!numbers.TryGetValue(scale, out var number)) numbers.Add(scale, number = numbers.Count);
            return number;
        }
    }

    /// <summary>The same network with its points rounded: a <see cref="Quantize"/> after each, which is read in its place.</summary>
    /// <param name="graph">A network without <see cref="Quantize"/>.</param>
    /// <param name="formats">Of the points, by tensor: binary places and sign.</param>
    /// <param name="bits">Of every value.</param>
    public static NetworkGraph Insert(NetworkGraph graph, IReadOnlyDictionary<string, (int Fraction, bool Signed)> formats, int bits)
    {
        var names = graph.Nodes.Select(node => node.Name).ToHashSet();
        var rounded = new Dictionary<string, string>();
        var nodes = new List<Node>();
        Round(NetworkGraph.InputName);
        foreach (var node in graph.Nodes)
        {
            nodes.Add(node with { Inputs = [.. node.Inputs.Select(input => rounded.GetValueOrDefault(input, input))] });
            Round(node.Name);
        }

        var quantized = graph with { Nodes = nodes };
        GraphValidation.Check(quantized);
        return quantized;

        void Round(string tensor)
        {
            if (!formats.TryGetValue(tensor, out var format)) return;
            var name = $"{tensor}.quantized";
            while (!names.Add(name)) name += "_";
            nodes.Add(new Quantize(name, [tensor], format.Fraction, format.Signed, bits));
            rounded.Add(tensor, name);
        }
    }

    /// <summary>The same network with float activations.</summary>
    public static NetworkGraph Remove(NetworkGraph graph)
    {
        var source = new Dictionary<string, string>();
        var nodes = new List<Node>();
        foreach (var node in graph.Nodes)
        {
            var read = node with { Inputs = [.. node.Inputs.Select(input => source.GetValueOrDefault(input, input))] };
            if (node is Quantize) source.Add(node.Name, read.Inputs[0]);
            else nodes.Add(read);
        }

        return graph with { Nodes = nodes, Output = source.GetValueOrDefault(graph.Output, graph.Output) };
    }

    /// <summary>Its output holds only values that its input holds, and zeros.</summary>
    internal static bool Keeps(Node node) => node is MaxPool2d or Pad or Flatten or Unflatten or Dropout or AvgPool2d { IsSubsampling: true };

    /// <summary>Whether a node's tensor is consumed inside the next computation and never stored.</summary>
    private static bool IsInnerPart(Node node, Dictionary<string, List<Node>> readers)
    {
        if (!readers.TryGetValue(node.Name, out var reading) || reading.Count != 1) return false;
        return node switch
        {
            Conv2d or Linear => reading[0] is BatchNorm or Activation { Kind: ActivationKind.Relu or ActivationKind.Relu6 },
            BatchNorm or Add or Mul => reading[0] is Activation { Kind: ActivationKind.Relu or ActivationKind.Relu6 },
            _ => false,
        };
    }

    /// <summary>Whether a tensor may hold values below 0.</summary>
    /// <param name="node">Its node.</param>
    /// <param name="signed">The same of all tensors before it.</param>
    private static bool IsSigned(Node node, Dictionary<string, bool> signed) => node switch
    {
        Activation { Kind: ActivationKind.Relu or ActivationKind.Relu6 or ActivationKind.Sigmoid or ActivationKind.HardSigmoid } => false,
        MaxPool2d or AvgPool2d or GlobalAvgPool or AdaptiveAvgPool2d or Add or Mul or Concat or Pad or Flatten or Unflatten or Dropout =>
            node.Inputs.Any(input => signed[input]),
        _ => true,
    };

    private static Dictionary<string, List<Node>> Readers(NetworkGraph graph)
    {
        var readers = new Dictionary<string, List<Node>>();
        foreach (var node in graph.Nodes)
        {
            foreach (var input in node.Inputs)
            {
                if (!readers.TryGetValue(input, out var list)) readers.Add(input, list = []);
                list.Add(node);
            }
        }

        // What leaves the network is read by nobody in it.
        if (readers.TryGetValue(graph.Output, out var reading)) reading.Add(new Flatten("", []));
        return readers;
    }

    /// <summary>Which tensors share a scale.</summary>
    private sealed class Scales
    {
        private readonly Dictionary<string, string> _parent = [];

        public string Of(string tensor)
        {
            while (_parent.TryGetValue(tensor, out var parent)) tensor = parent;
            return tensor;
        }

        public void Join(string one, string other)
        {
            (one, other) = (Of(one), Of(other));
            if (one != other) _parent.Add(other, one);
        }
    }
}
