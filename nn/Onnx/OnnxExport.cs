using Google.Protobuf;
using Lathe.Contracts;
using Lathe.Graph;
using Lathe.Graph.Checkpoints;
using Lathe.Graph.Onnx;
using Lathe.Graph.Onnx.Format;
using Lathe.NN.Checkpoints;
using static TorchSharp.torch;

namespace Lathe.NN.Onnx;

/// <summary>
/// Writes a network as an ONNX model of operator set 18 in float32. It has one input, <see cref="Input"/>, float32 [N, C, H, W] of
/// normalized pixels with N free, and one output, <see cref="Logits"/>, float32 [N, classes]. Batch norm stays a node of its own and
/// dropout, which does nothing in evaluation, is left out. The same network and metadata always give the same bytes.
/// </summary>
public static class OnnxExport
{
    /// <summary>Name of the model's input.</summary>
    public const string Input = "input";

    /// <summary>Name of the model's output.</summary>
    public const string Logits = "logits";

    /// <summary>Version of ONNX's operator set that models are written in.</summary>
    public const int OperatorSet = 18;

    // The version of the file format that came with operator set 18; and those with which there are integers of 4 and of 2 bits.
    private const int IrVersion = 8;
    private static readonly IReadOnlyDictionary<OnnxWeightType, (int OperatorSet, int IrVersion)> Versions = new Dictionary<OnnxWeightType, (int, int)>
    {
        [OnnxWeightType.Int8] = (OperatorSet, IrVersion),
        [OnnxWeightType.Int4] = (21, 10),
        [OnnxWeightType.Int2] = (25, 13),
    };

    /// <summary>Version of ONNX's operator set that has a type of weights.</summary>
    public static int OperatorSetOf(OnnxWeightType type) => Versions[type].OperatorSet;

    private const string Batch = "N";

    // Protocol buffers end at 2 GiB; the rest is for graph and metadata.
    private const long MostWeightBytes = int.MaxValue - (64L << 20);

    /// <summary>Origin of a checkpoint's model: model, lineage, digest.</summary>
    /// <param name="checkpoint">The checkpoint.</param>
    /// <param name="sha256">Digest of its file.</param>
    public static IReadOnlyDictionary<string, string> Metadata(Checkpoint checkpoint, string sha256) => new SortedDictionary<string, string>(StringComparer.Ordinal)
    {
        ["lathe.checkpoint"] = sha256,
        ["lathe.lineage"] = CheckpointMetadata.LineageJson(checkpoint.Lineage),
        ["lathe.model"] = checkpoint.Graph.Name,
    };

    /// <summary>Writes the model. The owner of the stream makes the write atomic (temporary file, then rename).</summary>
    /// <param name="to">Written forward only.</param>
    /// <param name="graph">The network.</param>
    /// <param name="tensors">Its tensors by name; any floating type, on any device.</param>
    /// <param name="metadata">Strings for the model's <c>metadata_props</c>.</param>
    /// <exception cref="LatheException">The graph is invalid, a tensor is missing or of another shape, or the model is too large for the format.</exception>
    public static void Write(
        Stream to, NetworkGraph graph, IReadOnlyDictionary<string, Tensor> tensors, IReadOnlyDictionary<string, string> metadata) =>
        Model(graph, tensors, metadata).WriteTo(to);

    /// <summary>
    /// Writes a model whose quantized weights are whole numbers, with batch norm as part of the layers that it follows.
    /// </summary>
    /// <param name="to">Written forward only.</param>
    /// <param name="checkpoint">At least one of its weights has a format.</param>
    /// <param name="type">How weights are stored.</param>
    /// <param name="metadata">Strings for the model's <c>metadata_props</c>.</param>
    /// <exception cref="LatheException">No weight is quantized, or one has too many bits for the type.</exception>
    public static void WriteQuantized(Stream to, Checkpoint checkpoint, OnnxWeightType type, IReadOnlyDictionary<string, string> metadata)
    {
        if (checkpoint.Formats.Count == 0)
            throw new LatheException($"network '{checkpoint.Graph.Name}' has float weights; quantize it first, or export it as onnx");
        var most = type switch { OnnxWeightType.Int2 => 2, OnnxWeightType.Int4 => 4, _ => 8 };
        var wide = checkpoint.Formats.Where(f => f.Value.Bits > most).ToList();
        if (wide.Count > 0)
        {
            var (bits, others) = (wide.Max(f => f.Value.Bits), wide.Count == 1 ? "" : $" and {wide.Count - 1} more");
            throw new LatheException(
                $"weight '{wide[0].Key}'{others} of {bits} bits: {type.ToString().ToLowerInvariant()} holds at most {most}; store them as {(bits <= 4 ? "int4" : "int8")}");
        }

        var quantization = new OnnxQuantization(checkpoint.Graph, checkpoint.Tensors, checkpoint.Formats, type);
        var model = Model(checkpoint.Graph, checkpoint.Tensors, metadata, quantization.Write);
        (model.OpsetImport[0].Version, model.IrVersion) = Versions[type];
        model.WriteTo(to);
    }

    /// <summary>Writes a QONNX model: a float model in which nodes IntQuant round what the network rounds, and whose weights are the numbers that they stand for.</summary>
    /// <param name="to">Written forward only.</param>
    /// <param name="checkpoint">At least one of its weights has a format.</param>
    /// <param name="metadata">Strings for the model's <c>metadata_props</c>.</param>
    /// <exception cref="LatheException">No weight is quantized.</exception>
    public static void WriteQonnx(Stream to, Checkpoint checkpoint, IReadOnlyDictionary<string, string> metadata)
    {
        if (checkpoint.Formats.Count == 0)
            throw new LatheException($"network '{checkpoint.Graph.Name}' has float weights; quantize it first, or export it as onnx");
        var nodes = new QonnxNodes(checkpoint.Tensors, checkpoint.Formats);
        var model = Model(checkpoint.Graph, checkpoint.Tensors, metadata, nodes.Write);
        QonnxNodes.Complete(model);
        model.WriteTo(to);
    }

    /// <summary>The model as it is written.</summary>
    internal static ModelProto Model(
        NetworkGraph graph,
        IReadOnlyDictionary<string, Tensor> tensors,
        IReadOnlyDictionary<string, string> metadata,
        Func<OnnxGraphWriter, Node, bool>? own = null)
    {
        var shapes = GraphValidation.Check(graph);
        var bytes = ParameterShapes.Of(graph).Sum(p => p.Values * sizeof(float));
        if (bytes > MostWeightBytes)
            throw new LatheException($"network '{graph.Name}' has {bytes} bytes of weights; an ONNX file holds at most {MostWeightBytes}");
        var writer = new OnnxGraphWriter(graph, shapes);
        foreach (var node in graph.Nodes)
        {
            if (own?.Invoke(writer, node) != true) OnnxNodes.Write(writer, node, tensors);
        }

        writer.Graph.Input.Add(OnnxMessages.Value(Input, Batch, graph.Input));
        writer.Graph.Output.Add(OnnxMessages.Value(Logits, Batch, shapes[graph.Output]));
        var model = new ModelProto { IrVersion = IrVersion, ProducerName = "Lathe", Graph = writer.Graph };
        model.OpsetImport.Add(new OperatorSetIdProto { Domain = "", Version = OperatorSet });
        foreach (var (key, value) in metadata.OrderBy(m => m.Key, StringComparer.Ordinal))
            model.MetadataProps.Add(new StringStringEntryProto { Key = key, Value = value });
        return model;
    }
}
