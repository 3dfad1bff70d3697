using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using Lathe.Contracts;

namespace Lathe.Graph.Checkpoints;

/// <summary>How a stored weight is to be unpacked.</summary>
/// <param name="Bits">Bits of one field.</param>
/// <param name="Shape">Shape of the weight.</param>
internal sealed record PackedShape(int Bits, long[] Shape);

/// <summary>The strings in a checkpoint's <c>__metadata__</c>.</summary>
internal sealed record CheckpointMetadata(
    NetworkGraph Graph, Lineage Lineage, IReadOnlyDictionary<string, PackedShape> Packed)
{
    private const string FormatKey = "lathe.format";
    private const string GraphKey = "lathe.graph";
    private const string LineageKey = "lathe.lineage";
    private const string QuantizationKey = "lathe.quantization";
    private const string Format = "1";

    private static readonly JsonSerializerOptions Options = CreateOptions();

    public static Dictionary<string, string> Write(
        NetworkGraph graph, Lineage lineage, IReadOnlyDictionary<string, WeightFormat> formats)
    {
        var shapes = ParameterShapes.Of(graph).ToDictionary(p => p.Name, p => p.Shape);
        var packed = formats.ToDictionary(f => f.Key, f => new PackedShape(f.Value.Bits, [.. shapes[f.Key]]));
        return new()
        {
            [FormatKey] = Format,
            [GraphKey] = GraphJson.Write(graph),
            [LineageKey] = LineageJson(lineage),
            [QuantizationKey] = Canonical(packed, "quantization"),
        };
    }

    /// <summary>Bytes of a header in its file, by part.</summary>
    /// <param name="metadata">Its strings.</param>
    /// <param name="length">All of it.</param>
    public static CheckpointText Sizes(IReadOnlyDictionary<string, string> metadata, long length)
    {
        var (graph, history) = (Bytes(GraphKey), Bytes(LineageKey));
        return new CheckpointText(graph, history, length - graph - history);

        // As a JSON string, quoted and escaped.
        long Bytes(string key) => JsonEncodedText.Encode(metadata[key], JavaScriptEncoder.UnsafeRelaxedJsonEscaping).EncodedUtf8Bytes.Length + 2;
    }

    /// <summary>A lineage as canonical JSON.</summary>
    /// <exception cref="LatheException">It holds what JSON cannot.</exception>
    public static string LineageJson(Lineage lineage) => Canonical(lineage, "lineage");

    /// <exception cref="LatheException">Not the metadata of a checkpoint.</exception>
    public static CheckpointMetadata Read(IReadOnlyDictionary<string, string> metadata, string source)
    {
        if (!metadata.TryGetValue(FormatKey, out var format))
            throw new LatheException($"{source} is a safetensors file, but no Lathe checkpoint: its metadata has no '{FormatKey}'");
        if (format != Format)
            throw new LatheException($"{source} is a checkpoint of format '{format}'; this Lathe reads format '{Format}'");
        try
        {
            return new CheckpointMetadata(
                GraphJson.Read(Value(metadata, GraphKey, source)),
                Parse<Lineage>(metadata, LineageKey, source),
                Parse<Dictionary<string, PackedShape>>(metadata, QuantizationKey, source));
        }
        catch (LatheException e) when (!e.Message.StartsWith(source, StringComparison.Ordinal))
        {
            throw new LatheException($"{source} holds no valid network: {e.Message}", inner: e);
        }
    }

    private static string Canonical<T>(T value, string what)
    {
        try
        {
            return CanonicalJson.Write(JsonSerializer.SerializeToElement(value, Options));
        }
        catch (Exception e) when (e is ArgumentException or InvalidOperationException or NotSupportedException or JsonException)
        {
            throw new LatheException($"the checkpoint's {what} cannot be written: {e.Message}", inner: e);
        }
    }

    private static T Parse<T>(IReadOnlyDictionary<string, string> metadata, string key, string source)
        where T : class
    {
        try
        {
            return JsonSerializer.Deserialize<T>(Value(metadata, key, source), Options)
                ?? throw new LatheException($"{source} has null as '{key}' in its metadata");
        }
        catch (Exception e) when (e is JsonException or NotSupportedException or InvalidOperationException or ArgumentException)
        {
            throw new LatheException($"{source} has a damaged '{key}' in its metadata: {e.Message}", inner: e);
        }
    }

    private static string Value(IReadOnlyDictionary<string, string> metadata, string key, string source) =>
        metadata.TryGetValue(key, out var value) ? value : throw new LatheException($"{source} has no '{key}' in its metadata");

    private static JsonSerializerOptions CreateOptions()
    {
        var options = new JsonSerializerOptions(LatheJson.Options)
        {
            AllowDuplicateProperties = false,
            RespectNullableAnnotations = true,
            RespectRequiredConstructorParameters = true,
            UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
        };
        options.MakeReadOnly(populateMissingResolver: true);
        return options;
    }
}
