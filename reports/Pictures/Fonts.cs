using System.Collections.Concurrent;
using System.Text;
using Lathe.Contracts;
using SkiaSharp;

namespace Lathe.Reports.Pictures;

/// <summary>The machine's fonts, by their files: Skia without fontconfig, which Lathe ships with, finds none by name.</summary>
internal static class Fonts
{
    private const string SystemFolder = "/usr/share/fonts";

    private static readonly string[] RegularFiles = ["DejaVuSans.ttf", "NotoSans-Regular.ttf", "LiberationSans-Regular.ttf", "Arial.ttf"];
    private static readonly string[] BoldFiles = ["DejaVuSans-Bold.ttf", "NotoSans-Bold.ttf", "LiberationSans-Bold.ttf", "Arial Bold.ttf"];

    private static readonly Lazy<IReadOnlyList<string>> Files = new(() => Find([
        SystemFolder, "/usr/local/share/fonts", "/Library/Fonts", Environment.GetFolderPath(Environment.SpecialFolder.Fonts),
        Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.LocalApplicationData), "fonts")]));

    private static readonly ConcurrentDictionary<string, SKTypeface?> Loaded = [];
    private static readonly ConcurrentDictionary<Rune, SKTypeface?> Others = [];

    private static readonly Lazy<SKTypeface?> FirstRegular = new(() => First(RegularFiles, Files.Value));
    private static readonly Lazy<SKTypeface?> FirstBold = new(() => First(BoldFiles, []));

    /// <summary>The usual typeface.</summary>
    /// <exception cref="LatheException">There is none.</exception>
    public static SKTypeface Regular => FirstRegular.Value
        ?? throw new LatheException($"--png: there is no font in {SystemFolder} to write with; install one (on Debian: fonts-dejavu-core), or use --svg");

    /// <summary>The usual typeface in bold, or where there is none as it is.</summary>
    /// <exception cref="LatheException">There is no font at all.</exception>
    public static SKTypeface Bold => FirstBold.Value ?? Regular;

    /// <summary>A typeface that has a character; where none has, the usual one, which draws a box.</summary>
    public static SKTypeface For(Rune character, SKTypeface usual) =>
        Has(usual, character) ? usual : Others.GetOrAdd(character, c => Files.Value.Select(Load).FirstOrDefault(t => t is not null && Has(t, c))) ?? usual;

    private static SKTypeface? First(IEnumerable<string> names, IEnumerable<string> otherwise) =>
        names.SelectMany(name => Files.Value.Where(f => Path.GetFileName(f).Equals(name, StringComparison.OrdinalIgnoreCase)))
            .Concat(otherwise).Select(Load).FirstOrDefault(t => t is not null && Has(t, new Rune('e')));

    private static SKTypeface? Load(string file) => Loaded.GetOrAdd(file, name => SKTypeface.FromFile(name));

    private static bool Has(SKTypeface typeface, Rune character)
    {
        using var font = new SKFont(typeface);
        return font.ContainsGlyph(character.Value);
    }

    private static IReadOnlyList<string> Find(IEnumerable<string> folders) =>
        [.. folders.Where(Directory.Exists)
            .SelectMany(folder => Directory.EnumerateFiles(folder, "*", new EnumerationOptions { RecurseSubdirectories = true, IgnoreInaccessible = true }))
            .Where(file => Path.GetExtension(file).ToUpperInvariant() is ".TTF" or ".OTF").Order(StringComparer.Ordinal)];
}
