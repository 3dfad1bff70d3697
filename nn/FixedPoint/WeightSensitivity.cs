using Lathe.NN.Data;
using Lathe.NN.Execution;
using Lathe.NN.Runtime;
using static TorchSharp.torch;
using F = TorchSharp.torch.nn.functional;

namespace Lathe.NN.FixedPoint;

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
    /// <param name="view">Substitutes parameters; null uses them as they are.</param>
    /// <param name="outputs">Substitutes what nodes make; null uses it as it is.</param>
    /// <returns>By name, in the weight's shape. The caller disposes them.</returns>
    public static IReadOnlyDictionary<string, Tensor> Of(GraphModule module, IReadOnlyCollection<string> names, Split train, long seed, ParameterView? view = null, ActivationView? outputs = null)
    {
        var sums = names.ToDictionary(name => name, name => zeros_like(module.Parameters[name]).detach().DetachFromDisposeScope());
        var draw = CounterRandom.For(seed, "sensitivity");
        var seen = 0;
        foreach (var batch in new BatchLoader(train, Math.Min(BatchSize, train.Count), seed).Epoch(0).Take(Batches))
        {
            using var owned = batch;
            using var scope = NewDisposeScope();
            foreach (var parameter in module.Parameters.Values) parameter.grad = null;
            using var recorded = enable_grad();
            var logits = module.Forward(batch.On(module.Device).Images, training: false, view, outputs: outputs);
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
        foreach (var parameter in module.Parameters.Values) parameter.grad = null;
        return sums;
    }

    /// <summary>By how much the loss rises when a weight is rounded, ½ Σ F_i·(w_i − Q(w_i))², for each number of bits.</summary>
    /// <param name="sensitivity">F.</param>
    /// <param name="name">The weight's name, for messages.</param>
    /// <param name="weight">w, float32 [outputs, ...].</param>
    /// <param name="least">Fewest bits.</param>
    /// <param name="most">Most bits, up to 8.</param>
    /// <returns>From the fewest bits up. It never rises: the grid of more bits holds that of fewer, and only the choice of the step by plain squares could make it look worse.</returns>
    public static IReadOnlyList<double> Losses(Tensor sensitivity, string name, Tensor weight, int least, int most)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var (losses, wide) = (new List<double>(), sensitivity.to(ScalarType.Float64));
        for (var bits = least; bits <= most; bits++)
        {
            var format = WeightGrid.Nearest(name, weight, bits);
            var moved = weight.sub(WeightGrid.Quantize(weight, bits, format.Fraction)).to(ScalarType.Float64);
            var loss = moved.Squared().mul(wide).sum().item<double>() / 2;
            losses.Add(Math.Min(loss, losses.Count > 0 ? losses[^1] : double.PositiveInfinity));
        }

        return losses;
    }

    /// <summary>One class for each image, drawn by the network's probabilities.</summary>
    private static Tensor Drawn(Tensor logits, CounterRandom draw, int first)
    {
        using var _ = no_grad();
        var below = logits.detach().to(ScalarType.Float64).softmax(1).cumsum(1);
        var at = tensor(Enumerable.Range(0, (int)logits.shape[0]).Select(i => draw.Uniform(first + i)).ToArray(), device: logits.device).unsqueeze(1);
        // The last class takes what the others leave over.
        return below.slice(1, 0, logits.shape[1] - 1, 1).lt(at).sum(1);
    }
}
