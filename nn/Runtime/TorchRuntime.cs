using System.Globalization;
using System.Reflection;
using Lathe.Contracts;
using TorchSharp;

namespace Lathe.NN.Runtime;

/// <summary>Settings of libtorch that hold for the whole process.</summary>
public static class TorchRuntime
{
    private static readonly Lock Gate = new();
    private static int? _threads;

    /// <summary>Threads that libtorch computes with; configures the process as <see cref="CpuBudget"/> allows if nobody has yet.</summary>
    public static int Threads
    {
        get
        {
            lock (Gate)
            {
                if (_threads is null)
                    Configure();
                return _threads!.Value;
            }
        }
    }

    /// <summary>
    /// Loads libtorch and sets its number of threads. The bits of a result depend on that number, so it is set once per process.
    /// </summary>
    /// <param name="threads">At least 1; null: as many CPUs as the process may use.</param>
    /// <exception cref="LatheException">Already set to another number, out of range, or libtorch cannot be loaded.</exception>
    public static void Configure(int? threads = null)
    {
        lock (Gate)
        {
            if (threads is < 1 or > 1024)
                throw new LatheException($"The number of compute threads is {threads}; it must be between 1 and 1024.");
            if (_threads is { } set)
            {
                if (threads is { } asked && asked != set)
                {
                    throw new LatheException(
                        $"libtorch already computes with {set} threads in this process and cannot change to {asked}: " +
                        "results depend on the number, bit for bit. Ask for one number, or start another process.");
                }

                return;
            }

            Libtorch.EnsureLoaded();
            var count = threads ?? CpuBudget.Read();
            torch.set_num_threads(count);
            torch.set_num_interop_threads(1);
            _threads = count;
        }
    }

    /// <summary>What made a result, for its lineage: versions of Lathe, libtorch and TorchSharp, and the number of threads.</summary>
    public static IReadOnlyDictionary<string, string> Versions()
    {
        var threads = Threads;
        return new SortedDictionary<string, string>(StringComparer.Ordinal)
        {
            ["lathe"] = InformationalVersion(typeof(TorchRuntime).Assembly),
            ["threads"] = threads.ToString(CultureInfo.InvariantCulture),
            ["torch"] = torch.__version__,
            ["torchsharp"] = InformationalVersion(typeof(torch).Assembly),
        };
    }

    private static string InformationalVersion(Assembly assembly)
    {
        var version = assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion
            ?? assembly.GetName().Version?.ToString() ?? "unknown";
        // What follows the plus sign names a source revision, not a version.
        return version.Split('+')[0];
    }
}
