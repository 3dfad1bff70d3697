using System.Buffers.Binary;
using System.Text;

namespace Lathe.NN.Pickle;

/// <summary>The bytes of a pickle, read from front to end. Every length is checked before it is used.</summary>
/// <param name="bytes">The whole pickle.</param>
internal sealed class PickleInput(ReadOnlyMemory<byte> bytes)
{
    // A malformed sequence is an error: such text was not written by Python.
    private static readonly UTF8Encoding Utf8 = new(false, throwOnInvalidBytes: true);

    /// <summary>Bytes read up to now.</summary>
    public int Position { get; private set; }

    public ReadOnlySpan<byte> Bytes(long count)
    {
        if (count < 0 || count > bytes.Length - Position)
            throw new FormatException($"{count} bytes are announced, and {bytes.Length - Position} follow");
        var span = bytes.Span.Slice(Position, (int)count);
        Position += (int)count;
        return span;
    }

    public byte Byte() => Bytes(1)[0];

    public ushort UInt16() => BinaryPrimitives.ReadUInt16LittleEndian(Bytes(2));

    public int Int32() => BinaryPrimitives.ReadInt32LittleEndian(Bytes(4));

    public uint UInt32() => BinaryPrimitives.ReadUInt32LittleEndian(Bytes(4));

    public long Int64() => BinaryPrimitives.ReadInt64LittleEndian(Bytes(8));

    public double Double() => BinaryPrimitives.ReadDoubleBigEndian(Bytes(8));

    public string Text(long count) => Utf8.GetString(Bytes(count));

    /// <summary>Latin-1 text up to the end of the line, which is skipped: what protocol 0 has.</summary>
    public string Line()
    {
        var length = bytes.Span[Position..].IndexOf((byte)'\n');
        if (length < 0)
            throw new FormatException("a line has no end");
        var text = Encoding.Latin1.GetString(Bytes(length));
        Position++;
        return text;
    }
}
