using System.Text.Json;
using System.Text.Json.Serialization;

namespace Lathe.Pruner;

/// <summary>Bits that weights will have after a later quantization. As JSON a number, <c>"free"</c> where they are chosen together with channels, or <c>"none"</c> for floats.</summary>
/// <param name="Value">2 to 8, the same in every layer; null: floats, or free.</param>
/// <param name="IsFree">Each layer's bits are chosen, <see cref="Least"/> to <see cref="Most"/>.</param>
[JsonConverter(typeof(PlannedBitsConverter))]
public sealed record PlannedBits(int? Value, bool IsFree = false)
{
    /// <summary>Fewest bits of a weight.</summary>
    public const int Least = 2;

    /// <summary>Most bits of a weight.</summary>
    public const int Most = 8;

    /// <summary>JSON Schema of the above.</summary>
    internal const string Schema = """{ "enum": [2, 3, 4, 5, 6, 7, 8, "free", "none"] }""";

    /// <summary>Weights stay floats.</summary>
    public static PlannedBits None { get; } = new(null);

    /// <summary>Bits of each layer are chosen.</summary>
    public static PlannedBits Free { get; } = new(null, IsFree: true);

    public static implicit operator PlannedBits(int bits) => new(bits);
}

internal sealed class PlannedBitsConverter : JsonConverter<PlannedBits>
{
    private const string None = "none";
    private const string Free = "free";

    public override PlannedBits Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) => reader.TokenType switch
    {
        JsonTokenType.Number when reader.TryGetInt32(out var bits) && bits is >= PlannedBits.Least and <= PlannedBits.Most => bits,
        JsonTokenType.String when reader.GetString() == None => PlannedBits.None,
        JsonTokenType.String when reader.GetString() == Free => PlannedBits.Free,
        _ => throw new JsonException("expected a number from 2 to 8, free, or none"),
    };

    public override void Write(Utf8JsonWriter writer, PlannedBits value, JsonSerializerOptions options)
    {
        if (value.Value is { } bits) writer.WriteNumberValue(bits);
        else writer.WriteStringValue(value.IsFree ? Free : None);
    }
}
