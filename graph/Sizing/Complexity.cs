using Lathe.Contracts;

namespace Lathe.Graph.Sizing;

/// <summary>Size of one layer that has parameters.</summary>
/// <param name="Node">Name of the node.</param>
/// <param name="Parameters">Trainable values, biases and batch norm's two per channel included.</param>
/// <param name="Multiplications">Products for one image; 0 for batch norm.</param>
public sealed record LayerComplexity(string Node, long Parameters, long Multiplications);

/// <summary>
/// Size of a network. Parameters: all trainable values. Multiplications: products of convolutions and linear layers for one image;
/// bias, batch norm and pooling are not counted.
/// </summary>
/// <param name="Layers">Every node with parameters, in the graph's order.</param>
/// <param name="Parameters">Sum over the layers.</param>
/// <param name="Multiplications">Sum over the layers.</param>
public sealed record Complexity(IReadOnlyList<LayerComplexity> Layers, long Parameters, long Multiplications)
{
    /// <summary>Counts a valid graph.</summary>
    /// <exception cref="LatheException">The graph is invalid, or so large that its products cannot be counted.</exception>
    public static Complexity Of(NetworkGraph graph)
    {
        var shapes = ShapeInference.Infer(graph);
        var layers = new List<LayerComplexity>();
        foreach (var node in graph.Nodes)
        {
            var tensors = ParameterShapes.Of(node).Where(p => p.Trainable).ToList();
            if (tensors.Count == 0) continue;
            var weights = tensors.Where(p => p.Kind == ParameterKind.Weight).Sum(p => p.Values);
            // Each weight is used once at every position of the output; a flat output has one position.
            var positions = (long)shapes[node.Name].Height * shapes[node.Name].Width;
            layers.Add(new LayerComplexity(node.Name, tensors.Sum(p => p.Values), weights * positions));
        }

        try
        {
            // Enumerable.Sum is checked.
            return new Complexity(layers, layers.Sum(l => l.Parameters), layers.Sum(l => l.Multiplications));
        }
        catch (OverflowException e)
        {
            throw new LatheException($"network '{graph.Name}' is too large: its multiplications do not fit 64 bits", inner: e);
        }
    }
}
