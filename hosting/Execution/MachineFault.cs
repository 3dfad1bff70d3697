namespace Lathe.Hosting;

/// <summary>Exceptions that speak of a disk, a right or a library of this machine, and not of the work.</summary>
internal static class MachineFault
{
    // Numbers of errno, which .NET hands on as they are.
    private const int InputOutputError = 5;
    private const int NoSpaceLeft = 28;
    private const int ReadOnly = 30;
    private const int QuotaExceeded = 122;

    /// <summary>Whether it says that a disk is full, which may have room again.</summary>
    public static bool IsFull(Exception e) => e is IOException { HResult: NoSpaceLeft or QuotaExceeded };

    /// <summary>Whether the exception itself, without what it wraps, speaks of the machine.</summary>
    public static bool Is(Exception e) => e switch
    {
        IOException io => io.HResult is NoSpaceLeft or QuotaExceeded or ReadOnly or InputOutputError,
        UnauthorizedAccessException or DllNotFoundException or BadImageFormatException => true,
        _ => false,
    };

    /// <summary>One line for a person: what is wrong and what to do.</summary>
    /// <param name="e">For which <see cref="Is"/> is true.</param>
    public static string Tell(Exception e) => e switch
    {
        IOException { HResult: NoSpaceLeft or QuotaExceeded } =>
            $"the disk is full ({Line(e)}); make room where checkpoints and states are kept (lathe doctor shows where), and run the same again",
        IOException { HResult: ReadOnly } or UnauthorizedAccessException =>
            $"a file or folder of this worker cannot be used ({Line(e)}); lathe doctor, run as the worker is, shows which one",
        IOException => $"a disk of this worker fails ({Line(e)})",
        _ => $"a library of this worker cannot be loaded ({Line(e)}); install the same release again",
    };

    /// <summary>The first exception of a chain that speaks of the machine, in words; null: none does.</summary>
    public static string? Find(Exception? e)
    {
        for (; e is not null; e = e.InnerException)
        {
            if (Is(e)) return Tell(e);
            if (e is AggregateException several && several.InnerExceptions.Select(Find).FirstOrDefault(found => found is not null) is { } inner) return inner;
        }

        return null;
    }

    private static string Line(Exception e) => e.Message.Split('\n')[0].TrimEnd();
}
