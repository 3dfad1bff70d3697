using System.IO.Enumeration;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Lathe.Quantizer.Weights;

/// <summary>Bits of a weight, by layer. As JSON a number for all layers, or <c>{ "default": 2, "features.0": 8, "classifier.*": 4 }</c>.</summary>
/// <param name="Default">2 to 8; of layers that no pattern names. 0: it was left out, which the stage refuses.</param>
/// <param name="ByName">Bits by pattern of a layer's name, with <c>*</c> and <c>?</c>; of several that fit, the one with the most plain characters counts.</param>
[JsonConverter(typeof(LayerBitsConverter))]
public sealed record LayerBits(int Default, IReadOnlyDictionary<string, int> ByName)
{
    /// <summary>The key of <see cref="Default"/>.</summary>
    internal const string DefaultKey = "default";

    /// <summary>JSON Schema of the above.</summary>
    internal const string Schema = """
        {
          "type": ["integer", "object"], "minimum": 2, "maximum": 8,
          "additionalProperties": { "type": "integer", "minimum": 2, "maximum": 8 },
          "examples": [{ "default": 2, "features.0": 8 }]
        }
        """;

    public static implicit operator LayerBits(int bits) => new(bits, new Dictionary<string, int>());

    /// <summary>Bits of a layer's weights.</summary>
    public int Of(string layer) => ByName
        .Where(pattern => Fits(pattern.Key, layer))
        .OrderByDescending(pattern => pattern.Key.Count(c => c is not '*' and not '?')).ThenBy(pattern => pattern.Key, StringComparer.Ordinal)
        .Select(pattern => pattern.Value)
        .FirstOrDefault(Default);

    /// <summary>True where a pattern names a layer.</summary>
    public static bool Fits(string pattern, string layer) => FileSystemName.MatchesSimpleExpression(pattern, layer, ignoreCase: false);
}

internal sealed class LayerBitsConverter : JsonConverter<LayerBits>
{
    public override LayerBits Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
    {
        if (reader.TokenType == JsonTokenType.Number) return reader.GetInt32();
        var byName = JsonSerializer.Deserialize<Dictionary<string, int>>(ref reader, options) ?? [];
        byName.Remove(LayerBits.DefaultKey, out var bits);
        return new LayerBits(bits, byName);
    }

    public override void Write(Utf8JsonWriter writer, LayerBits value, JsonSerializerOptions options)
    {
        if (value.ByName.Count == 0)
        {
            writer.WriteNumberValue(value.Default);
            return;
        }

        writer.WriteStartObject();
        if (value.Default != 0) writer.WriteNumber(LayerBits.DefaultKey, value.Default);
        foreach (var (pattern, bits) in value.ByName.OrderBy(p => p.Key, StringComparer.Ordinal)) writer.WriteNumber(pattern, bits);
        writer.WriteEndObject();
    }
}
