using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text.Json;

namespace Lathe.Hosting;

/// <summary>Looks for NaN and infinity in the tensors of a safetensors file.</summary>
internal static class FiniteTensors
{
    private const int MostHeader = 100 << 20;
    private const int Chunk = 1 << 20;

    /// <summary>The first tensor with a value that is no finite number, how many it has, and of how many; null: there is none, or this is no safetensors file.</summary>
    /// <param name="file">At its beginning.</param>
    public static (string Tensor, long Count, long Total)? FindOther(Stream file)
    {
        if (Header(file) is not var (header, start)) return null;
        foreach (var tensor in header.EnumerateObject().Where(t => t.Name != "__metadata__"))
        {
            // A floating-point number is none where all bits of its exponent are set: in the upper half of its bytes these are the mask.
            var (bytes, mask) = tensor.Value.GetProperty("dtype").GetString() switch
            {
                "F64" => (8, 0x7FF0),
                "F32" => (4, 0x7F80),
                "BF16" => (2, 0x7F80),
                "F16" => (2, 0x7C00),
                _ => (0, 0),
            };
            if (bytes == 0) continue;
            var offsets = tensor.Value.GetProperty("data_offsets");
            var (from, to) = (offsets[0].GetInt64(), offsets[1].GetInt64());
            // A file that is cut off is found out by whoever reads it.
            if (from < 0 || to < from || to > file.Length - start) continue;
            file.Position = start + from;
            if (CountOthers(file, to - from, bytes / 2, mask) is var count and > 0) return (tensor.Name, count, (to - from) / bytes);
        }

        return null;
    }

    private static (JsonElement Header, long Start)? Header(Stream file)
    {
        Span<byte> length = stackalloc byte[8];
        if (file.ReadAtLeast(length, 8, throwOnEndOfStream: false) < 8) return null;
        var bytes = BinaryPrimitives.ReadInt64LittleEndian(length);
        if (bytes < 2 || bytes > MostHeader || bytes > file.Length - 8) return null;
        var text = new byte[bytes];
        file.ReadExactly(text);
        try
        {
            return JsonElement.Parse(text) is { ValueKind: JsonValueKind.Object } header ? (header, 8 + bytes) : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    /// <param name="file">At the tensor.</param>
    /// <param name="left">Its bytes.</param>
    /// <param name="stride">Halves of 16 bits in a value; the exponent is in the last.</param>
    /// <param name="mask">Bits of the exponent in it.</param>
    private static long CountOthers(Stream file, long left, int stride, int mask)
    {
        var (buffer, count) = (new byte[Math.Min(left, Chunk)], 0L);
        while (left > 0)
        {
            var part = buffer.AsSpan(0, (int)Math.Min(left, Chunk));
            file.ReadExactly(part);
            var halves = MemoryMarshal.Cast<byte, ushort>(part);
            for (var i = stride - 1; i < halves.Length; i += stride)
            {
                if ((halves[i] & mask) == mask) count++;
            }

            left -= part.Length;
        }

        return count;
    }
}
