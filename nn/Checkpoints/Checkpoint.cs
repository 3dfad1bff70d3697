using System.Text.Json;
using Lathe.Contracts;
using Lathe.Graph;
using Lathe.Graph.Checkpoints;
using Lathe.NN.Execution;
using Lathe.NN.Runtime;
using static TorchSharp.torch;

namespace Lathe.NN.Checkpoints;

/// <summary>A network with its weights and its history.</summary>
/// <param name="Graph">The network.</param>
/// <param name="Tensors">
/// Exactly the tensors of <see cref="ParameterShapes.Of(NetworkGraph)"/>, float32, on the CPU. Whoever holds the checkpoint disposes
/// them, directly or by TorchSharp's dispose scope.
/// </param>
/// <param name="Lineage">Its history.</param>
/// <param name="Formats">
/// Fixed-point formats by tensor name (<c>conv1.weight</c>), for the weights of convolutions and linear layers that have one.
/// </param>
public sealed record Checkpoint(
    NetworkGraph Graph,
    IReadOnlyDictionary<string, Tensor> Tensors,
    Lineage Lineage,
    IReadOnlyDictionary<string, WeightFormat> Formats) : IDisposable
{
    /// <summary>A network that is not trained yet and has no history: for tests, and where training starts.</summary>
    /// <param name="graph">The network.</param>
    /// <param name="seed">Decides its weights.</param>
    /// <exception cref="LatheException">The network has no parameters, or libtorch cannot be loaded.</exception>
    public static Checkpoint Create(NetworkGraph graph, long seed)
    {
        using var module = GraphModule.Create(graph, seed);
        return new Checkpoint(graph, module.Snapshot(), Lineage.Empty, new Dictionary<string, WeightFormat>());
    }

    /// <summary>Weights of convolutions and linear layers, in the order of the network: float32, [outputs, inputs, height, width] or [outputs, inputs].</summary>
    public IEnumerable<LayerWeight> Weights() =>
        ParameterShapes.Of(Graph).Where(p => p.Kind == ParameterKind.Weight).Select(p => new LayerWeight(p.Node, p.Name, Tensors[p.Name]));

    /// <summary>The same network with other values in some tensors; the two share the others.</summary>
    /// <param name="changed">
    /// New values by tensor name, float32, on the CPU. A weight that has a format in <see cref="Formats"/> keeps it: its new values must be ones that the format has.
    /// </param>
    /// <exception cref="LatheException">The network has no tensor of such a name.</exception>
    public Checkpoint With(IReadOnlyDictionary<string, Tensor> changed)
    {
        if (changed.Keys.FirstOrDefault(name => !Tensors.ContainsKey(name)) is { } stranger)
            throw new LatheException($"the network has no tensor '{stranger}'; it has {string.Join(", ", Tensors.Keys)}");
        return this with { Tensors = Tensors.ToDictionary(t => t.Key, t => changed.GetValueOrDefault(t.Key, t.Value)) };
    }

    /// <summary>The checkpoint with one more stage in its history.</summary>
    /// <param name="step">The run of the stage, as the host names it.</param>
    /// <param name="facts">Finite figures that the stage measured.</param>
    /// <param name="compresses">True: the stage makes the network smaller, and what it was before is what later figures are compared with.</param>
    /// <param name="records">Records of its course, in the stage's own form; null: none.</param>
    /// <exception cref="LatheException">A figure is not finite.</exception>
    public Checkpoint After(StageStep step, IReadOnlyDictionary<string, double> facts, bool compresses, JsonElement? records = null)
    {
        foreach (var (name, value) in facts)
        {
            if (!double.IsFinite(value)) throw new LatheException($"'{name}' was measured as {(double.IsNaN(value) ? "NaN" : value > 0 ? "infinity" : "minus infinity")}; expected a finite number: leave the metric out where there is none");
        }

        return this with { Lineage = Lineage.Then(step, TorchRuntime.Versions(), facts, compresses, records) };
    }

    /// <summary>Writes the checkpoint; see <see cref="CheckpointFile.Write"/>.</summary>
    /// <param name="stream">Only written forward.</param>
    /// <exception cref="LatheException">The tensors are not those of the graph, or a weight is not exactly what its format says.</exception>
    public void WriteTo(Stream stream) => CheckpointFile.Write(stream, this);

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var tensor in Tensors.Values) tensor.Dispose();
    }
}

/// <summary>Weight of a convolution or linear layer.</summary>
/// <param name="Layer">Name of the layer.</param>
/// <param name="Name">Name of the tensor, <c>LAYER.weight</c>.</param>
/// <param name="Value">Float32, on the CPU; it belongs to the checkpoint.</param>
public readonly record struct LayerWeight(string Layer, string Name, Tensor Value);

/// <summary>Figures of a checkpoint.</summary>
public static class CheckpointFigures
{
    /// <summary>A stage's own figures and the size of the checkpoint that it made (see <see cref="SizeFigures"/>).</summary>
    public static IReadOnlyDictionary<string, double> With(this IReadOnlyDictionary<string, double> facts, Checkpoint checkpoint) =>
        facts.With(checkpoint.Graph, checkpoint.Formats);
}
