using System.Runtime.InteropServices;

namespace Lathe.NN.Runtime;

/// <summary>
/// Has OpenMP's threads sleep while they wait for each other. As it comes, libgomp spins: two threads of which one finds its core
/// busy ran a training step several times slower than the same two that sleep (benchmarks/waiting-threads.sh measures it).
/// </summary>
internal static partial class ThreadTuning
{
    /// <summary>Call before libtorch is loaded, because libgomp reads the setting once. A value from the environment is kept.</summary>
    public static void SleepWhileWaiting()
    {
        // The runtime's own SetEnvironmentVariable changes its copy of the environment alone, which no native library sees.
        if (OperatingSystem.IsLinux()) _ = setenv("OMP_WAIT_POLICY", "PASSIVE", overwrite: 0);
    }

    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int setenv(string name, string value, int overwrite);
}
