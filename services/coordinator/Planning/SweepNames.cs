using System.Globalization;

namespace Lathe.Coordinator;

/// <summary>What a sweep may be called. Names are printed to terminals and logs of everybody who uses the coordinator.</summary>
public static class SweepNames
{
    /// <summary>Longest name, in UTF-16 units.</summary>
    public const int Longest = 200;

    /// <summary>What is wrong with a name; null: nothing.</summary>
    public static string? Problem(string? name) =>
        string.IsNullOrWhiteSpace(name) ? "the sweep has no name"
        : name.Length > Longest ? $"has {name.Length} characters, expected at most {Longest}"
        : name.Any(IsControl) ? "has a control character, which a name may not have; expected letters, digits, spaces and punctuation"
        : null;

    /// <summary>A name of whatever origin, as it may be shown: without control characters, and not longer than the longest one.</summary>
    public static string Shown(string name)
    {
        if (name.Length <= Longest && !name.Any(IsControl)) return name;
        var cut = name.Length > Longest ? name[..(Longest - 1)] + '\u2026' : name;
        return string.Concat(cut.Select(c => IsControl(c) ? '?' : c));
    }

    /// <summary>True for what does something to a terminal instead of being shown: control characters, line separators, and marks that turn the direction of text.</summary>
    private static bool IsControl(char c) => char.GetUnicodeCategory(c) is UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator;
}
