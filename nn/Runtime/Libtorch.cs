using System.Runtime.InteropServices;
using Lathe.Contracts;
using TorchSharp;

namespace Lathe.NN.Runtime;

/// <summary>The native library that does the arithmetic.</summary>
public static class Libtorch
{
    private static readonly Lazy<LatheException?> Fault = new(TryLoad);

    /// <summary>Loads libtorch, once, and turns oneDNN off where it may not compute; later calls cost nothing.</summary>
    /// <exception cref="LatheException">It cannot be loaded; the message says why and what to do.</exception>
    public static void EnsureLoaded()
    {
        if (Fault.Value is { } fault)
            throw new LatheException(fault.Message, fault.Kind, fault.InnerException);
    }

    private static LatheException? TryLoad()
    {
        MemoryTuning.KeepFreedMemory();
        ThreadTuning.SleepWhileWaiting();
        try
        {
            var oneDnn = OneDnn.Decide(Environment.GetEnvironmentVariable(OneDnn.Variable), ProcessorCaches.AreHidden);
            using var one = torch.ones(1);
            if (one.cpu().ReadCpuSingle(0) != 1f)
                return new LatheException("libtorch was loaded, but 1 is not 1: its files are damaged.", FailureKind.Elsewhere);
            OneDnn.Apply(oneDnn);
            return null;
        }
        catch (LatheException problem)
        {
            return problem;
        }
#pragma warning disable CA1031 // Whatever kept the library from loading is what the message is about.
        catch (Exception e)
#pragma warning restore CA1031
        {
            return new LatheException(Explain(AppContext.BaseDirectory, e), FailureKind.Elsewhere, e);
        }
    }

    /// <summary>Says why loading failed, in the dynamic linker's words where it has any.</summary>
    internal static string Explain(string folder, Exception cause)
    {
        if (!OperatingSystem.IsLinux() || RuntimeInformation.ProcessArchitecture != Architecture.X64)
        {
            return $"libtorch cannot be loaded on {RuntimeInformation.RuntimeIdentifier}: {Innermost(cause)} " +
                "Lathe is made for 64-bit Linux on x64 processors; run it there or in one of its container images.";
        }

        foreach (var name in (string[])["libc10.so", "libtorch_cpu.so", "libLibTorchSharp.so"])
        {
            var file = new[] { Path.Combine(folder, "runtimes", "linux-x64", "native", name), Path.Combine(folder, name) }
                .FirstOrDefault(File.Exists);
            if (file is null)
            {
                return $"libtorch cannot be loaded: {name} is neither in {folder} nor in its folder runtimes/linux-x64/native. " +
                    "Build or install Lathe again; a build without libtorch of its own (-p:LatheTorch=system) needs the folder of one in LD_LIBRARY_PATH.";
            }

            if (!NativeLibrary.TryLoad(file, out _))
            {
                return $"libtorch cannot be loaded: {LinkerMessage(file)} It needs glibc 2.34 or newer and the libstdc++ of GCC 12 " +
                    "or newer, as in Debian 12 and Ubuntu 22.04 (package libstdc++6). Install or update the library that is named above, " +
                    "or use one of Lathe's container images; if the file itself is damaged, build or install Lathe again.";
            }
        }

        return $"libtorch cannot be used: {Innermost(cause)} Build or install Lathe again.";
    }

    private static string LinkerMessage(string file)
    {
        try
        {
            NativeLibrary.Free(NativeLibrary.Load(file));
            return file;
        }
        catch (Exception e) when (e is DllNotFoundException or BadImageFormatException)
        {
            // The runtime tries several spellings and appends what the linker said to each; those of the file itself matter.
            var lines = e.Message.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
            return (lines.FirstOrDefault(line => line.StartsWith('/') || line.Contains(": ", StringComparison.Ordinal)) ?? lines[0])
                .TrimEnd('.') + ".";
        }
    }

    private static string Innermost(Exception e)
    {
        while (e.InnerException is { } inner)
            e = inner;
        return e.Message.Split('\n')[0].TrimEnd('.') + ".";
    }
}
