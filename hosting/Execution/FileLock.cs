namespace Lathe.Hosting;

/// <summary>A lock on a file, over all processes of a machine. The system drops it with the process that held it, however it ended.</summary>
internal static class FileLock
{
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(100);

    /// <summary>Locks one of several files, or waits until one becomes free.</summary>
    /// <param name="paths">Files in an existing folder; called again at each attempt.</param>
    /// <param name="options">For the file that is held.</param>
    /// <param name="waiting">Called once if no file is free.</param>
    /// <param name="stop">Ends the wait.</param>
    /// <returns>Dispose it to free the lock.</returns>
    public static async Task<IDisposable> TakeAsync(Func<IEnumerable<string>> paths, FileOptions options, Action waiting, CancellationToken stop)
    {
        for (var isFirst = true; ; isFirst = false)
        {
            stop.ThrowIfCancellationRequested();
            foreach (var path in paths())
            {
                if (TryTake(path, options) is { } taken) return taken;
            }

            if (isFirst) waiting();
            await Task.Delay(Pause, stop);
        }
    }

    private static FileStream? TryTake(string path, FileOptions options)
    {
        try
        {
            return new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, bufferSize: 1, options);
        }
        catch (IOException) when (File.Exists(path))
        {
            return null;
        }
    }
}
