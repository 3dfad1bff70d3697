using Lathe.Contracts;
using TorchSharp;

namespace Lathe.NN.Runtime;

/// <summary>What a stage computes with.</summary>
/// <param name="Device">Where parameters and activations lie.</param>
/// <param name="Precision">Numbers that layers compute with while training.</param>
/// <param name="Warning">What people should know of this machine, the first time in a process; null: nothing.</param>
public sealed record ComputeSetup(torch.Device Device, Precision Precision, string? Warning = null)
{
    private static int _warned;

    /// <summary>Sets up the calling thread.</summary>
    /// <param name="threads">CPU threads, at least 1.</param>
    /// <param name="device">Device that the worker is set to.</param>
    /// <param name="precision">Precision that the stage asks for.</param>
    /// <exception cref="LatheException">libtorch cannot be loaded or computes wrong sums here, or the device is not here.</exception>
    public static ComputeSetup Of(int threads, ComputeDevice device, PrecisionChoice precision = PrecisionChoice.Float32)
    {
        TorchRuntime.Configure(threads);
        var found = Devices.Find(device);
        var chosen = precision.On(Precisions.IsBFloat16Fast(found));
        if (found.type == DeviceType.CPU)
            TorchRuntime.EnsureArithmetic(chosen);
        return new ComputeSetup(found, chosen, WarningOnce());
    }

    private static string? WarningOnce() =>
        OneDnn.State is { IsFault: true, Why: var why } && Interlocked.Exchange(ref _warned, 1) == 0
            ? $"oneDNN is turned off: {why}. Numbers are right; CPU training takes several times as long as on other machines"
            : null;

    /// <summary>What made a result, for its lineage.</summary>
    public IReadOnlyDictionary<string, string> Versions() => TorchRuntime.Versions(Precision, Device);
}
