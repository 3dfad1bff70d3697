namespace Lathe.Hosting;

/// <summary>
/// Limits the computations that run at a time on this machine, over all processes: each holds the lock on one file of a folder.
/// The system drops a lock with the process that held it, however it ended.
/// </summary>
internal sealed class ComputeSlots(HostingSettings settings)
{
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(100);

    /// <summary>Waits for a free slot.</summary>
    /// <param name="threads">Threads of the computation.</param>
    /// <param name="waiting">Called once where none is free.</param>
    /// <param name="stop">Ends the wait.</param>
    /// <returns>Dispose it to free the slot.</returns>
    public async Task<IDisposable> TakeAsync(int threads, Action waiting, CancellationToken stop)
    {
        Directory.CreateDirectory(settings.SlotFolder);
        for (var isFirst = true; ; isFirst = false)
        {
            stop.ThrowIfCancellationRequested();
            for (var slot = 0; slot < settings.SlotsFor(threads); slot++)
            {
                if (TryTake(Path.Combine(settings.SlotFolder, $"slot-{slot}")) is { } taken) return taken;
            }

            if (isFirst) waiting();
            await Task.Delay(Pause, stop);
        }
    }

    private static FileStream? TryTake(string path)
    {
        try
        {
            return new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        }
        catch (IOException) when (File.Exists(path))
        {
            return null;
        }
    }
}
