using System.Collections.Concurrent;
using System.Text.Json;
using Lathe.Contracts;
using Lathe.Graph.Checkpoints;
using Lathe.Graph.Sizing;

namespace Lathe.Graph;

/// <summary>Networks as stages predict them for one another, see <see cref="NetworkForm"/>.</summary>
public static class NetworkForms
{
    /// <summary>Name of the size that counts trainable values.</summary>
    public const string Parameters = "parameters";

    /// <summary>Name of the size that counts products for one image.</summary>
    public const string Multiplications = "multiplications";

    /// <summary>Name of the size that counts the bytes of stored tensors, weights packed.</summary>
    public const string Bytes = "bytes";

    /// <summary>Name of the mean number of bits of a weight; a network of floats has no such size.</summary>
    public const string Bits = "bits";

    // A sweep asks about few networks, many times each.
    private const int MostKept = 64;

    private static readonly ConcurrentDictionary<string, NetworkGraph> Read = new(StringComparer.Ordinal);

    /// <summary>A network of floats that is known exactly.</summary>
    public static NetworkForm Of(NetworkGraph graph)
    {
        var size = Complexity.Of(graph);
        return new NetworkForm(
            JsonElement.Parse(GraphJson.Write(graph)),
            new Dictionary<string, SizeRange>
            {
                [Parameters] = new(size.Parameters, size.Parameters),
                [Multiplications] = new(size.Multiplications, size.Multiplications),
                [Bytes] = StoredBytes.Of(graph, _ => null),
            });
    }

    /// <summary>The graph of a form; the same text gives the same object as long as it is kept.</summary>
    /// <exception cref="LatheException">It is not a valid network.</exception>
    public static NetworkGraph GraphOf(NetworkForm form)
    {
        if (Read.Count > MostKept) Read.Clear();
        return Read.GetOrAdd(form.Graph.GetRawText(), GraphJson.Read);
    }
}
