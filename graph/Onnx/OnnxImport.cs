using Google.Protobuf;
using Lathe.Contracts;
using Lathe.Graph.Checkpoints;
using Lathe.Graph.Onnx.Format;
using Lathe.Graph.Keras;
using Lathe.Graph.TfLite;

namespace Lathe.Graph.Onnx;

/// <summary>A network that came from elsewhere.</summary>
/// <param name="Graph">The network.</param>
/// <param name="Values">Values of its tensors by name, row by row in the shapes of <see cref="ParameterShapes"/>.</param>
/// <param name="Notes">Notes about the import for the user, one sentence each.</param>
public sealed record ImportedNetwork(NetworkGraph Graph, IReadOnlyDictionary<string, float[]> Values, IReadOnlyList<string> Notes)
{
    /// <summary>The file has images as [N, H, W, C], or sequences as [N, W, C].</summary>
    public bool IsChannelsLast { get; init; }

    /// <summary>The operator at the file's end that the network leaves out, such as Softmax; null: none.</summary>
    public string? End { get; init; }
}

/// <summary>
/// Reads a classification network from an ONNX file, operator set 11 or newer, as PyTorch, timm and Keras (tf2onnx) export them, from a float TFLite file, or from
/// an HDF5 file of Keras. The whole
/// network is taken or none of it. Reading takes time and memory in proportion to the file's length, whatever the file claims.
/// </summary>
public static class OnnxImport
{
    /// <summary>Oldest version of ONNX's operator set that is read.</summary>
    public const int OldestOperatorSet = 11;

    /// <summary>Operators that are read, at least in some of their uses; docs/import.md lists them for people.</summary>
    public static IReadOnlyList<string> Operators { get; } = [.. new GraphImport(new GraphProto(), OldestOperatorSet, new OnnxConstants(0)).Known.Order(StringComparer.Ordinal)];

    private const int MostNesting = 32;
    private const int MostNodes = 200_000;

    /// <summary>Reads a file.</summary>
    /// <param name="path">The file; its name without the extension becomes the network's.</param>
    /// <exception cref="LatheException">Not there, damaged, or with operators that a network cannot have: all of them are named.</exception>
    public static ImportedNetwork Read(string path)
    {
        using var stream = ReadableFile.Open(path);
        if (stream.Length > Array.MaxLength)
            throw new LatheException($"{path} has {stream.Length} bytes; an ONNX file has at most {Array.MaxLength}");
        var bytes = new byte[stream.Length];
        try
        {
            stream.ReadExactly(bytes);
        }
        catch (IOException fault)
        {
            throw new LatheException($"{path} cannot be read: {fault.Message}", FailureKind.Transient, fault);
        }

        return Read(bytes, path, Path.GetFileNameWithoutExtension(path), new ExternalData(Path.GetDirectoryName(Path.GetFullPath(path))!));
    }

    /// <summary>Reads a file's bytes.</summary>
    /// <param name="bytes">The file.</param>
    /// <param name="source">What to call it in messages.</param>
    /// <param name="name">Name of the network.</param>
    /// <exception cref="LatheException">Damaged, or with operators that a network cannot have.</exception>
    public static ImportedNetwork Read(byte[] bytes, string source, string name) => Read(bytes, source, name, null);

    private static ImportedNetwork Read(byte[] bytes, string source, string name, ExternalData? external)
    {
        try
        {
            if (bytes.Length == 0) throw new LatheException("the file is empty. Get or export it again");
            if (TfLiteGraph.IsOne(bytes)) return Import(TfLiteGraph.Read(bytes), TfLiteGraph.OperatorSet, bytes.LongLength, name);
            if (KerasFile.IsOne(bytes)) return Import(KerasGraph.Read(bytes), KerasGraph.OperatorSet, bytes.LongLength, name);
            var model = Parse(bytes);
            CheckVersion(model);
            if (model.Graph is not { Node.Count: > 0 and <= MostNodes } graph)
                throw new LatheException($"it has {model.Graph?.Node.Count ?? 0} nodes; expected between 1 and {MostNodes}");
            var version = model.OpsetImport.First(IsDefault).Version;
            var outside = external?.TakeIn(graph) ?? 0;
            return Import(graph, (int)version, bytes.LongLength + outside, name);
        }
        catch (LatheException fault)
        {
            throw new LatheException($"{source} cannot be imported: {fault.Message}", inner: fault);
        }
    }

    /// <summary>
    /// A file does not say which axis of its input has the channels; what the graph does with it tells. Under each reading that works the logits are the file's, and
    /// the likeliest is tried first. If none works, its faults are the answer.
    /// </summary>
    private static ImportedNetwork Import(GraphProto graph, int version, long bytes, string name)
    {
        LatheException? first = null;
        for (var reading = 0; ; reading++)
        {
            var import = new GraphImport(graph, version, new OnnxConstants(bytes), reading);
            try
            {
                return import.Run(name);
            }
            catch (LatheException fault)
            {
                first ??= fault;
                if (reading + 1 >= import.Readings) throw ReferenceEquals(first, fault) ? fault : new LatheException(first.Message, inner: first);
            }
        }
    }

    private static ModelProto Parse(byte[] bytes)
    {
        try
        {
            using var input = CodedInputStream.CreateWithLimits(new MemoryStream(bytes), int.MaxValue, MostNesting);
            return ModelProto.Parser.WithDiscardUnknownFields(true).ParseFrom(input);
        }
        catch (InvalidProtocolBufferException fault)
        {
            throw new LatheException($"it is no sound ONNX file: {fault.Message.TrimEnd('.')}. Get or export it again", inner: fault);
        }
    }

    private static void CheckVersion(ModelProto model)
    {
        var version = model.OpsetImport.FirstOrDefault(IsDefault)?.Version
            ?? throw new LatheException("it names no version of ONNX's operator set, so it is no ONNX model");
        if (version is < OldestOperatorSet or > int.MaxValue)
            throw new LatheException($"it is of operator set {version}; expected {OldestOperatorSet} or newer (torch.onnx.export(..., opset_version=17))");
    }

    private static bool IsDefault(OperatorSetIdProto set) => set.Domain is "" or "ai.onnx";
}
