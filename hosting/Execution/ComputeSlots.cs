namespace Lathe.Hosting;

/// <summary>Limits the computations that run at a time on this machine, over all processes: each holds the lock on one file of a folder.</summary>
internal sealed class ComputeSlots(HostingSettings settings)
{
    /// <summary>Waits for a free slot.</summary>
    /// <param name="threads">Threads of the computation.</param>
    /// <param name="waiting">Called once if no file is free.</param>
    /// <param name="stop">Ends the wait.</param>
    /// <returns>Dispose it to free the slot.</returns>
    public Task<IDisposable> TakeAsync(int threads, Action waiting, CancellationToken stop)
    {
        Directory.CreateDirectory(settings.SlotFolder);
        return FileLock.TakeAsync(
            () => Enumerable.Range(0, settings.SlotsFor(threads)).Select(slot => Path.Combine(settings.SlotFolder, $"slot-{slot}")),
            FileOptions.None,
            waiting,
            stop);
    }
}
