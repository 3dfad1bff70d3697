using System.Buffers.Binary;
using System.Text.Json;
using Lathe.Contracts;

namespace Lathe.Graph.Checkpoints;

/// <summary>Element types of the safetensors format that Lathe reads and writes.</summary>
public enum SafeTensorType
{
    /// <summary>64-bit floating point.</summary>
    F64,

    /// <summary>32-bit floating point.</summary>
    F32,

    /// <summary>16-bit floating point, IEEE.</summary>
    F16,

    /// <summary>16-bit floating point with the exponent of 32 bits.</summary>
    BF16,

    /// <summary>64-bit integer.</summary>
    I64,

    /// <summary>32-bit integer.</summary>
    I32,

    /// <summary>16-bit integer.</summary>
    I16,

    /// <summary>8-bit integer.</summary>
    I8,

    /// <summary>8-bit integer without a sign.</summary>
    U8,

    /// <summary>One byte, 0 or 1.</summary>
    BOOL,
}

/// <summary>Where one tensor lies in a safetensors file.</summary>
/// <param name="Name">Name.</param>
/// <param name="Type">Element type.</param>
/// <param name="Shape">Extents; empty for a scalar.</param>
/// <param name="Begin">First byte, counted from the end of the header.</param>
/// <param name="End">One past the last byte.</param>
public sealed record SafeTensorEntry(string Name, SafeTensorType Type, IReadOnlyList<long> Shape, long Begin, long End)
{
    /// <summary>Bytes of data.</summary>
    public long Bytes => End - Begin;
}

