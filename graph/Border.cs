using System.Text.Json;
using System.Text.Json.Serialization;

namespace Lathe.Graph;

/// <summary>
/// Pixels around an image. As JSON one number where all four are equal, [rows, columns] where opposite sides are, else [top, left, bottom, right].
/// </summary>
/// <param name="Top">Rows above.</param>
/// <param name="Left">Columns before.</param>
/// <param name="Bottom">Rows below.</param>
/// <param name="Right">Columns behind.</param>
[JsonConverter(typeof(BorderJson))]
public readonly record struct Border(int Top, int Left, int Bottom, int Right)
{
    /// <summary>The same above and below, and the same at both sides.</summary>
    public Border(int rows, int columns)
        : this(rows, columns, rows, columns)
    {
    }

    /// <summary>None.</summary>
    public bool IsNone => this == default;

    /// <summary>Opposite sides are equal.</summary>
    public bool IsSymmetric => Top == Bottom && Left == Right;

    /// <summary>The widest side.</summary>
    public int Most => Math.Max(Math.Max(Top, Left), Math.Max(Bottom, Right));

    /// <summary>The narrowest side.</summary>
    public int Least => Math.Min(Math.Min(Top, Left), Math.Min(Bottom, Right));

    /// <summary>The same at all four sides.</summary>
    public static implicit operator Border(int side) => FromInt32(side);

    /// <summary>The same on all sides.</summary>
    public static Border FromInt32(int side) => new(side, side);

    /// <summary>Both, one around the other.</summary>
    public static Border operator +(Border left, Border right) => Add(left, right);

    /// <summary>Both, one around the other.</summary>
    public static Border Add(Border left, Border right) =>
        new(left.Top + right.Top, left.Left + right.Left, left.Bottom + right.Bottom, left.Right + right.Right);

    /// <summary>As messages show it.</summary>
    public override string ToString() => IsSymmetric ? Top == Left ? $"{Top}" : $"{Top} x {Left}" : $"[{Top}, {Left}, {Bottom}, {Right}]";
}

internal sealed class BorderJson : JsonConverter<Border>
{
    public override Border Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) => ShortNumbers.Read(ref reader, 4) switch
    {
        [var side] => side,
        [var rows, var columns] => new Border(rows, columns),
        [var top, var left, var bottom, var right] => new Border(top, left, bottom, right),
        _ => throw new JsonException("expected a number, [rows, columns] or [top, left, bottom, right]"),
    };

    public override void Write(Utf8JsonWriter writer, Border value, JsonSerializerOptions options) => ShortNumbers.Write(
        writer,
        !value.IsSymmetric ? [value.Top, value.Left, value.Bottom, value.Right] : value.Top == value.Left ? [value.Top] : [value.Top, value.Left]);
}
