using System.Text.Json;
using System.Text.Json.Serialization;
using Lathe.Contracts;

namespace Lathe.Hosting;

/// <summary>A target for a number of bytes, as a stage's parameter. As JSON a share (0.25), a number of bytes (40960), or a text with a unit (<c>"40 KiB"</c>).</summary>
/// <param name="Value">Above 0. Up to 1 it is a share, above that a number of bytes.</param>
[JsonConverter(typeof(ByteTargetConverter))]
public readonly record struct ByteTarget(double Value)
{
    /// <summary>JSON Schema of the above, for <see cref="ParameterSchemaAttribute"/>; the parameter may be absent.</summary>
    public const string Schema = """
        {
          "type": ["number", "string", "null"], "exclusiveMinimum": 0,
          "pattern": "^[0-9]{1,15}(\\.[0-9]{1,6})? ?([KMGTkmgt][iI]?)?[Bb]$",
          "examples": ["40 KiB"]
        }
        """;

    /// <summary>The target as a number of bytes.</summary>
    /// <param name="whole">Bytes of what a share is of.</param>
    public double Of(double whole) => Value <= 1 ? Value * whole : Value;
}

internal sealed class ByteTargetConverter : JsonConverter<ByteTarget>
{
    public override ByteTarget Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
    {
        try
        {
            return new ByteTarget(reader.TokenType == JsonTokenType.String ? ByteSize.Parse(reader.GetString()!, "the target") : reader.GetDouble());
        }
        catch (LatheException e)
        {
            throw new JsonException(e.Message, e);
        }
    }

    public override void Write(Utf8JsonWriter writer, ByteTarget value, JsonSerializerOptions options) => writer.WriteNumberValue(value.Value);
}
