using System.Runtime.InteropServices;

namespace Lathe.NN.Runtime;

/// <summary>
/// Has the C library keep freed tensors' memory. As it comes, glibc gives every big block back to the kernel, so each training step
/// pays again for zeroed pages: a third of a step's time, and more.
/// </summary>
internal static partial class MemoryTuning
{
    // Parameters of mallopt(3), from glibc's malloc.h.
    private const int TrimThreshold = -1;
    private const int TopPad = -2;
    private const int MmapMax = -4;
    private const int ArenaMax = -8;

    /// <summary>Call before the first tensor. Does nothing where the C library has no such setting.</summary>
    public static void KeepFreedMemory()
    {
        if (!OperatingSystem.IsLinux())
            return;
        try
        {
            _ = mallopt(MmapMax, 0);
            _ = mallopt(TrimThreshold, int.MaxValue);
            _ = mallopt(TopPad, 64 << 20);
            // Threads other than the first would allocate from arenas of 64 MiB heaps, which are unmapped as soon as they are empty.
            _ = mallopt(ArenaMax, 1);
        }
        catch (EntryPointNotFoundException)
        {
            // musl has no mallopt.
        }
    }

    /// <summary>
    /// Gives free pages between live blocks back to the kernel. In the course of an epoch the heap frays, so that each would peak a
    /// little higher than the one before; the pages are had again at their next use.
    /// </summary>
    public static void ReturnFreePages()
    {
        if (!OperatingSystem.IsLinux())
            return;
        try
        {
            _ = malloc_trim(0);
        }
        catch (EntryPointNotFoundException)
        {
            // musl has none, and gives back by itself.
        }
    }

    [LibraryImport("libc")]
    private static partial int malloc_trim(nuint pad);

    [LibraryImport("libc")]
    private static partial int mallopt(int parameter, int value);
}
