using Google.Protobuf;
using Lathe.Graph.Onnx;
using Lathe.Graph.Onnx.Format;
using DataType = Lathe.Graph.Onnx.Format.TensorProto.Types.DataType;

namespace Lathe.Graph.Tests.Onnx;

/// <summary>Writes an ONNX graph down node by node, each reading the one before unless told otherwise.</summary>
internal sealed class HandMade
{
    private int _count;

    public HandMade(int operatorSet = 17, params long[] input)
    {
        Model = new ModelProto { IrVersion = 8, Graph = new GraphProto() };
        Model.OpsetImport.Add(new OperatorSetIdProto { Version = operatorSet });
        var shape = new TensorShapeProto();
        foreach (var extent in input.Length > 0 ? input : [-1, 2, 6, 6])
            shape.Dim.Add(extent < 0 ? new TensorShapeProto.Types.Dimension { DimParam = "N" } : new TensorShapeProto.Types.Dimension { DimValue = extent });
        Model.Graph.Input.Add(new ValueInfoProto
        {
            Name = "x",
            Type = new TypeProto { TensorType = new TypeProto.Types.Tensor { ElemType = (int)DataType.Float, Shape = shape } },
        });
    }

    public ModelProto Model { get; }

    public string Last { get; private set; } = "x";

    public NodeProto Node => Model.Graph.Node[^1];

    /// <summary>Appends a node that reads the one before, and more.</summary>
    public HandMade Then(string operation, string[]? more = null, params AttributeProto[] attributes) => Of(operation, [Last, .. more ?? []], attributes);

    /// <summary>Appends a node.</summary>
    public HandMade Of(string operation, string[] inputs, params AttributeProto[] attributes)
    {
        var node = new NodeProto { OpType = operation, Name = $"{operation}{_count}" };
        node.Input.Add(inputs);
        node.Output.Add(Last = $"v{_count++}");
        node.Attribute.Add(attributes);
        Model.Graph.Node.Add(node);
        return this;
    }

    /// <summary>A constant of floats that count up from -1 in small steps.</summary>
    public string Floats(string name, params long[] shape)
    {
        var count = shape.Aggregate(1L, (a, b) => a * b);
        Model.Graph.Initializer.Add(OnnxMessages.Tensor(name, [.. Enumerable.Range(0, (int)count).Select(i => -1f + (i * 0.01f))], shape));
        return name;
    }

    /// <summary>A constant.</summary>
    public string Values(string name, float[] values, params long[] shape)
    {
        Model.Graph.Initializer.Add(OnnxMessages.Tensor(name, values, shape));
        return name;
    }

    public string Single(string name, float value)
    {
        Model.Graph.Initializer.Add(OnnxMessages.Tensor(name, [value]));
        return name;
    }

    public string Whole(string name, params long[] values)
    {
        Model.Graph.Initializer.Add(OnnxMessages.Tensor(name, values, values.Length));
        return name;
    }

    public HandMade Conv(string name, int read, int made, int kernel = 3) => Then("Conv", [Floats($"{name}.weight", made, read, kernel, kernel)]);

    public static AttributeProto Ints(string name, params long[] values) => OnnxMessages.Attribute(name, values);

    public static AttributeProto Int(string name, long value) => OnnxMessages.Attribute(name, value);

    public static AttributeProto Float(string name, float value) => OnnxMessages.Attribute(name, value);

    public static AttributeProto Text(string name, string value) =>
        new() { Name = name, Type = AttributeProto.Types.AttributeType.String, S = ByteString.CopyFromUtf8(value) };

    public byte[] Bytes()
    {
        Model.Graph.Output.Clear();
        Model.Graph.Output.Add(new ValueInfoProto { Name = Last });
        return Model.ToByteArray();
    }

    public ImportedNetwork Import() => OnnxImport.Read(Bytes(), "net.onnx", "net");
}
