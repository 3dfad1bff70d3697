using System.Globalization;
using System.Text;
using System.Text.Json;

namespace Lathe.Contracts;

/// <summary>One text for each JSON value: keys sorted, no space, numbers in shortest form, so that 0.50 and 5e-1 are 0.5.</summary>
public static class CanonicalJson
{
    /// <summary>Writes a value in canonical form.</summary>
    /// <exception cref="ArgumentException">The value is undefined or holds a number beyond double and decimal.</exception>
    public static string Write(JsonElement value)
    {
        var text = new StringBuilder();
        Append(text, value);
        return text.ToString();
    }

    private static void Append(StringBuilder text, JsonElement value)
    {
        switch (value.ValueKind)
        {
            case JsonValueKind.Object:
                AppendObject(text, value);
                break;
            case JsonValueKind.Array:
                text.Append('[');
                var first = true;
                foreach (var item in value.EnumerateArray())
                {
                    if (!first) text.Append(',');
                    first = false;
                    Append(text, item);
                }

                text.Append(']');
                break;
            case JsonValueKind.Number:
                text.Append(Number(value));
                break;
            case JsonValueKind.String:
                text.Append(JsonSerializer.Serialize(value.GetString()));
                break;
            case JsonValueKind.True:
                text.Append("true");
                break;
            case JsonValueKind.False:
                text.Append("false");
                break;
            case JsonValueKind.Null:
                text.Append("null");
                break;
            default:
                throw new ArgumentException($"a JSON value of kind {value.ValueKind} has no canonical form", nameof(value));
        }
    }

    private static void AppendObject(StringBuilder text, JsonElement value)
    {
        text.Append('{');
        var first = true;
        foreach (var property in value.EnumerateObject().OrderBy(p => p.Name, StringComparer.Ordinal))
        {
            if (!first) text.Append(',');
            first = false;
            text.Append(JsonSerializer.Serialize(property.Name)).Append(':');
            Append(text, property.Value);
        }

        text.Append('}');
    }

    private static string Number(JsonElement value)
    {
        if (value.TryGetInt64(out var whole)) return whole.ToString(CultureInfo.InvariantCulture);
        var number = value.GetDouble();
        if (!double.IsFinite(number)) throw new ArgumentException($"the number {value.GetRawText()} is out of range", nameof(value));
        return number == Math.Floor(number) && Math.Abs(number) < 1e15
            ? ((long)number).ToString(CultureInfo.InvariantCulture)
            : number.ToString("R", CultureInfo.InvariantCulture);
    }
}
