using static TorchSharp.torch;

namespace Lathe.NN.Training;

/// <summary>Moves parameters along their gradients. All it remembers is in tensors, which can be saved and restored bit by bit.</summary>
internal interface IOptimizer : IDisposable
{
    /// <summary>The optimizer's state by name: its own tensors, which may be overwritten in place.</summary>
    IReadOnlyDictionary<string, Tensor> State { get; }

    /// <summary>Moves every parameter that has a gradient. To be called without recording gradients, in a dispose scope.</summary>
    /// <param name="learningRate">Of this step.</param>
    /// <param name="number">Of this step, from 1, over all epochs.</param>
    void Step(double learningRate, long number);
}

/// <summary>A parameter that is trained.</summary>
/// <param name="Name">Unique.</param>
/// <param name="Parameter">Moved in place.</param>
/// <param name="Decay">Weight decay, at least 0.</param>
internal sealed record Trained(string Name, TorchSharp.Modules.Parameter Parameter, double Decay);
