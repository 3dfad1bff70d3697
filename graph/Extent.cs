using System.Text.Json;
using System.Text.Json.Serialization;

namespace Lathe.Graph;

/// <summary>A number for height and one for width: a kernel, a stride, a dilation. The default is 1 x 1. As JSON one number where both are equal, else [height, width].</summary>
[JsonConverter(typeof(ExtentJson))]
public readonly record struct Extent
{
    // Less 1, so that the default is 1.
    private readonly int _rows;
    private readonly int _columns;

    /// <summary>Height and width.</summary>
    public Extent(int height, int width) => (_rows, _columns) = (height - 1, width - 1);

    /// <summary>Of rows.</summary>
    public int Height => _rows + 1;

    /// <summary>Of columns.</summary>
    public int Width => _columns + 1;

    /// <summary>Height times width.</summary>
    public long Area => (long)Height * Width;

    /// <summary>Height and width are equal.</summary>
    public bool IsSquare => _rows == _columns;

    /// <summary>1 x 1.</summary>
    public bool IsOne => this == default;

    /// <summary>A square.</summary>
    public static implicit operator Extent(int side) => FromInt32(side);

    /// <summary>The same for both.</summary>
    public static Extent FromInt32(int side) => new(side, side);

    /// <summary>As messages show it.</summary>
    public override string ToString() => IsSquare ? $"{Height}" : $"{Height} x {Width}";
}

internal sealed class ExtentJson : JsonConverter<Extent>
{
    public override Extent Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) => ShortNumbers.Read(ref reader, 2) switch
    {
        [var side] => side,
        [var height, var width] => new Extent(height, width),
        _ => throw new JsonException("expected a number, or [height, width]"),
    };

    public override void Write(Utf8JsonWriter writer, Extent value, JsonSerializerOptions options) =>
        ShortNumbers.Write(writer, value.IsSquare ? [value.Height] : [value.Height, value.Width]);
}

/// <summary>One number, or a list of a few.</summary>
internal static class ShortNumbers
{
    public static List<int> Read(ref Utf8JsonReader reader, int most)
    {
        if (reader.TokenType == JsonTokenType.Number) return [reader.GetInt32()];
        if (reader.TokenType != JsonTokenType.StartArray) throw new JsonException("expected a number or a list of numbers");
        var numbers = new List<int>();
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            if (reader.TokenType != JsonTokenType.Number || numbers.Count == most) throw new JsonException($"expected a list of at most {most} numbers");
            numbers.Add(reader.GetInt32());
        }

        return numbers;
    }

    public static void Write(Utf8JsonWriter writer, ReadOnlySpan<int> numbers)
    {
        if (numbers.Length == 1)
        {
            writer.WriteNumberValue(numbers[0]);
            return;
        }

        writer.WriteStartArray();
        foreach (var number in numbers) writer.WriteNumberValue(number);
        writer.WriteEndArray();
    }
}
