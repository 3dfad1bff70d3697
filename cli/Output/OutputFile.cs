using Lathe.Contracts;
using Lathe.Hosting;

namespace Lathe.Cli.Output;

/// <summary>Files that a user names to have something written there.</summary>
internal static class OutputFile
{
    private static readonly string[] DeviceFolders = ["/dev/", "/proc/", "/sys/"];

    /// <summary>Refuses a file that could not be written, before time is spent on what should go into it.</summary>
    /// <param name="option">As the user typed it, for the message.</param>
    /// <param name="file">The file.</param>
    /// <exception cref="LatheException">It is a folder or no file at all, its folder is not there, or nothing can be written there.</exception>
    public static void Check(string option, string file)
    {
        if (file.Length == 0) throw new LatheException($"{option} needs the name of a file");
        var path = Target(file);
        var folder = Path.GetDirectoryName(path)!;
        if (Path.Exists(path) && !Directory.Exists(path) && !IsPlain(path))
            throw new LatheException($"{option} {file}: is a device, a pipe or a socket, expected a file");
        if (Directory.Exists(path)) throw new LatheException($"{option} {file}: is a folder, expected a file");
        if (!Directory.Exists(folder)) throw new LatheException($"{option} {file}: there is no folder {folder}; make it first, or name another file");
        Guarded(option, file, () =>
        {
            using var trial = new FileStream(
                Path.Combine(folder, $".{Guid.NewGuid():N}.tmp"), FileMode.CreateNew, FileAccess.Write, FileShare.None, 1, FileOptions.DeleteOnClose);
        });
    }

    /// <summary>Writes a file, whole or not at all.</summary>
    /// <exception cref="LatheException">The file cannot be written.</exception>
    public static void Write(string option, string file, string text) => Guarded(option, file, () => AtomicFile.WriteText(Target(file), text));

    /// <inheritdoc cref="Write(string, string, string)"/>
    public static void Write(string option, string file, ReadOnlyMemory<byte> content) =>
        Guarded(option, file, () => AtomicFile.Write(Target(file), stream => stream.Write(content.Span)));

    /// <summary>Where a file is written: what a link leads to, for the link itself is the user's.</summary>
    public static string Target(string file)
    {
        var path = Path.GetFullPath(file);
        try
        {
            return File.ResolveLinkTarget(path, returnFinalTarget: true)?.FullName ?? path;
        }
        catch (IOException)
        {
            // A link that leads in a circle, or nothing at all: writing says so.
            return path;
        }
    }

    /// <summary>Whether a file may take the place of what is there. Replacing a device or a pipe would take it from every other program.</summary>
    private static bool IsPlain(string path)
    {
        if (DeviceFolders.Any(folder => path.StartsWith(folder, StringComparison.Ordinal))) return false;
        try
        {
            // For both ways, or opening a pipe would wait for its other end.
            using var file = File.OpenHandle(path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete);
            return RandomAccess.GetLength(file) >= 0;
        }
        catch (NotSupportedException)
        {
            return false;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Written to or not, it can be replaced; where it cannot, writing says so.
            return true;
        }
    }

    /// <summary>Writes files that belong together: all of them, or none.</summary>
    /// <param name="option">As the user typed it, for the message.</param>
    /// <param name="file">What the user named, for the message.</param>
    /// <param name="files">Paths and contents.</param>
    /// <exception cref="LatheException">One of them cannot be written; what was there before still is.</exception>
    public static void WriteAll(string option, string file, IReadOnlyList<(string Path, ReadOnlyMemory<byte> Content)> files)
    {
        foreach (var (path, _) in files) Check(option, path);
        Guarded(option, file, () => AtomicFile.WriteAll([.. files.Select(f => (Target(f.Path), f.Content))]));
    }

    private static void Guarded(string option, string file, Action write)
    {
        try
        {
            write();
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new LatheException($"{option} {file}: cannot be written: {exception.Message}", inner: exception);
        }
    }
}
