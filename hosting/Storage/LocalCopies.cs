namespace Lathe.Hosting;

/// <summary>
/// Copies of a bucket's objects on this machine, bounded: what was used least recently goes first. Several processes may share the folder; each file is
/// whole or not there, and one that was deleted is fetched again.
/// </summary>
/// <param name="folder">The copies, with files on their way among them.</param>
/// <param name="most">Bytes that may stay.</param>
internal sealed class LocalCopies(string folder, long most)
{
    // A file that was just handed out may not be open yet.
    private static readonly TimeSpan HandedOut = TimeSpan.FromMinutes(10);

    // What a process that died left on its way.
    private static readonly TimeSpan Abandoned = TimeSpan.FromDays(1);

    /// <summary>Notes that a copy is used.</summary>
    public static void Use(string copy)
    {
        try
        {
            // Explicitly: most file systems note a reading once a day, or never.
            File.SetLastAccessTimeUtc(copy, DateTime.UtcNow);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Another process deleted it just now, or another user owns it.
        }
    }

    /// <summary>Deletes copies until the others fit. One that is open, or was used in the last minutes, stays.</summary>
    public void Trim()
    {
        if (!Directory.Exists(folder)) return;
        var now = DateTime.UtcNow;
        var files = new DirectoryInfo(folder).EnumerateFiles("*", SearchOption.AllDirectories).Select(f => new { File = f, Used = f.LastAccessTimeUtc, Bytes = f.Length }).ToList();
        foreach (var left in files.Where(f => f.File.Name.StartsWith('.') && now - f.File.LastWriteTimeUtc > Abandoned)) TryDelete(left.File.FullName);
        var copies = files.FindAll(f => !f.File.Name.StartsWith('.'));
        var all = copies.Sum(f => f.Bytes);
        foreach (var copy in copies.OrderBy(f => f.Used))
        {
            if (all <= most) return;
            if (now - copy.Used < HandedOut || IsOpen(copy.File.FullName)) continue;
            if (TryDelete(copy.File.FullName)) all -= copy.Bytes;
        }
    }

    /// <summary>Whoever reads a file through .NET has a shared lock on it.</summary>
    private static bool IsOpen(string path)
    {
        try
        {
            using var alone = new FileStream(path, FileMode.Open, FileAccess.ReadWrite, FileShare.None);
            return false;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return true;
        }
    }

    private static bool TryDelete(string path)
    {
        try
        {
            File.Delete(path);
            return true;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }
}
