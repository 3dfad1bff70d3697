using System.Text.Json;
using System.Text.Json.Serialization;

namespace Lathe.Contracts;

/// <summary>JSON options for all of Lathe's records: camelCase names, enums as camelCase words.</summary>
public static class LatheJson
{
    /// <summary>In one line.</summary>
    public static JsonSerializerOptions Options { get; } = Create(indented: false);

    /// <summary>For people to read.</summary>
    public static JsonSerializerOptions Indented { get; } = Create(indented: true);

    private static JsonSerializerOptions Create(bool indented)
    {
        var options = new JsonSerializerOptions(JsonSerializerDefaults.Web)
        {
            WriteIndented = indented,
            Converters = { new JsonStringEnumConverter(JsonNamingPolicy.CamelCase) },
            NumberHandling = JsonNumberHandling.Strict,
        };
        options.MakeReadOnly(populateMissingResolver: true);
        return options;
    }
}
