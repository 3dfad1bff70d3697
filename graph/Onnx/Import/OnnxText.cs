using System.Text;
using Lathe.Graph.Onnx.Format;

namespace Lathe.Graph.Onnx;

/// <summary>Names in ONNX files, for people and for the network's nodes.</summary>
internal static class OnnxText
{
    private const int MostShown = 80;
    private const int MostCharacters = 150;

    /// <summary>A name from a file, of bounded length and on one line.</summary>
    public static string Short(string name)
    {
        var text = new StringBuilder();
        foreach (var c in name.AsSpan(0, Math.Min(name.Length, MostShown)))
            text.Append(char.IsControl(c) || char.IsSurrogate(c) ? '?' : c);
        return name.Length > MostShown ? $"{text}..." : text.ToString();
    }

    /// <summary>Operator and name of a node: <c>Conv '/features/features.0/Conv'</c>. Without a name, what it makes.</summary>
    public static string Describe(NodeProto node)
    {
        var operation = node.Domain is "" or "ai.onnx" ? node.OpType : $"{node.Domain}.{node.OpType}";
        return $"{Short(operation)} '{Short(node.Name.Length > 0 ? node.Name : node.Output.FirstOrDefault() ?? "")}'";
    }

    /// <summary>
    /// A name for the network's node: that of the layer whose weight it reads, else of the ONNX node. PyTorch's paths become module names,
    /// <c>/layer1/layer1.0/conv1/Conv</c> to <c>layer1.0.conv1</c>.
    /// </summary>
    /// <param name="node">The node.</param>
    /// <param name="weight">Name of the weight it reads; null: none.</param>
    public static string NodeName(NodeProto node, string? weight)
    {
        const string Suffix = ".weight";
        if (weight is not null && weight.Length > Suffix.Length && weight.EndsWith(Suffix, StringComparison.Ordinal) && !weight.Contains(':', StringComparison.Ordinal))
            return Clean(weight[..^Suffix.Length]);
        var parts = node.Name.Split('/', StringSplitOptions.RemoveEmptyEntries).ToList();
        var isOwn = parts.Count > 1 && (parts[^1] == node.OpType || parts[^1].StartsWith(node.OpType + "_", StringComparison.Ordinal));
        if (isOwn) parts.RemoveAt(parts.Count - 1);
        for (var i = parts.Count - 1; i > 0; i--)
        {
            if (parts[i].StartsWith(parts[i - 1] + ".", StringComparison.Ordinal)) parts.RemoveAt(i - 1);
        }

        var name = Clean(string.Join('.', parts));
        return name.Length > 0 ? name : Clean(node.OpType.ToLowerInvariant());
    }

    private static string Clean(string name)
    {
        var text = new StringBuilder();
        foreach (var c in name.AsSpan(0, Math.Min(name.Length, MostCharacters)))
            text.Append(char.IsAsciiLetterOrDigit(c) || c is '.' or '_' or '-' ? c : '_');
        return text.ToString() is NetworkGraph.InputName ? NetworkGraph.InputName + "_" : text.ToString();
    }
}
