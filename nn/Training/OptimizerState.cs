using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Lathe.NN.Training;

/// <summary>Tensors that outlive the step they are made in.</summary>
internal static class OptimizerState
{
    /// <summary>Zeros of a parameter's shape, outside any dispose scope and any graph of gradients.</summary>
    public static Tensor ZerosLike(Parameter parameter) => zeros_like(parameter).DetachFromDisposeScope().detach_();
}
