using System.Runtime.InteropServices;
using Lathe.Contracts;

namespace Lathe.NN.Runtime;

/// <summary>
/// Turns on and off the libraries that libtorch may convolve with on a CPU. libtorch's C interface does not pass these settings on, so its
/// C++ functions are called by their exported names.
/// </summary>
internal static unsafe class ConvolutionBackends
{
    private const string Library = "libtorch_cpu.so";
    private const string GlobalContext = "_ZN2at13globalContextEv";
    private const string SetOneDnn = "_ZN2at7Context20setUserEnabledMkldnnEb";
    private const string SetNnpack = "_ZN2at7Context20setUserEnabledNNPACKEb";

    /// <summary>oneDNN (formerly MKL-DNN), for the whole process. Call after libtorch is loaded.</summary>
    /// <exception cref="LatheException">This libtorch cannot be told.</exception>
    public static void UseOneDnn(bool use)
    {
        if (!TrySet(SetOneDnn, use))
        {
            throw new LatheException(
                $"oneDNN cannot be turned {(use ? "on" : "off")} in this libtorch: {Library} does not export {SetOneDnn}. Use the libtorch that comes with Lathe.");
        }
    }

    /// <summary>
    /// NNPACK, for the whole process. Lathe leaves it out: where oneDNN convolves, nothing asks NNPACK for a result; where oneDNN is off,
    /// training with NNPACK takes longer than without (docs/results/engine.md); and where NNPACK cannot run, it prints a warning for each layer.
    /// </summary>
    public static void UseNnpack(bool use) => TrySet(SetNnpack, use);

    private static bool TrySet(string function, bool value)
    {
        if (!NativeLibrary.TryLoad(Library, out var library)
            || !NativeLibrary.TryGetExport(library, GlobalContext, out var context)
            || !NativeLibrary.TryGetExport(library, function, out var set))
        {
            return false;
        }

        ((delegate* unmanaged<nint, byte, void>)set)(((delegate* unmanaged<nint>)context)(), value ? (byte)1 : (byte)0);
        return true;
    }
}
