using System.Buffers.Binary;
using Google.Protobuf.Collections;
using Lathe.Contracts;
using Lathe.Graph.Onnx.Format;
using DataType = Lathe.Graph.Onnx.Format.TensorProto.Types.DataType;

namespace Lathe.Graph.Onnx;

/// <summary>
/// Decodes constants. A size is believed only where the file holds as much data, and no more is decoded in all than a multiple of the
/// file's length: a small file that uses one constant many times takes no more memory than a large one.
/// </summary>
/// <param name="fileBytes">Length of the file.</param>
internal sealed class OnnxConstants(long fileBytes)
{
    private const long Spare = 64L << 20;
    private const int MostNumbers = 4096;
    private const int MostExtents = 8;

    private long _left = (8 * fileBytes) + Spare;

    /// <summary>Extents, each at least 1, whose product is the number of values that the tensor holds.</summary>
    /// <exception cref="LatheException">They are not.</exception>
    public static int[] Shape(TensorProto tensor)
    {
        if (tensor.Dims.Count > MostExtents || tensor.Dims.Any(d => d is < 0 or > int.MaxValue))
            throw Bad(tensor, $"has the shape [{string.Join(", ", tensor.Dims.Take(MostExtents + 1))}]; expected at most {MostExtents} extents from 0 up");
        return [.. tensor.Dims.Select(d => (int)d)];
    }

    /// <summary>A tensor of floating type as float32.</summary>
    /// <exception cref="LatheException">Of another type, outside the file, or not as large as its shape says; or a value is not finite.</exception>
    public float[] Floats(TensorProto tensor)
    {
        var count = Count(tensor, sizeof(float));
        var values = (DataType)tensor.DataType switch
        {
            DataType.Float => Typed(tensor, count, sizeof(float), tensor.FloatData, v => v, BinaryPrimitives.ReadSingleLittleEndian),
            DataType.Double => Typed(tensor, count, sizeof(double), tensor.DoubleData, v => (float)v, b => (float)BinaryPrimitives.ReadDoubleLittleEndian(b)),
            // Halves without raw data lie in the lower bits of 32-bit numbers.
            DataType.Float16 => Typed(
                tensor, count, sizeof(ushort), tensor.Int32Data, v => (float)BitConverter.UInt16BitsToHalf((ushort)v), b => (float)BinaryPrimitives.ReadHalfLittleEndian(b)),
            _ => throw Bad(tensor, $"has elements of type {TypeName(tensor)}; expected FLOAT, FLOAT16 or DOUBLE"),
        };
        return Array.TrueForAll(values, float.IsFinite) ? values : throw Bad(tensor, "holds values that are not finite float32 numbers");
    }

    /// <summary>A tensor of a few whole numbers; null where it has another type.</summary>
    /// <exception cref="LatheException">Outside the file, too many, or not as large as its shape says.</exception>
    public IntegerValue? Integers(TensorProto tensor)
    {
        if ((DataType)tensor.DataType is not (DataType.Int64 or DataType.Int32)) return null;
        var count = Count(tensor, sizeof(long));
        if (count > MostNumbers) throw Bad(tensor, $"holds {count} whole numbers; expected at most {MostNumbers}");
        var values = (DataType)tensor.DataType == DataType.Int64
            ? Typed(tensor, count, sizeof(long), tensor.Int64Data, v => v, BinaryPrimitives.ReadInt64LittleEndian)
            : Typed(tensor, count, sizeof(int), tensor.Int32Data, v => (long)v, b => (long)BinaryPrimitives.ReadInt32LittleEndian(b));
        return new IntegerValue([.. values.Select(v => (long?)v)], Shape(tensor));
    }

    private static string TypeName(TensorProto tensor) => Enum.IsDefined((DataType)tensor.DataType)
        ? ((DataType)tensor.DataType).ToString().ToUpperInvariant()
        : tensor.DataType.ToString(System.Globalization.CultureInfo.InvariantCulture);

    private long Count(TensorProto tensor, int bytesEach)
    {
        if (tensor.DataLocation == TensorProto.Types.DataLocation.External || tensor.ExternalData.Count > 0)
            throw Bad(tensor, "lies in a file beside the model (external data), which is not there: the model was downloaded or read by itself. Use a local file with its data beside it, or save the model with its weights inside one file");
        Int128 count = 1;
        foreach (var extent in Shape(tensor))
        {
            count *= extent;
            if (count > int.MaxValue) throw Bad(tensor, $"has the shape [{string.Join(", ", tensor.Dims)}], more than {int.MaxValue} values");
        }

        // No field holds more values than the file has bytes, so nothing is allocated for a count that is only claimed.
        var stored = Math.Max(tensor.RawData.Length, Math.Max(Math.Max(tensor.FloatData.Count, tensor.Int32Data.Count), Math.Max(tensor.Int64Data.Count, tensor.DoubleData.Count)));
        if (count > stored) throw Bad(tensor, $"has the shape [{string.Join(", ", tensor.Dims)}], {count} values; the file holds {stored} bytes or numbers of it");
        _left -= (long)count * bytesEach;
        if (_left < 0) throw Bad(tensor, $"is used so often that its copies would take more than {(8 * fileBytes) + Spare} bytes");
        return (long)count;
    }

    private delegate T FromBytes<T>(ReadOnlySpan<byte> bytes);

    private static TTo[] Typed<TFrom, TTo>(
        TensorProto tensor, long count, int size, RepeatedField<TFrom> listed, Func<TFrom, TTo> convert, FromBytes<TTo> read)
    {
        var raw = tensor.RawData;
        if (raw.Length > 0)
        {
            if (raw.Length != count * size)
                throw Bad(tensor, $"holds {raw.Length} bytes; {count} values of {TypeName(tensor)} take {count * size}");
            var values = new TTo[count];
            for (var i = 0; i < values.Length; i++)
                values[i] = read(raw.Span.Slice(i * size, size));
            return values;
        }

        if (listed.Count != count)
            throw Bad(tensor, $"holds {listed.Count} values; its shape [{string.Join(", ", tensor.Dims)}] needs {count}");
        var converted = new TTo[count];
        for (var i = 0; i < converted.Length; i++)
            converted[i] = convert(listed[i]);
        return converted;
    }

    private static LatheException Bad(TensorProto tensor, string what) => new($"constant '{OnnxText.Short(tensor.Name)}' {what}");
}
