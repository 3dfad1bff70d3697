using System.Globalization;
using System.Reflection;
using Lathe.Contracts;
using TorchSharp;

namespace Lathe.NN.Runtime;

/// <summary>Settings of libtorch that hold for the whole process.</summary>
public static class TorchRuntime
{
    private static readonly Lock Gate = new();
    private static bool _loaded;

    [ThreadStatic]
    private static int _threads;

    /// <summary>
    /// Threads that libtorch computes with on behalf of the calling thread; as many as .NET counts CPUs if nobody has set them.
    /// </summary>
    public static int Threads
    {
        get
        {
            Configure();
            return _threads;
        }
    }

    /// <summary>
    /// Loads libtorch and sets how many threads compute what the calling thread asks for. Each thread has a number of its own, so
    /// computations side by side do not disturb one another; the bits of a result depend on it.
    /// </summary>
    /// <param name="threads">At least 1; null: as set before on this thread, else as many as .NET counts CPUs. A quota of 1.5 CPUs counts as 2 there; who starts a computation knows better.</param>
    /// <exception cref="LatheException">Out of range, or libtorch cannot be loaded.</exception>
    public static void Configure(int? threads = null)
    {
        if (threads is < 1 or > SweepSpec.MostThreads)
            throw new LatheException($"The number of compute threads is {threads}; it must be between 1 and {SweepSpec.MostThreads}.");
        var count = threads ?? (_threads > 0 ? _threads : Environment.ProcessorCount);
        if (count == _threads)
            return;
        lock (Gate)
        {
            if (!_loaded)
            {
                Libtorch.EnsureLoaded();
                torch.set_num_interop_threads(1);
                _loaded = true;
            }

            torch.set_num_threads(count);
            // A thread's first computation takes over the number that any thread set last. Asking for it makes this thread do so now.
            _ = torch.get_num_threads();
            _threads = count;
        }
    }

    /// <summary>What made a result, for its lineage: versions of Lathe, libtorch and TorchSharp, number of threads and precision.</summary>
    /// <param name="precision">What the layers computed with.</param>
    /// <param name="device">Where; null: the CPU. A GPU is named.</param>
    public static IReadOnlyDictionary<string, string> Versions(Precision precision = Precision.Float32, torch.Device? device = null)
    {
        var threads = Threads;
        var versions = new SortedDictionary<string, string>(StringComparer.Ordinal)
        {
            ["precision"] = precision.ToString().ToLowerInvariant(),
            ["lathe"] = InformationalVersion(typeof(TorchRuntime).Assembly),
            ["threads"] = threads.ToString(CultureInfo.InvariantCulture),
            ["torch"] = torch.__version__,
            ["torchsharp"] = InformationalVersion(typeof(torch).Assembly),
        };
        if (device is { type: DeviceType.CUDA })
            versions["device"] = Devices.Describe(device);
        return versions;
    }

    private static string InformationalVersion(Assembly assembly)
    {
        var version = assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion
            ?? assembly.GetName().Version?.ToString() ?? "unknown";
        // What follows the plus sign names a source revision, not a version.
        return version.Split('+')[0];
    }
}
