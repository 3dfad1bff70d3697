using Lathe.Contracts;
using Lathe.Graph.Sizing;
using Lathe.NN.Execution;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Lathe.Benchmarks.Engine;

/// <summary>Shows that the network written by hand is the zoo's, so that their times may be compared.</summary>
internal static class Agreement
{
    private const int Images = 8;

    // Of the largest logit.
    private const float Tolerance = 1e-4f;

    /// <summary>Copies the zoo's weights into the network by hand and compares sizes and the logits of a random batch.</summary>
    /// <returns>The size of both.</returns>
    /// <exception cref="LatheException">They differ.</exception>
    public static Complexity Check(Workload workload)
    {
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        using var module = GraphModule.Create(workload.Graph, seed: 1);
        using var byHand = workload.ByHand(workload.Classes);
        var size = Complexity.Of(workload.Graph);
        Compare(workload, "parameters", byHand.parameters().Sum(p => p.numel()), size.Parameters);
        CopyInto(byHand, module);

        // With the statistics of the batch: with those of fresh running statistics logits of deep networks grow beyond all measure.
        byHand.train();
        var images = randn(Images, workload.Input.Channels, workload.Input.Height, workload.Input.Width);
        var multiplications = 0L;
        foreach (var conv in byHand.modules().OfType<Conv2d>())
        {
            conv.register_forward_hook((layer, _, output) =>
            {
                multiplications += conv.weight.numel() * output.shape[2] * output.shape[3];
                return output;
            });
        }

        multiplications += byHand.modules().OfType<Linear>().Sum(linear => linear.weight.numel());
        var expected = byHand.call(images);
        Compare(workload, "multiplications", multiplications, size.Multiplications);

        var difference = (module.Forward(images, training: true) - expected).abs().max().item<float>();
        var largest = expected.abs().max().item<float>();
        if (!(difference <= Tolerance * largest))
            throw new LatheException($"{workload.Model}: logits by hand and from the graph differ by {difference}, where the largest is {largest}.");
        Console.WriteLine(
            $"{workload.Model}: {size.Parameters:N0} parameters and {size.Multiplications:N0} multiplications both ways; " +
            $"with the same weights logits differ by {difference:g2} at most, where the largest is {largest:g2}");
        return size;
    }

    /// <summary>Gives a network by hand the values of one from a graph.</summary>
    public static void CopyInto(PlainResNet byHand, GraphModule module)
    {
        using var noGradient = no_grad();
        foreach (var (name, parameter) in byHand.named_parameters())
            parameter.copy_(module.Parameters[name]);
        foreach (var (name, buffer) in byHand.named_buffers().Where(buffer => module.Buffers.ContainsKey(buffer.name)))
            buffer.copy_(module.Buffers[name]);
    }

    private static void Compare(Workload workload, string what, long byHand, long fromGraph)
    {
        if (byHand != fromGraph)
            throw new LatheException($"{workload.Model} has {byHand} {what} by hand and {fromGraph} as a graph.");
    }
}
