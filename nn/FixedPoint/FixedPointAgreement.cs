using Lathe.NN.Checkpoints;
using Lathe.NN.Execution;
using static TorchSharp.torch;

namespace Lathe.NN.FixedPoint;

/// <summary>How often a network of whole numbers tells what it tells in floats.</summary>
/// <param name="Images">Images that both computed.</param>
/// <param name="SameTop1">Images that both take for the same class.</param>
public sealed record FixedPointAgreement(int Images, int SameTop1)
{
    /// <summary>Runs images through both.</summary>
    /// <param name="checkpoint">The network as trained.</param>
    /// <param name="network">The same, compiled.</param>
    /// <param name="batches">Float32 [N, C, H, W]; each is disposed after use.</param>
    /// <param name="threads">CPU threads of the engine.</param>
    public static FixedPointAgreement Measure(Checkpoint checkpoint, FixedPointNetwork network, IEnumerable<Tensor> batches, int threads)
    {
        using var module = GraphModule.FromTensors(checkpoint.Graph, checkpoint.Tensors);
        using var classifier = new FixedPointClassifier(network, threads);
        var (images, same) = (0, 0);
        foreach (var batch in batches)
        {
            using var owned = batch;
            using var scope = NewDisposeScope();
            using var noGradient = no_grad();
            var classes = module.Forward(owned, training: false).argmax(1).data<long>().ToArray();
            images += classes.Length;
            same += classes.Zip(classifier.Classify(owned)).Count(pair => pair.First == pair.Second);
        }

        return new FixedPointAgreement(images, same);
    }
}
