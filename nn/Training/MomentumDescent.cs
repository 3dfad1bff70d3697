using Lathe.NN.Runtime;
using static TorchSharp.torch;

namespace Lathe.NN.Training;

/// <summary>
/// Stochastic gradient descent with momentum, as PyTorch defines it: d = ∇ + decay·w; v = momentum·v + d; w −= rate·v, or with
/// Nesterov w −= rate·(d + momentum·v). It remembers one velocity v for each parameter.
/// </summary>
internal sealed class MomentumDescent : IOptimizer
{
    private readonly IReadOnlyList<(Trained Trained, Tensor Velocity)> _slots;
    private readonly double _momentum;
    private readonly bool _nesterov;

    /// <summary>Starts with velocities of zero.</summary>
    public MomentumDescent(IEnumerable<Trained> trained, double momentum, bool nesterov)
    {
        _momentum = momentum;
        _nesterov = nesterov;
        _slots = [.. trained.Select(t => (t, OptimizerState.ZerosLike(t.Parameter)))];
    }

    public IReadOnlyDictionary<string, Tensor> State => _slots.ToDictionary(slot => $"velocity/{slot.Trained.Name}", slot => slot.Velocity);

    public void Step(double learningRate, long number)
    {
        foreach (var ((_, parameter, decay), velocity) in _slots)
        {
            using var gradient = parameter.grad;
            if (gradient is null)
                continue;
            // The gradient is ours from here on, so that it may be changed in place.
            if (decay > 0)
                gradient.PlusInPlace(parameter, decay);
            velocity.TimesInPlace(_momentum).PlusInPlace(gradient);
            if (_nesterov)
                parameter.PlusInPlace(gradient.PlusInPlace(velocity, _momentum), -learningRate);
            else
                parameter.PlusInPlace(velocity, -learningRate);
        }
    }

    public void Dispose()
    {
        foreach (var (_, velocity) in _slots)
            velocity.Dispose();
    }
}
