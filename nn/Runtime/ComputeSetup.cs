using Lathe.Contracts;
using TorchSharp;

namespace Lathe.NN.Runtime;

/// <summary>What a stage computes with.</summary>
/// <param name="Device">Where parameters and activations lie.</param>
/// <param name="Precision">Numbers that layers compute with while training.</param>
public sealed record ComputeSetup(torch.Device Device, Precision Precision)
{
    /// <summary>Sets up the calling thread.</summary>
    /// <param name="threads">CPU threads, at least 1.</param>
    /// <param name="device">Device that the worker is set to.</param>
    /// <param name="precision">Precision that the stage asks for.</param>
    /// <exception cref="LatheException">libtorch cannot be loaded, or the device is not here.</exception>
    public static ComputeSetup Of(int threads, ComputeDevice device, PrecisionChoice precision = PrecisionChoice.Float32)
    {
        TorchRuntime.Configure(threads);
        var found = Devices.Find(device);
        return new ComputeSetup(found, precision.On(Precisions.IsBFloat16Fast(found)));
    }

    /// <summary>What made a result, for its lineage.</summary>
    public IReadOnlyDictionary<string, string> Versions() => TorchRuntime.Versions(Precision, Device);
}
