using System.Buffers.Binary;
using System.Text.Encodings.Web;
using System.Text.Json;
using Lathe.Contracts;
using Lathe.Graph.Checkpoints;
using static TorchSharp.torch;

namespace Lathe.NN.Checkpoints;

/// <summary>
/// A safetensors file in memory: named tensors and a string map (format: huggingface.co/docs/safetensors). The same content always
/// gives the same bytes: data is ordered by element size, largest first, then by name, so every tensor is aligned to its type.
/// </summary>
/// <param name="Tensors">On the CPU. The holder disposes them, directly or by TorchSharp's dispose scope.</param>
/// <param name="Metadata">Strings about the file as a whole.</param>
public sealed record SafeTensorsFile(IReadOnlyDictionary<string, Tensor> Tensors, IReadOnlyDictionary<string, string> Metadata)
    : IDisposable
{
    private const int BlockBytes = 1 << 20;

    /// <summary>Reads a file from disk.</summary>
    /// <exception cref="LatheException">Missing or damaged; the message names the file and the fault.</exception>
    public static SafeTensorsFile Read(string path)
    {
        using var stream = ReadableFile.Open(path);
        return Read(stream, path);
    }

    /// <summary>Reads a file from a seekable stream at position 0.</summary>
    /// <param name="stream">Seekable; holds nothing but the file.</param>
    /// <param name="source">What to call it in messages.</param>
    /// <exception cref="LatheException">Not sound.</exception>
    public static SafeTensorsFile Read(Stream stream, string source)
    {
        var tensors = new Dictionary<string, Tensor>();
        try
        {
            var header = SafeTensorsHeader.Read(stream, source);
            foreach (var entry in header.Tensors)
                tensors.Add(entry.Name, ReadTensor(stream, entry, source));
            return new SafeTensorsFile(tensors, header.Metadata);
        }
        catch (Exception e)
        {
            foreach (var tensor in tensors.Values) tensor.Dispose();
            if (e is IOException)
                throw new LatheException($"{source} cannot be read: {e.Message}", FailureKind.Transient, e);
            throw;
        }
    }

    /// <summary>Writes tensors and metadata. Tensors on another device are copied to the CPU one at a time.</summary>
    /// <exception cref="LatheException">A tensor has a type that the format, or Lathe, does not know, or a reserved name.</exception>
    public static void Write(Stream stream, IReadOnlyDictionary<string, Tensor> tensors, IReadOnlyDictionary<string, string> metadata)
    {
        var ordered = tensors
            .Select(t => (Name: t.Key, Tensor: t.Value, Type: TypeOf(t.Key, t.Value)))
            .OrderByDescending(t => SafeTensorsHeader.ElementSize(t.Type))
            .ThenBy(t => t.Name, StringComparer.Ordinal)
            .ToList();
        WriteHeader(stream, ordered, metadata);
        foreach (var (_, tensor, _) in ordered)
        {
            using var scope = NewDisposeScope();
            var bytes = tensor.detach().cpu().contiguous().bytes;
            for (var i = 0; i < bytes.Length; i += BlockBytes)
                stream.Write(bytes[i..Math.Min(bytes.Length, i + BlockBytes)]);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var tensor in Tensors.Values) tensor.Dispose();
    }

    private static void WriteHeader(
        Stream stream, List<(string Name, Tensor Tensor, SafeTensorType Type)> tensors, IReadOnlyDictionary<string, string> metadata)
    {
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer, new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
        {
            json.WriteStartObject();
            json.WriteStartObject("__metadata__");
            foreach (var (key, value) in metadata.OrderBy(m => m.Key, StringComparer.Ordinal)) json.WriteString(key, value);
            json.WriteEndObject();
            long begin = 0;
            foreach (var (name, tensor, type) in tensors)
            {
                var end = begin + (tensor.numel() * SafeTensorsHeader.ElementSize(type));
                json.WriteStartObject(name);
                json.WriteString("dtype", type.ToString());
                json.WriteStartArray("shape");
                foreach (var extent in tensor.shape) json.WriteNumberValue(extent);
                json.WriteEndArray();
                json.WriteStartArray("data_offsets");
                json.WriteNumberValue(begin);
                json.WriteNumberValue(end);
                json.WriteEndArray();
                json.WriteEndObject();
                begin = end;
            }

            json.WriteEndObject();
        }

        while (buffer.Length % 8 != 0) buffer.WriteByte((byte)' ');
        Span<byte> prefix = stackalloc byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(prefix, buffer.Length);
        stream.Write(prefix);
        buffer.WriteTo(stream);
    }

    private static Tensor ReadTensor(Stream stream, SafeTensorEntry entry, string source)
    {
        if (entry.Bytes > int.MaxValue)
            throw new LatheException($"{source} holds tensor '{entry.Name}' of {entry.Bytes} bytes; Lathe reads at most 2 GiB in one tensor");
        var tensor = empty([.. entry.Shape], dtype: TypeOf(entry.Type));
        try
        {
            if (entry.Bytes == 0) return tensor;
            var bytes = tensor.bytes;
            stream.ReadExactly(bytes);
            // Any other value in a boolean is undefined behaviour in libtorch.
            if (entry.Type == SafeTensorType.BOOL && bytes.ContainsAnyExceptInRange((byte)0, (byte)1))
                throw SafeTensorsHeader.Bad(source, $"tensor '{entry.Name}' is boolean, but holds values other than 0 and 1");
            return tensor;
        }
        catch
        {
            tensor.Dispose();
            throw;
        }
    }

    private static SafeTensorType TypeOf(string name, Tensor tensor) => name == "__metadata__"
        ? throw new LatheException("a tensor cannot be named '__metadata__', which safetensors reserves")
        : tensor.dtype switch
        {
            ScalarType.Float64 => SafeTensorType.F64,
            ScalarType.Float32 => SafeTensorType.F32,
            ScalarType.Float16 => SafeTensorType.F16,
            ScalarType.BFloat16 => SafeTensorType.BF16,
            ScalarType.Int64 => SafeTensorType.I64,
            ScalarType.Int32 => SafeTensorType.I32,
            ScalarType.Int16 => SafeTensorType.I16,
            ScalarType.Int8 => SafeTensorType.I8,
            ScalarType.Byte => SafeTensorType.U8,
            ScalarType.Bool => SafeTensorType.BOOL,
            _ => throw new LatheException($"tensor '{name}' is {tensor.dtype}, a type that Lathe does not store"),
        };

    private static ScalarType TypeOf(SafeTensorType type) => type switch
    {
        SafeTensorType.F64 => ScalarType.Float64,
        SafeTensorType.F32 => ScalarType.Float32,
        SafeTensorType.F16 => ScalarType.Float16,
        SafeTensorType.BF16 => ScalarType.BFloat16,
        SafeTensorType.I64 => ScalarType.Int64,
        SafeTensorType.I32 => ScalarType.Int32,
        SafeTensorType.I16 => ScalarType.Int16,
        SafeTensorType.I8 => ScalarType.Int8,
        SafeTensorType.U8 => ScalarType.Byte,
        _ => ScalarType.Bool,
    };
}
