using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using Lathe.Contracts;

namespace Lathe.Graph;

/// <summary>
/// A graph as JSON: <c>{"version":1,"name":…,"input":[C,H,W],"nodes":[{"op":"conv2d",…},…],"output":…}</c>. The same graph always
/// gives the same text.
/// </summary>
public static class GraphJson
{
    private static readonly JsonSerializerOptions Options = CreateOptions();

    private sealed record Document(int Version, string Name, int[] Input, IReadOnlyList<Node> Nodes, string Output);

    /// <summary>Writes a graph on one line.</summary>
    public static string Write(NetworkGraph graph)
    {
        int[] input = graph.Input.IsFlat ? [graph.Input.Channels] : [graph.Input.Channels, graph.Input.Height, graph.Input.Width];
        return JsonSerializer.Serialize(
            new Document(NetworkGraph.FormatVersion, graph.Name, input, graph.Nodes, graph.Output), Options);
    }

    /// <summary>Reads a graph and checks it with <see cref="GraphValidation"/>.</summary>
    /// <exception cref="LatheException">No JSON of this form and version, or not a valid network.</exception>
    public static NetworkGraph Read(string json)
    {
        var document = Parse(json);
        if (document.Version != NetworkGraph.FormatVersion)
            throw new LatheException(
                $"the network's JSON is of version {document.Version}; this Lathe reads version {NetworkGraph.FormatVersion}");
        var input = document.Input switch
        {
            [var channels] => new TensorShape(channels, IsFlat: true),
            [var channels, var height, var width] => new TensorShape(channels, height, width),
            _ => throw new LatheException("the network's JSON has an 'input' that is neither [C, H, W] nor [C]"),
        };
        var graph = new NetworkGraph(document.Name, input, document.Nodes, document.Output);
        GraphValidation.Check(graph);
        return graph;
    }

    private static Document Parse(string json)
    {
        try
        {
            return JsonSerializer.Deserialize<Document>(json, Options) ?? throw new LatheException("the network's JSON is null");
        }
        catch (Exception e) when (e is JsonException or NotSupportedException or InvalidOperationException or ArgumentException)
        {
            throw new LatheException($"the network's JSON cannot be read: {e.Message}", inner: e);
        }
    }

    private static JsonSerializerOptions CreateOptions()
    {
        var options = new JsonSerializerOptions(LatheJson.Options)
        {
            // The text is embedded in other JSON and never in HTML.
            Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
            AllowOutOfOrderMetadataProperties = true,
            AllowDuplicateProperties = false,
            PropertyNameCaseInsensitive = false,
            RespectNullableAnnotations = true,
            RespectRequiredConstructorParameters = true,
            UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
            MaxDepth = 8,
        };
        options.Converters.Clear();
        options.Converters.Add(new JsonStringEnumConverter(JsonNamingPolicy.CamelCase, allowIntegerValues: false));
        options.MakeReadOnly(populateMissingResolver: true);
        return options;
    }
}
