using System.Buffers.Binary;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.RegularExpressions;
using Lathe.Contracts;

namespace Lathe.NN.Data;

/// <summary>An array as NumPy saves it (.npy, versions 1 to 3), in C order.</summary>
/// <param name="Path">The file.</param>
/// <param name="Type">Kind and bytes of its elements: u1, i1, i2, i4, i8, f2, f4 or f8, little-endian.</param>
/// <param name="Shape">Extents.</param>
/// <param name="Bytes">Its elements.</param>
internal sealed partial record NumpyFile(string Path, string Type, int[] Shape, byte[] Bytes)
{
    private const int MostHeader = 1 << 16;

    /// <summary>Number of elements.</summary>
    public long Count => Shape.Aggregate(1L, (count, extent) => count * extent);

    /// <summary>Reads a file, taking no more memory than it has bytes.</summary>
    /// <exception cref="LatheException">Not there, of another type or order, or not as long as its header says.</exception>
    public static NumpyFile Read(string path)
    {
        try
        {
            using var file = File.OpenRead(path);
            var start = new byte[12];
            if (file.ReadAtLeast(start, 12, throwOnEndOfStream: false) < 12 || !IsNumpy(start))
                throw Bad(path, "it is no array of NumPy; expected a file that numpy.save wrote");
            var isLong = start[6] > 1;
            var length = isLong ? BinaryPrimitives.ReadInt32LittleEndian(start.AsSpan(8)) : BinaryPrimitives.ReadUInt16LittleEndian(start.AsSpan(8));
            if (length is < 1 or > MostHeader) throw Bad(path, $"its header has {length} bytes");
            file.Position = isLong ? 12 : 10;
            var header = new byte[length];
            file.ReadExactly(header);
            return Read(path, file, Encoding.Latin1.GetString(header));
        }
        catch (EndOfStreamException fault)
        {
            throw Bad(path, "it ends too soon; save it again", fault);
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            throw new LatheException($"{path} cannot be read: {fault.Message}", FailureKind.Transient, fault);
        }
    }

    /// <summary>Its elements as float32.</summary>
    /// <exception cref="LatheException">No floats, or not finite.</exception>
    public float[] Floats()
    {
        float[] values = Type switch
        {
            "f4" => MemoryMarshal.Cast<byte, float>(Bytes).ToArray(),
            "f8" => Array.ConvertAll(MemoryMarshal.Cast<byte, double>(Bytes).ToArray(), value => (float)value),
            "f2" => Array.ConvertAll(MemoryMarshal.Cast<byte, Half>(Bytes).ToArray(), value => (float)value),
            _ => throw Bad(Path, $"its elements are {Type}; expected floats"),
        };
        var wrong = Array.FindIndex(values, value => !float.IsFinite(value));
        return wrong < 0 ? values : throw Bad(Path, $"value {wrong} is no finite number");
    }

    /// <summary>Its elements as classes.</summary>
    /// <exception cref="LatheException">No whole numbers from 0 to 255, or not one in a row.</exception>
    public byte[] Labels()
    {
        if (Shape.Length != 1 && !(Shape.Length == 2 && Shape[1] == 1)) throw Bad(Path, $"its shape is [{string.Join(", ", Shape)}]; expected one class for each image, [N]");
        long[] values = Type switch
        {
            "u1" => Array.ConvertAll(Bytes, value => (long)value),
            "i1" => Array.ConvertAll(Bytes, value => (long)(sbyte)value),
            "i2" => Array.ConvertAll(MemoryMarshal.Cast<byte, short>(Bytes).ToArray(), value => (long)value),
            "i4" => Array.ConvertAll(MemoryMarshal.Cast<byte, int>(Bytes).ToArray(), value => (long)value),
            "i8" => MemoryMarshal.Cast<byte, long>(Bytes).ToArray(),
            _ => throw Bad(Path, $"its elements are {Type}; expected whole numbers (labels.astype('int64'))"),
        };
        var wrong = Array.FindIndex(values, value => value is < 0 or > byte.MaxValue);
        return wrong < 0 ? Array.ConvertAll(values, value => (byte)value) : throw Bad(Path, $"label {wrong} is {values[wrong]}; classes are numbered from 0 to at most {byte.MaxValue}");
    }

    /// <summary>A fault of the file, for a person.</summary>
    public static LatheException Bad(string path, string what, Exception? inner = null) => new($"{path} cannot be used: {what}", inner: inner);

    private static bool IsNumpy(byte[] start) => start[0] == 0x93 && start.AsSpan(1, 5).SequenceEqual("NUMPY"u8);

    private static NumpyFile Read(string path, FileStream file, string header)
    {
        var type = TypeOf().Match(header);
        var shape = ShapeOf().Match(header);
        if (!type.Success || !shape.Success) throw Bad(path, "its header names no type and shape");
        var kind = type.Groups["type"].Value;
        if (kind is not ("u1" or "i1" or "i2" or "i4" or "i8" or "f2" or "f4" or "f8") || type.Groups["order"].Value == ">")
            throw Bad(path, $"its elements are '{type.Groups["order"].Value}{kind}'; expected uint8, int8, or little-endian floats (array.astype('<f4')), and whole numbers for labels");
        if (header.Contains("'fortran_order': True", StringComparison.Ordinal)) throw Bad(path, "it is in Fortran order; save numpy.ascontiguousarray(array)");
        var extents = new List<int>();
        foreach (var part in shape.Groups["shape"].Value.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
            extents.Add(int.TryParse(part, NumberStyles.None, CultureInfo.InvariantCulture, out var extent) ? extent : throw Bad(path, $"its shape has an extent of '{part}'"));
        var bytes = extents.Aggregate((Int128)(kind[1] - '0'), (product, extent) => Int128.Min(product * extent, long.MaxValue));
        if (bytes != file.Length - file.Position) throw Bad(path, $"it holds {file.Length - file.Position} bytes; [{string.Join(", ", extents)}] of {kind} take {bytes}");
        if (bytes > Array.MaxLength) throw Bad(path, $"it has {bytes} bytes; at most {Array.MaxLength} are read into memory");
        var content = new byte[(int)bytes];
        file.ReadExactly(content);
        return new NumpyFile(path, kind, [.. extents], content);
    }

    [GeneratedRegex(@"'descr':\s*'(?<order>[<>|=]?)(?<type>[a-zA-Z]\d+)'")]
    private static partial Regex TypeOf();

    [GeneratedRegex(@"'shape':\s*\((?<shape>[^)]*)\)")]
    private static partial Regex ShapeOf();
}
