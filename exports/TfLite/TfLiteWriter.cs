using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using Google.FlatBuffers;

namespace Lathe.Exports.TfLite;

/// <summary>
/// A TFLite file in the making: one subgraph of tensors and operators, whose names and numbers are the schema's. The same calls give the same bytes.
/// </summary>
internal sealed class TfLiteWriter
{
    // Runtimes map buffers into memory and read vectors there.
    private const int BufferAlignment = 16;
    private const int VersionBytes = 16;

    private readonly FlatBufferBuilder _builder = new(1 << 16);

    // Buffer 0 is the empty one, of tensors that are computed.
    private readonly List<byte[]> _buffers = [[]];
    private readonly List<int> _tensors = [];
    private readonly List<int> _operators = [];
    private readonly List<(TfLiteOperator Operator, int Version)> _codes = [];
    private readonly List<(string Name, int Buffer)> _metadata = [];
    private readonly HashSet<string> _names = [];

    // The first release of the runtime that has an operator in a version.
    private static readonly Dictionary<(TfLiteOperator, int), Version> Releases = new()
    {
        [(TfLiteOperator.Conv2D, 6)] = new(2, 9, 0),
        [(TfLiteOperator.Conv2D, 7)] = new(2, 11, 0),
        [(TfLiteOperator.FullyConnected, 10)] = new(2, 11, 0),
        [(TfLiteOperator.Mul, 3)] = new(1, 15, 0),
    };

    private static readonly Version FirstRelease = new(1, 14, 0);

    /// <summary>The oldest release of the runtime that has all operators.</summary>
    public Version MinimumRuntime => _codes.Select(code => Releases.GetValueOrDefault(code, FirstRelease)).Append(FirstRelease).Max()!;

    /// <summary>Adds a tensor that is computed, or given.</summary>
    public int Tensor(string name, TfLiteType type, int[] shape, Scales? scales = null) => Tensor(name, type, shape, 0, scales);

    /// <summary>Adds a constant of bytes as they lie in the file.</summary>
    public int Constant(string name, TfLiteType type, int[] shape, byte[] content, Scales? scales = null)
    {
        _buffers.Add(content);
        return Tensor(name, type, shape, _buffers.Count - 1, scales);
    }

    /// <summary>Adds a constant of 32-bit numbers.</summary>
    public int Constant(string name, int[] shape, int[] values, Scales? scales = null) =>
        Constant(name, TfLiteType.Int32, shape, MemoryMarshal.AsBytes<int>(values).ToArray(), scales);

    /// <summary>Adds an operator.</summary>
    /// <param name="kind">Which.</param>
    /// <param name="version">Its least version that has what is asked of it.</param>
    /// <param name="inputs">Tensors.</param>
    /// <param name="output">Tensor.</param>
    /// <param name="type">Of its options.</param>
    /// <param name="options">Their fields, each with its number and usual value.</param>
    public void Operator(TfLiteOperator kind, int version, int[] inputs, int output, TfLiteOptions type = TfLiteOptions.None, params ReadOnlySpan<Field> options)
    {
        var code = _codes.IndexOf((kind, version));
        if (code < 0)
        {
            code = _codes.Count;
            _codes.Add((kind, version));
        }

        var content = type == TfLiteOptions.None ? 0 : Options(options);
        var (reads, makes) = (Numbers(inputs), Numbers([output]));
        _builder.StartTable(TfLiteFields.OperatorCount);
        _builder.AddUint(TfLiteFields.OperatorCode, (uint)code, 0);
        _builder.AddOffset(TfLiteFields.OperatorInputs, reads, 0);
        _builder.AddOffset(TfLiteFields.OperatorOutputs, makes, 0);
        _builder.AddByte(TfLiteFields.OperatorOptionsType, (byte)type, 0);
        if (content != 0) _builder.AddOffset(TfLiteFields.OperatorOptions, content, 0);
        _operators.Add(_builder.EndTable());
    }

    /// <summary>Adds a text that describes the file.</summary>
    public void Metadata(string name, string value) => Metadata(name, Encoding.UTF8.GetBytes(value));

