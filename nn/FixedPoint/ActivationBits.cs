using System.Text.Json;
using System.Text.Json.Serialization;

namespace Lathe.NN.FixedPoint;

/// <summary>Bits of an activation. As JSON 8, or <c>"none"</c> for float ones.</summary>
/// <param name="Value">8, or null for float activations.</param>
[JsonConverter(typeof(ActivationBitsConverter))]
public sealed record ActivationBits(int? Value)
{
    /// <summary>JSON Schema of the above.</summary>
    public const string Schema = """{ "enum": [8, "none"] }""";

    /// <summary>Bytes of an activation.</summary>
    public int Bytes => Value is { } bits ? bits / 8 : sizeof(float);

    /// <summary>Float activations.</summary>
    public static ActivationBits None { get; } = new(null);

    /// <summary>So many bits.</summary>
    /// <param name="bits">8.</param>
    public static implicit operator ActivationBits(int bits) => new(bits);
}

internal sealed class ActivationBitsConverter : JsonConverter<ActivationBits>
{
    private const string None = "none";

    public override ActivationBits Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) => reader.TokenType switch
    {
        JsonTokenType.Number when reader.TryGetInt32(out var bits) && bits == 8 => bits,
        JsonTokenType.String when reader.GetString() == None => ActivationBits.None,
        _ => throw new JsonException("expected the number 8, or none"),
    };

    public override void Write(Utf8JsonWriter writer, ActivationBits value, JsonSerializerOptions options)
    {
        if (value.Value is { } bits) writer.WriteNumberValue(bits);
        else writer.WriteStringValue(None);
    }
}
