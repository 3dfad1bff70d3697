using Lathe.Contracts;

namespace Lathe.Graph.Models;

/// <summary>Networks that users bring along. Unlike those of the zoo they have the images and classes that they have.</summary>
public static class OwnNetwork
{
    /// <summary>Checks a network against the data set that it shall be trained or measured on.</summary>
    /// <param name="graph">The network.</param>
    /// <param name="input">Shape of the data set's images.</param>
    /// <param name="classes">Classes of the data set.</param>
    /// <exception cref="LatheException">It reads other images, or tells other classes apart.</exception>
    public static void CheckFits(NetworkGraph graph, TensorShape input, int classes)
    {
        if (graph.Input != input)
        {
            var isOnlySize = graph.Input.Channels == input.Channels && graph.Input.Height == graph.Input.Width;
            throw new LatheException($"the network reads images {graph.Input}, the data set's are {input}; export it for those, or take another data set"
                + (isOnlySize ? $" (photographs are cut to any size: train: {{ imageSize: {graph.Input.Height} }})" : ""));
        }

        var logits = ShapeInference.Infer(graph)[graph.Output].Channels;
        if (logits != classes)
            throw new LatheException($"the network ends in {logits} logits, the data set has {classes} classes; give it a last layer for {classes} before it is exported");
    }
}
