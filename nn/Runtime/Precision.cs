using System.Runtime.Intrinsics.X86;

namespace Lathe.NN.Runtime;

/// <summary>Values of a training stage's <c>precision</c>.</summary>
public enum PrecisionChoice
{
    /// <summary>Everything in float32.</summary>
    Float32,

    /// <summary>
    /// Layers compute in bfloat16 on weights that are kept in float32; batch-norm statistics, loss and optimizer are in float32.
    /// </summary>
    Bfloat16,

    /// <summary>bfloat16 if the device multiplies it faster than float32, otherwise float32.</summary>
    Auto,
}

/// <summary>Numbers that layers compute with.</summary>
public enum Precision
{
    /// <summary>32-bit floating point.</summary>
    Float32,

    /// <summary>16-bit floating point with the exponent of 32 bits.</summary>
    Bfloat16,
}

/// <summary>Chooses for a machine.</summary>
public static class Precisions
{
    private const int Ampere = 8;

    /// <summary>True where this processor has instructions that multiply bfloat16: AVX512-BF16 or AMX.</summary>
    public static bool HasFastBFloat16 { get; } = Detect();

    /// <summary>Resolves a choice on this machine.</summary>
    public static Precision On(this PrecisionChoice choice, bool hasFastBFloat16) => choice switch
    {
        PrecisionChoice.Bfloat16 => Precision.Bfloat16,
        PrecisionChoice.Auto when hasFastBFloat16 => Precision.Bfloat16,
        _ => Precision.Float32,
    };

    /// <summary>Vector instructions of this processor that libtorch's kernels differ by: avx512-bf16, avx512, avx2 or older.</summary>
    public static string Instructions { get; } =
        HasFastBFloat16 ? "avx512-bf16" : Avx512F.IsSupported ? "avx512" : Avx2.IsSupported ? "avx2" : "older";

    /// <summary>
    /// True where a device multiplies bfloat16 faster than float32: of NVIDIA's GPUs, those since Ampere; CPUs by oneDNN alone, for
    /// libtorch's own kernels take several times as long in bfloat16 (docs/results/engine.md).
    /// </summary>
    public static bool IsBFloat16Fast(TorchSharp.torch.Device device) => device.type == TorchSharp.DeviceType.CUDA
        ? CudaDriver.ComputeCapability(device.index) >= Ampere
        : HasFastBFloat16 && OneDnn.State.IsOn;

    private static bool Detect()
    {
        // Avx512F says that the system keeps the wide registers too.
        if (!X86Base.IsSupported || !Avx512F.IsSupported || X86Base.CpuId(0, 0).Eax < 7)
            return false;
        const int Avx512BFloat16 = 1 << 5;
        const int AmxBFloat16 = 1 << 22;
        return (X86Base.CpuId(7, 1).Eax & Avx512BFloat16) != 0 || (X86Base.CpuId(7, 0).Edx & AmxBFloat16) != 0;
    }
}
