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
    private static readonly HashSet<Precision> Checked = [];
    private static LatheException? _refusal;

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
    /// computations side by side do not disturb one another; the bits of a result depend on it. The first call checks libtorch's arithmetic.
    /// </summary>
    /// <param name="threads">At least 1; null: as set before on this thread, else as many as .NET counts CPUs. It counts a quota of 1.5 CPUs as 2, so a worker says its own number.</param>
    /// <exception cref="LatheException">Out of range, libtorch cannot be loaded, or it computes wrong sums here.</exception>
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
            CheckArithmetic(Precision.Float32);
            if (Precisions.HasFastBFloat16 && OneDnn.State.IsOn)
                CheckArithmetic(Precision.Bfloat16);
            _threads = count;
        }
    }

    /// <summary>Makes sure that convolutions of a precision are right on this machine; later calls cost nothing.</summary>
    /// <exception cref="LatheException">They are wrong, with oneDNN and without.</exception>
    public static void EnsureArithmetic(Precision precision)
    {
        Configure();
        lock (Gate)
            CheckArithmetic(precision);
    }

    private static void CheckArithmetic(Precision precision)
    {
        if (_refusal is not null)
            throw new LatheException(_refusal.Message, _refusal.Kind);
        if (!Checked.Add(precision))
            return;
        try
        {
            OneDnn.Verify(OneDnn.State, () => ArithmeticCheck.FindFault(ArithmeticCheck.Cases(precision)), OneDnn.Apply);
        }
        catch (LatheException refusal)
        {
            _refusal = refusal;
            throw;
        }
    }

    /// <summary>What made a result, for its lineage: versions of Lathe, libtorch and TorchSharp, number of threads, precision, instruction set and whether oneDNN convolved.</summary>
    /// <param name="precision">What the layers computed with.</param>
    /// <param name="device">Where; null: the CPU. A GPU is named.</param>
    public static IReadOnlyDictionary<string, string> Versions(Precision precision = Precision.Float32, torch.Device? device = null)
    {
        var threads = Threads;
        var versions = new SortedDictionary<string, string>(StringComparer.Ordinal)
        {
            ["precision"] = precision.ToString().ToLowerInvariant(),
            ["lathe"] = InformationalVersion(typeof(TorchRuntime).Assembly),
            ["instructions"] = Precisions.Instructions,
            ["onednn"] = OneDnn.State.IsOn ? "on" : "off",
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
