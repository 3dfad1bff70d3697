using Lathe.Graph;
using Lathe.NN.Execution;
using Lathe.NN.Runtime;
using static TorchSharp.torch;

namespace Lathe.NN.Training;

/// <summary>
/// Exponential moving average of a network's parameters and running statistics: a ← δ·a + (1 − δ)·w after each step, with
/// δ = min(decay, (1 + t)/(10 + t)) so that the first weights are soon forgotten.
/// </summary>
internal sealed class WeightAverage : IDisposable
{
    private readonly GraphModule _module;
    private readonly double _decay;

    public WeightAverage(GraphModule module, double decay)
    {
        _module = module;
        _decay = decay;
        Tensors = Copies(module);
    }

    /// <summary>The average, by tensor name; its own tensors, to be overwritten in place.</summary>
    public IReadOnlyDictionary<string, Tensor> Tensors { get; }

    /// <summary>Takes in the weights after a step. To be called without recording gradients, in a dispose scope.</summary>
    /// <param name="number">Of the step, from 1.</param>
    public void Take(long number)
    {
        var decay = Math.Min(_decay, (1.0 + number) / (10.0 + number));
        foreach (var shape in ParameterShapes.Of(_module.Graph))
            Tensors[shape.Name].TimesInPlace(decay).PlusInPlace(Current(_module, shape), 1 - decay);
    }

    private static Dictionary<string, Tensor> Copies(GraphModule module)
    {
        using var noGradient = no_grad();
        return ParameterShapes.Of(module.Graph).ToDictionary(
            shape => shape.Name, shape => Current(module, shape).detach().clone().DetachFromDisposeScope());
    }

    private static Tensor Current(GraphModule module, ParameterShape shape) =>
        shape.Trainable ? module.Parameters[shape.Name] : module.Buffers[shape.Name];

    public void Dispose()
    {
        foreach (var tensor in Tensors.Values)
            tensor.Dispose();
    }
}
