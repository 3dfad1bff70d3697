using System.Text;

namespace Lathe.Reports.Pictures;

/// <summary>Text that XML can hold, whatever people call their things.</summary>
public static class XmlText
{
    private const char Replacement = '\uFFFD';

    /// <summary>The text, with U+FFFD for what XML cannot hold. Escaping is the writer's.</summary>
    public static string Of(string? text)
    {
        var sound = new StringBuilder();
        // Lone surrogates come as U+FFFD already.
        foreach (var rune in (text ?? "").EnumerateRunes())
        {
            if (rune.Value is (< ' ' and not '\t' and not '\n' and not '\r') or 0xFFFE or 0xFFFF) sound.Append(Replacement);
            else sound.Append(rune.ToString());
        }

        return sound.ToString();
    }
}
