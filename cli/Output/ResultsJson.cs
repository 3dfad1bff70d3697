using System.Text.Json;
using Lathe.Contracts;
using Lathe.Hosting;

namespace Lathe.Cli.Output;

/// <summary>Results for programs: an array with one object for each leaf.</summary>
internal static class ResultsJson
{
    public static string Text(IReadOnlyList<LeafResult> leaves) => JsonSerializer.Serialize(leaves, LatheJson.Indented) + "\n";

    /// <summary>Refuses a file that could not be written, before hours are spent on what should go into it.</summary>
    /// <param name="file">As given with <c>--json</c>; null and <c>-</c> pass.</param>
    /// <exception cref="LatheException">It is a folder, its folder is not there, or nothing can be written there.</exception>
    public static void Check(string? file)
    {
        if (file is null or "-") return;
        var path = Path.GetFullPath(file);
        var folder = Path.GetDirectoryName(path)!;
        if (Directory.Exists(path)) throw new LatheException($"--json {file}: is a folder, expected a file");
        if (!Directory.Exists(folder)) throw new LatheException($"--json {file}: there is no folder {folder}; make it first, or name another file");
        Guarded(file, () =>
        {
            using var trial = new FileStream(
                Path.Combine(folder, $".{Guid.NewGuid():N}.tmp"), FileMode.CreateNew, FileAccess.Write, FileShare.None, 1, FileOptions.DeleteOnClose);
        });
    }

    /// <summary>Writes a file, whole or not at all; <c>-</c> is standard output.</summary>
    /// <exception cref="LatheException">The file cannot be written.</exception>
    public static void Write(IReadOnlyList<LeafResult> leaves, string file)
    {
        if (file == "-")
        {
            Console.Out.Write(Text(leaves));
            return;
        }

        Guarded(file, () => AtomicFile.WriteText(Path.GetFullPath(file), Text(leaves)));
    }

    private static void Guarded(string file, Action write)
    {
        try
        {
            write();
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new LatheException($"--json {file}: cannot be written: {exception.Message}", inner: exception);
        }
    }
}
