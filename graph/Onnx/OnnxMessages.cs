using System.Runtime.InteropServices;
using Google.Protobuf;
using Lathe.Graph.Onnx.Format;

namespace Lathe.Graph.Onnx;

/// <summary>Makes ONNX's messages.</summary>
internal static class OnnxMessages
{
    public static TensorProto Tensor(string name, ReadOnlySpan<float> values, params ReadOnlySpan<long> shape) =>
        Tensor(name, TensorProto.Types.DataType.Float, MemoryMarshal.AsBytes(values), shape);

    public static TensorProto Tensor(string name, ReadOnlySpan<long> values, params ReadOnlySpan<long> shape) =>
        Tensor(name, TensorProto.Types.DataType.Int64, MemoryMarshal.AsBytes(values), shape);

    public static TensorProto Tensor(string name, ReadOnlySpan<int> values, params ReadOnlySpan<long> shape) =>
        Tensor(name, TensorProto.Types.DataType.Int32, MemoryMarshal.AsBytes(values), shape);

    public static TensorProto Tensor(string name, sbyte value) => Tensor(name, TensorProto.Types.DataType.Int8, [(byte)value], []);

    public static TensorProto Tensor(string name, byte value) => Tensor(name, TensorProto.Types.DataType.Uint8, [value], []);

    /// <summary>Small whole numbers, the first in a byte's lowest bits.</summary>
    public static TensorProto Integers(string name, ReadOnlySpan<sbyte> values, OnnxWeightType type, params ReadOnlySpan<long> shape)
    {
        var (stored, bits) = type switch
        {
            OnnxWeightType.Int2 => (TensorProto.Types.DataType.Int2, 2),
            OnnxWeightType.Int4 => (TensorProto.Types.DataType.Int4, 4),
            _ => (TensorProto.Types.DataType.Int8, 8),
        };
        var bytes = new byte[((values.Length * (long)bits) + 7) / 8];
        for (var i = 0; i < values.Length; i++) bytes[(long)i * bits / 8] |= (byte)((values[i] & ((1 << bits) - 1)) << (int)((long)i * bits % 8));
        return Tensor(name, stored, bytes, shape);
    }

    public static AttributeProto Attribute(string name, long value) =>
        new() { Name = name, Type = AttributeProto.Types.AttributeType.Int, I = value };

    public static AttributeProto Attribute(string name, float value) =>
        new() { Name = name, Type = AttributeProto.Types.AttributeType.Float, F = value };

    public static AttributeProto Attribute(string name, params ReadOnlySpan<long> values)
    {
        var attribute = new AttributeProto { Name = name, Type = AttributeProto.Types.AttributeType.Ints };
        foreach (var value in values)
            attribute.Ints.Add(value);
        return attribute;
    }

    /// <summary>Name, type and shape of an input or output; the first extent is a free one.</summary>
    public static ValueInfoProto Value(string name, string batch, TensorShape shape)
    {
        var extents = new TensorShapeProto();
        extents.Dim.Add(new TensorShapeProto.Types.Dimension { DimParam = batch });
        foreach (var extent in shape.IsFlat ? (ReadOnlySpan<int>)[shape.Channels] : [shape.Channels, shape.Height, shape.Width])
            extents.Dim.Add(new TensorShapeProto.Types.Dimension { DimValue = extent });
        var type = new TypeProto.Types.Tensor { ElemType = (int)TensorProto.Types.DataType.Float, Shape = extents };
        return new ValueInfoProto { Name = name, Type = new TypeProto { TensorType = type } };
    }

    private static TensorProto Tensor(string name, TensorProto.Types.DataType type, ReadOnlySpan<byte> bytes, ReadOnlySpan<long> shape)
    {
        var tensor = new TensorProto { Name = name, DataType = (int)type, RawData = ByteString.CopyFrom(bytes) };
        foreach (var extent in shape)
            tensor.Dims.Add(extent);
        return tensor;
    }
}
