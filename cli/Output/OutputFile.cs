using Lathe.Contracts;
using Lathe.Hosting;

namespace Lathe.Cli.Output;

/// <summary>Files that a user names to have something written there.</summary>
internal static class OutputFile
{
    /// <summary>Refuses a file that could not be written, before time is spent on what should go into it.</summary>
    /// <param name="option">As the user typed it, for the message.</param>
    /// <param name="file">The file.</param>
    /// <exception cref="LatheException">It is a folder, its folder is not there, or nothing can be written there.</exception>
    public static void Check(string option, string file)
    {
        var path = Path.GetFullPath(file);
        var folder = Path.GetDirectoryName(path)!;
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
    public static void Write(string option, string file, string text) => Guarded(option, file, () => AtomicFile.WriteText(Path.GetFullPath(file), text));

    /// <inheritdoc cref="Write(string, string, string)"/>
    public static void Write(string option, string file, ReadOnlyMemory<byte> content) =>
        Guarded(option, file, () => AtomicFile.Write(Path.GetFullPath(file), stream => stream.Write(content.Span)));

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
