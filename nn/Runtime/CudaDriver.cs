using System.Runtime.InteropServices;
using System.Text;

namespace Lathe.NN.Runtime;

/// <summary>What NVIDIA's driver says of a GPU; libtorch's C interface does not pass it on.</summary>
internal static partial class CudaDriver
{
    private const string Library = "libcuda.so.1";
    private const int ComputeCapabilityMajor = 75;

    private static readonly Lazy<bool> Present = new(() =>
        OperatingSystem.IsLinux() && NativeLibrary.TryLoad(Library, out _) && Initialize(0) == 0);

    /// <summary>True where the driver is installed and works.</summary>
    public static bool IsPresent => Present.Value;

    /// <summary>For example <c>NVIDIA H100 80GB HBM3</c>; null where the driver does not say.</summary>
    public static string? Name(int index)
    {
        var text = new byte[256];
        return IsPresent && Device(out var device, index) == 0 && NameOf(text, text.Length, device) == 0
            ? Encoding.UTF8.GetString(text.AsSpan(0, Math.Max(0, Array.IndexOf(text, (byte)0))))
            : null;
    }

    /// <summary>Major number of the compute capability: 8 for Ampere, 9 for Hopper; 0 where the driver does not say.</summary>
    public static int ComputeCapability(int index) =>
        IsPresent && Device(out var device, index) == 0 && Attribute(out var major, ComputeCapabilityMajor, device) == 0 ? major : 0;

    [LibraryImport(Library, EntryPoint = "cuInit")]
    private static partial int Initialize(uint flags);

    [LibraryImport(Library, EntryPoint = "cuDeviceGet")]
    private static partial int Device(out int device, int index);

    [LibraryImport(Library, EntryPoint = "cuDeviceGetName")]
    private static partial int NameOf(byte[] name, int length, int device);

    [LibraryImport(Library, EntryPoint = "cuDeviceGetAttribute")]
    private static partial int Attribute(out int value, int attribute, int device);
}
