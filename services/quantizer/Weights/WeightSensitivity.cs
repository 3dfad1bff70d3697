using Lathe.Graph.Checkpoints;
using Lathe.NN.Data;
using Lathe.NN.Execution;
using Lathe.NN.Runtime;
using static TorchSharp.torch;
using F = TorchSharp.torch.nn.functional;

namespace Lathe.Quantizer.Weights;

/// <summary>
/// How much the loss feels each weight: the diagonal of the Fisher matrix, F_i = E (∂ log p(y|x) / ∂w_i)² with y drawn from the network's own answers. To second order the loss of a trained
/// network rises by ½ Σ F_i·δ_i² when its weights move by δ. As the mean of such a gradient is 0, the square of a batch's gradient times the batch's size has the mean F. The use for rounding is
/// after Dong et al., "HAWQ" (ICCV 2019, arXiv 1905.03696), there with the Hessian; detail ours.
/// </summary>
public static class WeightSensitivity
{
    private const int Batches = 32;
    private const int BatchSize = 64;

    /// <summary>F of each weight that may be rounded.</summary>
    /// <param name="module">The network; its gradients are overwritten.</param>
    /// <param name="names">Names of the weights.</param>
    /// <param name="train">Training images; the seed decides which are looked at, and which answers are drawn.</param>
    /// <param name="seed">The run's.</param>
    /// <returns>By name, in the weight's shape. The caller disposes them.</returns>
    public static IReadOnlyDictionary<string, Tensor> Of(GraphModule module, IReadOnlyCollection<string> names, Split train, long seed)
    {
        var sums = names.ToDictionary(name => name, name => zeros_like(module.Parameters[name]).detach().DetachFromDisposeScope());
        var draw = CounterRandom.For(seed, "sensitivity");
        var seen = 0;
        foreach (var batch in new BatchLoader(train, Math.Min(BatchSize, train.Count), seed).Epoch(0).Take(Batches))
        {
            using var owned = batch;
            using var scope = NewDisposeScope();
            foreach (var parameter in module.Parameters.Values) parameter.grad = null;
            var logits = module.Forward(batch.On(module.Device).Images, training: false);
            var answers = Drawn(logits, draw, seen);
            F.cross_entropy(logits, answers).backward();
            using var noGradient = no_grad();
            var count = logits.shape[0];
            foreach (var (name, sum) in sums) sum.PlusInPlace(module.Parameters[name].grad!.Squared(), count);
            seen += (int)count;
        }

        var batches = Math.Max(1, Math.Min(Batches, train.Count / Math.Min(BatchSize, train.Count)));
        using var _ = no_grad();
        foreach (var sum in sums.Values) sum.TimesInPlace(1.0 / batches);
        return sums;
    }

    /// <summary>½ Σ F_i·(w_i − Q(w_i))².</summary>
    /// <param name="sensitivity">F.</param>
    /// <param name="weight">w.</param>
    /// <param name="format">Bits and step size of Q.</param>
    public static double Loss(Tensor sensitivity, Tensor weight, WeightFormat format)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var moved = weight.sub(WeightGrid.Quantize(weight, format.Bits, format.Fraction)).to(ScalarType.Float64);
        return moved.Squared().mul(sensitivity.to(ScalarType.Float64)).sum().item<double>() / 2;
    }

    /// <summary>One class for each image, drawn by the network's probabilities.</summary>
    private static Tensor Drawn(Tensor logits, CounterRandom draw, int first)
    {
        using var _ = no_grad();
        var below = logits.detach().to(ScalarType.Float64).softmax(1).cumsum(1);
        var at = tensor(Enumerable.Range(0, (int)logits.shape[0]).Select(i => draw.Uniform(first + i)).ToArray(), device: logits.device).unsqueeze(1);
        // The last class takes what rounding leaves over.
        return below.lt(at).sum(1).clamp(0, logits.shape[1] - 1);
    }
}