/// <summary>
/// The header of a safetensors file: 8 bytes of little-endian length, then JSON. Reading checks everything that the data's sizes
/// and places depend on, and takes memory in proportion to the header, never to what the header claims.
/// </summary>
/// <param name="Tensors">In the order of their data, which is contiguous.</param>
/// <param name="Metadata">The string map under <c>__metadata__</c>.</param>
/// <param name="DataStart">Offset of the data in the file.</param>
public sealed record SafeTensorsHeader(
    IReadOnlyList<SafeTensorEntry> Tensors, IReadOnlyDictionary<string, string> Metadata, long DataStart)
{
    /// <summary>Longest header the format allows, in bytes.</summary>
    public const long MaxLength = 100_000_000;

    private const string MetadataKey = "__metadata__";
    private const int MaxRank = 16;

    /// <summary>Bytes of one element.</summary>
    public static int ElementSize(SafeTensorType type) => type switch
    {
        SafeTensorType.F64 or SafeTensorType.I64 => 8,
        SafeTensorType.F32 or SafeTensorType.I32 => 4,
        SafeTensorType.F16 or SafeTensorType.BF16 or SafeTensorType.I16 => 2,
        _ => 1,
    };

    /// <summary>Reads the header from the start of a file and leaves the stream at the data.</summary>
    /// <param name="stream">Seekable, from position 0.</param>
    /// <param name="source">What to call the file in messages.</param>
    /// <exception cref="LatheException">Not a sound safetensors file of exactly this length.</exception>
    public static SafeTensorsHeader Read(Stream stream, string source)
    {
        var fileLength = stream.Length;
        if (fileLength < 8)
            throw Bad(source, $"it is {fileLength} bytes long, too short for the header's length");
        Span<byte> prefix = stackalloc byte[8];
        stream.ReadExactly(prefix);
        var length = BinaryPrimitives.ReadUInt64LittleEndian(prefix);
        if (length > MaxLength)
            throw Bad(source, $"it does not begin like one: its header claims {length} bytes, more than the {MaxLength} allowed. It may be a file of another kind");
        if (length > (ulong)(fileLength - 8))
            throw Bad(source, $"its header claims {length} bytes, but only {fileLength - 8} follow; the file is truncated");
        var bytes = new byte[length];
        stream.ReadExactly(bytes);
        if (bytes is not [(byte)'{', ..])
            throw Bad(source, "its header does not begin with '{'");
        return Parse(bytes, source, fileLength - 8 - (long)length);
    }

    internal static LatheException Bad(string source, string what, Exception? inner = null) =>
        new($"{source} is not a sound safetensors file: {what}", inner: inner);

    private static SafeTensorsHeader Parse(byte[] json, string source, long dataLength)
    {
        try
        {
            var options = new JsonDocumentOptions { MaxDepth = 4, AllowDuplicateProperties = false };
            using var document = JsonDocument.Parse(json, options);
            var metadata = new Dictionary<string, string>();
            var tensors = new List<SafeTensorEntry>();
            foreach (var property in document.RootElement.EnumerateObject())
            {
                if (property.Name == MetadataKey)
                    ReadMetadata(property.Value, metadata, source);
                else
                    tensors.Add(ReadEntry(property.Name, property.Value, source, dataLength));
            }

            tensors.Sort((a, b) => (a.Begin, a.End).CompareTo((b.Begin, b.End)));
            CheckContiguous(tensors, dataLength, source);
            return new SafeTensorsHeader(tensors, metadata, 8 + json.Length);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw Bad(source, $"its header is not valid JSON of the expected form: {e.Message}", e);
        }
    }

    private static void ReadMetadata(JsonElement value, Dictionary<string, string> metadata, string source)
    {
        if (value.ValueKind != JsonValueKind.Object)
            throw Bad(source, $"{MetadataKey} is not a map of strings");
        foreach (var property in value.EnumerateObject())
        {
            if (property.Value.ValueKind != JsonValueKind.String)
                throw Bad(source, $"{MetadataKey} holds '{property.Name}', which is not a string");
            metadata.Add(property.Name, property.Value.GetString()!);
        }
    }

    private static SafeTensorEntry ReadEntry(string name, JsonElement value, string source, long dataLength)
    {
        if (value.ValueKind != JsonValueKind.Object || value.GetPropertyCount() != 3
            || !value.TryGetProperty("dtype", out var dtype) || dtype.ValueKind != JsonValueKind.String
            || !value.TryGetProperty("shape", out var shape) || shape.ValueKind != JsonValueKind.Array
            || !value.TryGetProperty("data_offsets", out var offsets) || offsets.ValueKind != JsonValueKind.Array)
            throw Bad(source, $"tensor '{name}' is not described by exactly dtype, shape and data_offsets");
        if (!Enum.TryParse<SafeTensorType>(dtype.GetString(), out var type) || type.ToString() != dtype.GetString())
            throw Bad(source, $"tensor '{name}' has type '{dtype.GetString()}'; known are {string.Join(", ", Enum.GetNames<SafeTensorType>())}");
        var extents = Numbers(shape);
        if (extents is null || extents.Length > MaxRank)
            throw Bad(source, $"tensor '{name}' has a shape that is no list of at most {MaxRank} whole numbers from 0 up");
        if (Numbers(offsets) is not [var begin, var end] || begin > end || end > dataLength)
            throw Bad(source, $"tensor '{name}' has data_offsets {offsets.GetRawText()}; the file holds {dataLength} bytes of data");
        var expected = ByteCount(extents, type);
        if (expected != end - begin)
            throw Bad(source, $"tensor '{name}' ({type} [{string.Join(", ", extents)}]) needs "
                + $"{expected?.ToString() ?? "an impossible number of"} bytes, but its data_offsets give {end - begin}");
        return new SafeTensorEntry(name, type, extents, begin, end);
    }

    private static long[]? Numbers(JsonElement array)
    {
        var numbers = new long[array.GetArrayLength()];
        var i = 0;
        foreach (var item in array.EnumerateArray())
        {
            if (item.ValueKind != JsonValueKind.Number || !item.TryGetInt64(out var number) || number < 0) return null;
            numbers[i++] = number;
        }

        return numbers;
    }

    /// <summary>Bytes of a tensor, or null where the extents that are not 0 already multiply beyond a long.</summary>
    private static long? ByteCount(long[] extents, SafeTensorType type)
    {
        Int128 product = ElementSize(type);
        foreach (var extent in extents)
        {
            product *= Math.Max(1, extent);
            if (product > long.MaxValue) return null;
        }

        return extents.Contains(0) ? 0 : (long)product;
    }

    private static void CheckContiguous(List<SafeTensorEntry> tensors, long dataLength, string source)
    {
        long end = 0;
        foreach (var tensor in tensors)
        {
            if (tensor.Begin != end)
                throw Bad(source, tensor.Begin < end
                    ? $"tensor '{tensor.Name}' begins at {tensor.Begin}, inside the tensor before it, which ends at {end}"
                    : $"the {tensor.Begin - end} bytes before tensor '{tensor.Name}' belong to no tensor");
            end = tensor.End;
        }

        if (end != dataLength)
            throw Bad(source, $"its tensors take {end} bytes, but {dataLength} bytes of data follow the header");
    }
}
