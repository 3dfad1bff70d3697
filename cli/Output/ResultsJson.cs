using System.Text.Json;
using Lathe.Contracts;
using Lathe.Hosting;

namespace Lathe.Cli.Output;

/// <summary>Results for programs: an array with one object for each leaf.</summary>
internal static class ResultsJson
{
    public static string Text(IReadOnlyList<LeafResult> leaves) => JsonSerializer.Serialize(leaves, LatheJson.Indented) + "\n";

    /// <summary>Writes a file, whole or not at all; <c>-</c> is standard output.</summary>
    /// <exception cref="LatheException">The file cannot be written.</exception>
    public static void Write(IReadOnlyList<LeafResult> leaves, string file)
    {
        if (file == "-")
        {
            Console.Out.Write(Text(leaves));
            return;
        }

        try
        {
            AtomicFile.WriteText(Path.GetFullPath(file), Text(leaves));
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new LatheException($"--json {file}: cannot be written: {exception.Message}", inner: exception);
        }
    }
}
