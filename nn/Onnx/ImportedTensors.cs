using Lathe.Graph;
using Lathe.Graph.Checkpoints;
using Lathe.Graph.Onnx;
using Lathe.NN.Checkpoints;
using Lathe.NN.Execution;
using Lathe.NN.Runtime;
using static TorchSharp.torch;

namespace Lathe.NN.Onnx;

/// <summary>Imported networks as TorchSharp holds them.</summary>
public static class ImportedTensors
{
    /// <summary>A checkpoint without history; whoever holds it disposes it.</summary>
    public static Checkpoint ToCheckpoint(this ImportedNetwork network)
    {
        Libtorch.EnsureLoaded();
        using var scope = NewDisposeScope();
        var tensors = ParameterShapes.Of(network.Graph).ToDictionary(p => p.Name, p => GraphModule.FloatTensor(network.Values[p.Name], [.. p.Shape]));
        foreach (var tensor in tensors.Values) tensor.MoveToOuterDisposeScope();
        return new Checkpoint(network.Graph, tensors, Lineage.Empty, new Dictionary<string, WeightFormat>());
    }

    /// <summary>What the file's own end makes of the network's logits, which the import leaves out (<see cref="ImportedNetwork.End"/>).</summary>
    /// <param name="network">The network.</param>
    /// <param name="logits">[N, classes].</param>
    public static Tensor WithEnd(this ImportedNetwork network, Tensor logits)
    {
        foreach (var end in network.End?.Split(" and ") ?? [])
        {
            logits = end switch
            {
                "Softmax" => logits.softmax(1),
                "LogSoftmax" => logits.log_softmax(1),
                "Sigmoid" => logits.sigmoid(),
                "HardSigmoid" => nn.functional.hardsigmoid(logits),
                _ => throw new NotSupportedException(end),
            };
        }

        return logits;
    }
}
