using System.Text;
using Lathe.Cli.Embedded;
using Lathe.Contracts;
using Lathe.Coordinator;

namespace Lathe.Cli.Sweeps;

/// <summary>Reads sweep files.</summary>
internal static class SweepFile
{
    private const int LargestFile = 1 << 20;

    /// <summary>Reads a file and applies the <c>--set</c> options.</summary>
    /// <param name="file">Path as the user gave it; messages repeat it.</param>
    /// <param name="sets">Texts of the options, <c>prune.multiplications=0.25</c>.</param>
    /// <param name="isBuiltIn">True: the sweep runs with the stages that come with Lathe alone.</param>
    /// <exception cref="LatheException">All problems, one line each with its place.</exception>
    public static SweepDocument Read(string file, IReadOnlyList<string> sets, bool isBuiltIn = false) => Parse(file, Text(file), sets, isBuiltIn);

    /// <summary>The same for a text in memory.</summary>
    public static SweepDocument Parse(string file, string text, IReadOnlyList<string> sets, bool isBuiltIn = false) =>
        SweepText.Parse(file, text, sets, BuiltInStages.Manifests, isBuiltIn);

    private static string Text(string file)
    {
        if (Directory.Exists(file)) throw new LatheException($"{file}: is a folder, expected a sweep file (YAML)");
        if (!File.Exists(file)) throw new LatheException($"{file}: no such file (looked in {Path.GetFullPath(".")}); expected a sweep file (YAML)");
        try
        {
            if (new FileInfo(file).Length > LargestFile) throw new LatheException($"{file}: is larger than 1 MB, expected a sweep file (YAML)");
            return new UTF8Encoding(false, throwOnInvalidBytes: true).GetString(File.ReadAllBytes(file)).TrimStart('\uFEFF');
        }
        catch (DecoderFallbackException exception)
        {
            throw new LatheException($"{file}: is not UTF-8 text, expected a sweep file (YAML)", inner: exception);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new LatheException($"{file}: cannot be read: {exception.Message}", inner: exception);
        }
    }
}
