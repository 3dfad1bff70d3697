using Lathe.NN.Runtime;
using static TorchSharp.torch;

namespace Lathe.NN.Training;

/// <summary>
/// Adam with decoupled weight decay (Loshchilov and Hutter 2019), as PyTorch defines it: w −= rate·decay·w; m = β₁·m + (1 − β₁)·∇;
/// v = β₂·v + (1 − β₂)·∇²; w −= rate·m̂ / (√v̂ + ε) with m̂ = m/(1 − β₁ᵗ), v̂ = v/(1 − β₂ᵗ), t the step from 1.
/// </summary>
internal sealed class AdamW : IOptimizer
{
    private const double SecondMoment = 0.999;
    private const double Epsilon = 1e-8;

    private readonly IReadOnlyList<(Trained Trained, Tensor First, Tensor Second)> _slots;
    private readonly double _firstMoment;

    /// <summary>Starts with moments of zero.</summary>
    /// <param name="trained">What to move.</param>
    /// <param name="firstMoment">β₁, in [0, 1). β₂ is 0.999 and ε 1e-8.</param>
    public AdamW(IEnumerable<Trained> trained, double firstMoment)
    {
        _firstMoment = firstMoment;
        _slots = [.. trained.Select(t => (t, OptimizerState.ZerosLike(t.Parameter), OptimizerState.ZerosLike(t.Parameter)))];
    }

    public IReadOnlyDictionary<string, Tensor> State => _slots
        .SelectMany(slot => (IEnumerable<(string Name, Tensor Tensor)>)[($"first/{slot.Trained.Name}", slot.First), ($"second/{slot.Trained.Name}", slot.Second)])
        .ToDictionary(named => named.Name, named => named.Tensor);

    public void Step(double learningRate, long number)
    {
        var firstCorrection = 1 - Math.Pow(_firstMoment, number);
        var secondCorrection = 1 - Math.Pow(SecondMoment, number);
        foreach (var ((_, parameter, decay), first, second) in _slots)
        {
            using var gradient = parameter.grad;
            if (gradient is null)
                continue;
            if (decay > 0)
                parameter.TimesInPlace(1 - (learningRate * decay));
            using var square = gradient * gradient;
            first.TimesInPlace(_firstMoment).PlusInPlace(gradient, 1 - _firstMoment);
            second.TimesInPlace(SecondMoment).PlusInPlace(square, 1 - SecondMoment);
            using var deviation = second.DividedBy(secondCorrection).sqrt_().PlusInPlace(Epsilon);
            using var direction = first / deviation;
            parameter.PlusInPlace(direction, -learningRate / firstCorrection);
        }
    }

    public void Dispose()
    {
        foreach (var (_, first, second) in _slots)
        {
            first.Dispose();
            second.Dispose();
        }
    }
}
