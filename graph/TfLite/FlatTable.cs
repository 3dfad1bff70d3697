using System.Buffers.Binary;
using System.Text;
using Lathe.Contracts;

namespace Lathe.Graph.TfLite;

/// <summary>A table of a FlatBuffers file. Every position is checked against the file's length before anything is read there or made of it.</summary>
/// <param name="file">The file.</param>
/// <param name="at">Where the table begins.</param>
internal readonly struct FlatTable(byte[] file, int at)
{
    /// <summary>The file's root table.</summary>
    /// <exception cref="LatheException">The file has none.</exception>
    public static FlatTable Root(byte[] file) => new(file, Follow(file, 0));

    /// <summary>A number of one byte.</summary>
    public byte Byte(int field, byte usual = 0) => Place(field) is > 0 and var place ? Bytes(file, place, 1)[0] : usual;

    /// <summary>A number of four bytes.</summary>
    public int Int32(int field, int usual = 0) => Place(field) is > 0 and var place ? BinaryPrimitives.ReadInt32LittleEndian(Bytes(file, place, 4)) : usual;

    /// <summary>A table within; null where there is none.</summary>
    public FlatTable? Table(int field) => Place(field) is > 0 and var place ? new FlatTable(file, Follow(file, place)) : null;

    /// <summary>A text; empty where there is none.</summary>
    public string Text(int field) => Encoding.UTF8.GetString(Vector(field, 1));

    /// <summary>A list of tables.</summary>
    public IReadOnlyList<FlatTable> Tables(int field)
    {
        var vector = Vector(field, 4);
        var tables = new FlatTable[vector.Length / 4];
        if (tables.Length == 0) return tables;
        var first = Follow(file, Place(field)) + 4;
        for (var i = 0; i < tables.Length; i++) tables[i] = new FlatTable(file, Follow(file, first + (4 * i)));
        return tables;
    }

    /// <summary>A list of numbers.</summary>
    public int[] Int32s(int field) => Numbers(field, 4, BinaryPrimitives.ReadInt32LittleEndian);

    /// <summary>A list of numbers.</summary>
    public long[] Int64s(int field) => Numbers(field, 8, BinaryPrimitives.ReadInt64LittleEndian);

    /// <summary>A list of numbers.</summary>
    public float[] Floats(int field) => Numbers(field, 4, BinaryPrimitives.ReadSingleLittleEndian);

    /// <summary>Elements of a list, as they lie in the file; none where there is no list.</summary>
    public ReadOnlySpan<byte> Vector(int field, int size)
    {
        if (Place(field) is not (> 0 and var place)) return [];
        var start = Follow(file, place);
        var count = BinaryPrimitives.ReadUInt32LittleEndian(Bytes(file, start, 4));
        return count <= file.Length ? Bytes(file, start + 4, (long)count * size) : throw Damaged();
    }

    private delegate T FromBytes<T>(ReadOnlySpan<byte> bytes);

    private T[] Numbers<T>(int field, int size, FromBytes<T> read)
    {
        var bytes = Vector(field, size);
        var numbers = new T[bytes.Length / size];
        for (var i = 0; i < numbers.Length; i++) numbers[i] = read(bytes.Slice(i * size, size));
        return numbers;
    }

    /// <summary>Where a field lies; 0: it has its usual value.</summary>
    private int Place(int field)
    {
        var vtable = at - (long)BinaryPrimitives.ReadInt32LittleEndian(Bytes(file, at, 4));
        var length = BinaryPrimitives.ReadUInt16LittleEndian(Bytes(file, vtable, 2));
        var entry = 4 + (2 * field);
        if (entry + 2 > length) return 0;
        var offset = BinaryPrimitives.ReadUInt16LittleEndian(Bytes(file, vtable + entry, 2));
        return offset == 0 ? 0 : at + offset;
    }

    private static int Follow(byte[] file, int place)
    {
        var target = place + (long)BinaryPrimitives.ReadUInt32LittleEndian(Bytes(file, place, 4));
        return target + 4 <= file.Length ? (int)target : throw Damaged();
    }

    private static ReadOnlySpan<byte> Bytes(byte[] file, long place, long count) =>
        place >= 0 && count >= 0 && place + count <= file.Length ? file.AsSpan((int)place, (int)count) : throw Damaged();

    private static LatheException Damaged() => new("it is no sound TFLite file: a position lies outside of it. Get or export it again");
}