    /// <summary>The file.</summary>
    /// <param name="name">Of the subgraph.</param>
    /// <param name="description">One line for people.</param>
    /// <param name="input">What is given.</param>
    /// <param name="output">What is computed.</param>
    public byte[] Finish(string name, string description, (string Name, int Tensor) input, (string Name, int Tensor) output)
    {
        var version = new byte[VersionBytes];
        Encoding.ASCII.GetBytes(MinimumRuntime.ToString(3), version);
        Metadata("min_runtime_version", version);

        var subgraph = Subgraph(name, input.Tensor, output.Tensor);
        var subgraphs = Offsets([subgraph]);
        var signatures = Offsets([Signature(input, output)]);
        var codes = Offsets([.. _codes.Select(Code)]);
        var metadata = Offsets([.. _metadata.Select(Entry)]);
        var buffers = Offsets([.. _buffers.Select(Buffer)]);
        var text = _builder.CreateString(description).Value;
        _builder.StartTable(TfLiteFields.ModelCount);
        _builder.AddUint(TfLiteFields.ModelVersion, TfLiteFields.Version, 0);
        _builder.AddOffset(TfLiteFields.ModelCodes, codes, 0);
        _builder.AddOffset(TfLiteFields.ModelSubgraphs, subgraphs, 0);
        _builder.AddOffset(TfLiteFields.ModelDescription, text, 0);
        _builder.AddOffset(TfLiteFields.ModelBuffers, buffers, 0);
        _builder.AddOffset(TfLiteFields.ModelMetadata, metadata, 0);
        _builder.AddOffset(TfLiteFields.ModelSignatures, signatures, 0);
        _builder.Finish(_builder.EndTable(), TfLiteFields.FileIdentifier);
        return _builder.SizedByteArray();
    }

    /// <summary>A name that no tensor has yet.</summary>
    private string Unique(string name)
    {
        var unique = name;
        for (var i = 1; !_names.Add(unique); i++) unique = string.Create(CultureInfo.InvariantCulture, $"{name}.{i}");
        return unique;
    }

    private int Tensor(string name, TfLiteType type, int[] shape, int buffer, Scales? scales)
    {
        var (text, extents, quantization) = (_builder.CreateString(Unique(name)).Value, Numbers(shape), scales is null ? 0 : Quantization(scales));
        _builder.StartTable(TfLiteFields.TensorCount);
        _builder.AddOffset(TfLiteFields.TensorShape, extents, 0);
        _builder.AddByte(TfLiteFields.TensorType, (byte)type, 0);
        _builder.AddUint(TfLiteFields.TensorBuffer, (uint)buffer, 0);
        _builder.AddOffset(TfLiteFields.TensorName, text, 0);
        if (quantization != 0) _builder.AddOffset(TfLiteFields.TensorQuantization, quantization, 0);
        _tensors.Add(_builder.EndTable());
        return _tensors.Count - 1;
    }

    private int Quantization(Scales scales)
    {
        _builder.StartVector(sizeof(float), scales.Values.Length, sizeof(float));
        for (var i = scales.Values.Length - 1; i >= 0; i--) _builder.AddFloat(scales.Values[i]);
        var values = _builder.EndVector().Value;
        _builder.StartVector(sizeof(long), scales.Values.Length, sizeof(long));
        for (var i = 0; i < scales.Values.Length; i++) _builder.AddLong(scales.Zero);
        var zeros = _builder.EndVector().Value;
        _builder.StartTable(TfLiteFields.QuantizationCount);
        _builder.AddOffset(TfLiteFields.QuantizationScale, values, 0);
        _builder.AddOffset(TfLiteFields.QuantizationZero, zeros, 0);
        _builder.AddInt(TfLiteFields.QuantizationDimension, scales.Dimension, 0);
        return _builder.EndTable();
    }

    private int Options(ReadOnlySpan<Field> fields)
    {
        var vectors = new int[fields.Length];
        for (var i = 0; i < fields.Length; i++) vectors[i] = fields[i].List is { } list ? Numbers(list) : 0;
        var count = 0;
        foreach (var field in fields) count = Math.Max(count, field.Number + 1);
        _builder.StartTable(count);
        for (var i = 0; i < fields.Length; i++)
        {
            var field = fields[i];
            if (field.List is not null) _builder.AddOffset(field.Number, vectors[i], 0);
            else if (field.IsByte) _builder.AddByte(field.Number, (byte)field.Value, (byte)field.Usual);
            else _builder.AddInt(field.Number, field.Value, field.Usual);
        }

        return _builder.EndTable();
    }

