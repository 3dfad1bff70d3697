using System.Globalization;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using YamlDotNet.Core;
using YamlDotNet.Core.Events;

namespace Lathe.Coordinator;

/// <summary>A place in a text, both counted from 1.</summary>
internal readonly record struct Place(long Line, long Column)
{
    public static Place Of(Mark mark) => new(Math.Max(1, mark.Line), Math.Max(1, mark.Column));
}

/// <summary>A YAML value with its place in the text.</summary>
internal abstract record YamlValue(Place Place)
{
    /// <summary>The value as JSON; plain scalars are read by the core schema of YAML 1.2.</summary>
    public abstract JsonNode? ToJson();

    /// <summary>The value in the words of an error message.</summary>
    public abstract string Describe();
}

internal sealed partial record YamlScalar(Place Place, string Text, bool Quoted) : YamlValue(Place)
{
    public bool IsNull => !Quoted && Text is "" or "~" or "null" or "Null" or "NULL";

    public override JsonNode? ToJson()
    {
        if (Quoted) return JsonValue.Create(Text);
        if (IsNull) return null;
        if (Text is "true" or "True" or "TRUE") return JsonValue.Create(true);
        if (Text is "false" or "False" or "FALSE") return JsonValue.Create(false);
        if (Whole().IsMatch(Text) && long.TryParse(Text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var whole))
            return JsonValue.Create(whole);
        if (Number().IsMatch(Text) && double.TryParse(Text, NumberStyles.Float, CultureInfo.InvariantCulture, out var number)
            && double.IsFinite(number))
            return JsonValue.Create(number);
        return JsonValue.Create(Text);
    }

    public override string Describe() => IsNull ? "empty" : Quoted ? $"\"{Text}\"" : Text;

    [GeneratedRegex("^[-+]?[0-9]+$")]
    private static partial Regex Whole();

    [GeneratedRegex(@"^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$")]
    private static partial Regex Number();
}

internal sealed record YamlList(Place Place, IReadOnlyList<YamlValue> Items) : YamlValue(Place)
{
    public override JsonNode ToJson() => new JsonArray([.. Items.Select(i => i.ToJson())]);

    public override string Describe() => "a list";
}

internal sealed record YamlMap(Place Place, IReadOnlyList<YamlEntry> Entries) : YamlValue(Place)
{
    public override JsonNode ToJson() => new JsonObject(Entries.Select(e => KeyValuePair.Create(e.Key, e.Value.ToJson())));

    public override string Describe() => "a mapping";
}

internal sealed record YamlEntry(Place Place, string Key, YamlValue Value);

/// <summary>A YAML text is invalid, or uses a feature that Lathe does not read.</summary>
internal sealed class YamlProblemException(Place place, string message) : Exception(message)
{
    public Place Place { get; } = place;
}

/// <summary>Reads a YAML text of one document into values that keep their places.</summary>
internal static class YamlTree
{
    private const int DeepestNesting = 32;

    /// <summary>Reads the text.</summary>
    /// <returns>The document's value, or null for a text without one.</returns>
    /// <exception cref="YamlProblemException">The text is no YAML, repeats a key, or uses aliases.</exception>
    public static YamlValue? Read(string text)
    {
        var parser = new Parser(new StringReader(text));
        try
        {
            parser.Consume<StreamStart>();
            if (!parser.TryConsume<DocumentStart>(out _)) return null;
            var value = Value(parser, 0);
            parser.Consume<DocumentEnd>();
            if (parser.TryConsume<DocumentStart>(out var second))
                throw new YamlProblemException(Place.Of(second.Start), "a second document begins here; expected one document in the file");
            return value;
        }
        catch (YamlException exception)
        {
            throw Syntax(text, Place.Of(exception.Start), exception.Message);
        }
        catch (Exception exception) when (exception is InvalidOperationException or ArgumentException)
        {
            // The scanner fails in this way for some texts, such as "[a" with a "b: c" in the next line.
            throw Syntax(text, Place.Of(parser.Current?.End ?? Mark.Empty), "something before or after this place is not closed or not separated");
        }
    }

    private static YamlValue Value(IParser parser, int depth)
    {
        var start = parser.Current!.Start;
        if (depth > DeepestNesting) throw new YamlProblemException(Place.Of(start), $"is nested more than {DeepestNesting} deep");
        if (parser.TryConsume<Scalar>(out var scalar)) return new YamlScalar(Place.Of(start), scalar.Value, scalar.Style != ScalarStyle.Plain);
        if (parser.TryConsume<SequenceStart>(out _)) return new YamlList(Place.Of(start), Items(parser, depth));
        if (parser.TryConsume<MappingStart>(out _)) return new YamlMap(Place.Of(start), Entries(parser, depth));
        if (parser.TryConsume<AnchorAlias>(out var alias))
            throw new YamlProblemException(Place.Of(start), $"*{alias.Value}: aliases are not read here; write the value out");
        throw new YamlProblemException(Place.Of(start), $"{parser.Current!.GetType().Name} was not expected here");
    }

    private static List<YamlValue> Items(IParser parser, int depth)
    {
        var items = new List<YamlValue>();
        while (!parser.TryConsume<SequenceEnd>(out _)) items.Add(Value(parser, depth + 1));
        return items;
    }

    private static List<YamlEntry> Entries(IParser parser, int depth)
    {
        var entries = new List<YamlEntry>();
        while (!parser.TryConsume<MappingEnd>(out _))
        {
            if (Value(parser, depth + 1) is not YamlScalar key)
                throw new YamlProblemException(Place.Of(parser.Current!.Start), "a key must be a word");
            if (entries.Find(e => e.Key == key.Text) is { } earlier)
                throw new YamlProblemException(key.Place, $"{key.Text}: stands twice; the first is in line {earlier.Place.Line}. Keep one of them");
            var value = Value(parser, depth + 1);
            // In { parameters: 1,000,000 } the commas end entries.
            if (key.Text.Length == 3 && key.Text.All(char.IsAsciiDigit) && value is YamlScalar { Text: "" })
                throw new YamlProblemException(key.Place, $"{key.Text}: a number is written without commas (1000000, 1e6)");
            entries.Add(new YamlEntry(key.Place, key.Text, value));
        }

        return entries;
    }

    private static YamlProblemException Syntax(string text, Place place, string message)
    {
        // The parser's message about a tab does not name the tab, and often not its place.
        var lines = text.Split('\n');
        for (var line = 0; line < lines.Length; line++)
        {
            var tab = lines[line].IndexOf('\t', StringComparison.Ordinal);
            if (tab >= 0 && tab < lines[line].TrimEnd().Length && lines[line].AsSpan(0, tab).Trim(" -").IsEmpty)
                return new YamlProblemException(new Place(line + 1, tab + 1), "a tab stands in the indentation; YAML takes only spaces there");
        }

        return new YamlProblemException(place, $"is not valid YAML: {char.ToLowerInvariant(message[0])}{message[1..].TrimEnd('.')}");
    }
}
