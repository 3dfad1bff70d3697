using System.Globalization;
using System.Text;

namespace Lathe.NN.Pickle;

/// <summary>Text as protocol 0 writes it, on one line.</summary>
internal static class PickleText
{
    /// <summary>Python 2's string: in quotes, with Python's escapes.</summary>
    public static byte[] Quoted(string line)
    {
        if (line.Length < 2 || line[0] is not ('\'' or '"') || line[^1] != line[0])
            throw new FormatException("a string is not in quotes");
        var bytes = new List<byte>(line.Length);
        for (var i = 1; i < line.Length - 1; i++)
        {
            if (line[i] != '\\')
                bytes.Add(line[i] < 128 ? (byte)line[i] : throw new FormatException("a string has a character that is not ASCII"));
            else
                bytes.Add(Escape(line, ref i));
        }

        return [.. bytes];
    }

    /// <summary>Unicode text: <c>\uXXXX</c> and <c>\UXXXXXXXX</c> where it must, everything else is itself.</summary>
    public static string Escaped(string line)
    {
        var text = new StringBuilder(line.Length);
        for (var i = 0; i < line.Length; i++)
        {
            var digits = line[i] != '\\' || i + 1 == line.Length ? 0 : line[i + 1] switch { 'u' => 4, 'U' => 8, _ => 0 };
            if (digits == 0)
            {
                text.Append(line[i]);
                continue;
            }

            var code = Hexadecimal(line, i + 2, digits);
            text.Append(digits == 4 ? ((char)code).ToString() : char.ConvertFromUtf32(code));
            i += 1 + digits;
        }

        return text.ToString();
    }

    private static byte Escape(string line, ref int i)
    {
        i++;
        switch (line[i])
        {
            case '\\' or '\'' or '"': return (byte)line[i];
            case 'n': return (byte)'\n';
            case 'r': return (byte)'\r';
            case 't': return (byte)'\t';
            case 'x':
                i += 2;
                return (byte)Hexadecimal(line, i - 1, 2);
            default: throw new FormatException($"a string has the escape \\{line[i]}");
        }
    }

    private static int Hexadecimal(string line, int start, int digits) => start + digits <= line.Length
        && int.TryParse(line.AsSpan(start, digits), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var value)
        ? value
        : throw new FormatException("an escape has too few digits");
}