    private int Subgraph(string name, int input, int output)
    {
        var (tensors, operators) = (Offsets(_tensors), Offsets(_operators));
        var (inputs, outputs) = (Numbers([input]), Numbers([output]));
        var text = _builder.CreateString(name).Value;
        _builder.StartTable(TfLiteFields.SubgraphCount);
        _builder.AddOffset(TfLiteFields.SubgraphTensors, tensors, 0);
        _builder.AddOffset(TfLiteFields.SubgraphInputs, inputs, 0);
        _builder.AddOffset(TfLiteFields.SubgraphOutputs, outputs, 0);
        _builder.AddOffset(TfLiteFields.SubgraphOperators, operators, 0);
        _builder.AddOffset(TfLiteFields.SubgraphName, text, 0);
        return _builder.EndTable();
    }

    private int Signature((string Name, int Tensor) input, (string Name, int Tensor) output)
    {
        var (inputs, outputs) = (Offsets([Named(input)]), Offsets([Named(output)]));
        var key = _builder.CreateString("serving_default").Value;
        _builder.StartTable(TfLiteFields.SignatureCount);
        _builder.AddOffset(TfLiteFields.SignatureInputs, inputs, 0);
        _builder.AddOffset(TfLiteFields.SignatureOutputs, outputs, 0);
        _builder.AddOffset(TfLiteFields.SignatureKey, key, 0);
        return _builder.EndTable();
    }

    private int Named((string Name, int Tensor) tensor)
    {
        var text = _builder.CreateString(tensor.Name).Value;
        _builder.StartTable(TfLiteFields.NamedCount);
        _builder.AddOffset(TfLiteFields.NamedName, text, 0);
        _builder.AddUint(TfLiteFields.NamedTensor, (uint)tensor.Tensor, 0);
        return _builder.EndTable();
    }

    private int Code((TfLiteOperator Operator, int Version) code)
    {
        _builder.StartTable(TfLiteFields.CodeCount);
        // Where readers of old files look; it holds numbers up to 127.
        _builder.AddSbyte(TfLiteFields.CodeDeprecated, (sbyte)Math.Min((int)code.Operator, sbyte.MaxValue), 0);
        _builder.AddInt(TfLiteFields.CodeVersion, code.Version, 1);
        _builder.AddInt(TfLiteFields.CodeBuiltin, (int)code.Operator, 0);
        return _builder.EndTable();
    }

    private int Entry((string Name, int Buffer) entry)
    {
        var text = _builder.CreateString(entry.Name).Value;
        _builder.StartTable(TfLiteFields.MetadataCount);
        _builder.AddOffset(TfLiteFields.MetadataName, text, 0);
        _builder.AddUint(TfLiteFields.MetadataBuffer, (uint)entry.Buffer, 0);
        return _builder.EndTable();
    }

    private int Buffer(byte[] content)
    {
        var data = 0;
        if (content.Length > 0)
        {
            _builder.StartVector(1, content.Length, BufferAlignment);
            _builder.Add(content);
            data = _builder.EndVector().Value;
        }

        _builder.StartTable(TfLiteFields.BufferCount);
        if (data != 0) _builder.AddOffset(TfLiteFields.BufferData, data, 0);
        return _builder.EndTable();
    }

    private void Metadata(string name, byte[] value)
    {
        _buffers.Add(value);
        _metadata.Add((name, _buffers.Count - 1));
    }

    private int Numbers(ReadOnlySpan<int> values)
    {
        _builder.StartVector(sizeof(int), values.Length, sizeof(int));
        for (var i = values.Length - 1; i >= 0; i--) _builder.AddInt(values[i]);
        return _builder.EndVector().Value;
    }

    private int Offsets(IReadOnlyList<int> offsets)
    {
        _builder.StartVector(sizeof(int), offsets.Count, sizeof(int));
        for (var i = offsets.Count - 1; i >= 0; i--) _builder.AddOffset(offsets[i]);
        return _builder.EndVector().Value;
    }
}

/// <summary>What a tensor's whole numbers stand for: q for (q − Zero)·scale.</summary>
/// <param name="Values">One scale, or one for each channel.</param>
/// <param name="Zero">0 wherever there are several scales.</param>
/// <param name="Dimension">Axis of the channels, of which each has a scale.</param>
internal sealed record Scales(float[] Values, int Zero = 0, int Dimension = 0);

/// <summary>A field of an operator's options.</summary>
/// <param name="Number">In its table.</param>
/// <param name="Value">A number.</param>
/// <param name="IsByte">It has one byte, else four.</param>
/// <param name="Usual">Value that is not written.</param>
/// <param name="List">Numbers in place of one.</param>
internal readonly record struct Field(int Number, int Value, bool IsByte = false, int Usual = 0, int[]? List = null);
