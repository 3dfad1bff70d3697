using Lathe.NN.Runtime;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Lathe.NN.Training;

/// <summary>
/// Stochastic gradient descent with momentum, as PyTorch defines it: d = ∇ + decay·w; v = momentum·v + d; w −= rate·v, or with
/// Nesterov w −= rate·(d + momentum·v). Its whole state is one velocity for each parameter, which can be saved and restored bit by bit.
/// </summary>
internal sealed class MomentumDescent : IDisposable
{
    private readonly IReadOnlyList<Slot> _slots;
    private readonly double _momentum;
    private readonly bool _nesterov;

    /// <summary>Starts with velocities of zero. Each parameter comes with its name and weight decay.</summary>
    public MomentumDescent(IEnumerable<(string Name, Parameter Parameter, double Decay)> parameters, double momentum, bool nesterov)
    {
        _momentum = momentum;
        _nesterov = nesterov;
        _slots = [.. parameters.Select(p => new Slot(p.Name, p.Parameter, p.Decay, zeros_like(p.Parameter).DetachFromDisposeScope().detach_()))];
    }

    /// <summary>Velocities by parameter name; the optimizer's own tensors.</summary>
    public IReadOnlyDictionary<string, Tensor> Velocities => _slots.ToDictionary(slot => slot.Name, slot => slot.Velocity);

    /// <summary>Lets go of all gradients.</summary>
    public void ClearGradients()
    {
        foreach (var slot in _slots)
            slot.Parameter.grad = null;
    }

    /// <summary>Moves every parameter that has a gradient. To be called without recording gradients, in a dispose scope.</summary>
    public void Step(double learningRate)
    {
        foreach (var slot in _slots)
        {
            using var gradient = slot.Parameter.grad;
            if (gradient is null)
                continue;
            // The gradient is ours from here on, so that it may be changed in place.
            if (slot.Decay > 0)
                gradient.PlusInPlace(slot.Parameter, slot.Decay);
            slot.Velocity.TimesInPlace(_momentum).add_(gradient);
            if (_nesterov)
                slot.Parameter.PlusInPlace(gradient.PlusInPlace(slot.Velocity, _momentum), -learningRate);
            else
                slot.Parameter.PlusInPlace(slot.Velocity, -learningRate);
        }
    }

    public void Dispose()
    {
        foreach (var slot in _slots)
            slot.Velocity.Dispose();
    }

    private sealed record Slot(string Name, Parameter Parameter, double Decay, Tensor Velocity);
}
