using Lathe.Contracts;
using Microsoft.Win32.SafeHandles;

namespace Lathe.NN.Data;

/// <summary>Where the bytes of one image lie.</summary>
/// <param name="Label">Class.</param>
/// <param name="Container">The tar that holds it, or its folder.</param>
/// <param name="Name">Member of the tar, or name of the file.</param>
/// <param name="Offset">First byte in the tar, or −1 for a separate file.</param>
/// <param name="Length">Bytes, where it lies in a tar.</param>
internal readonly record struct ImagePlace(int Label, string Container, string Name, long Offset = -1, long Length = 0)
{
    // No photograph is so large; a tar header or a sparse file may say anything.
    private const long MostBytes = 1L << 30;

    /// <summary>For people: <c>FOLDER/FILE</c> or <c>TAR:MEMBER</c>.</summary>
    public string Path => Offset < 0 ? System.IO.Path.Combine(Container, Name) : $"{Container}:{Name}";

    /// <summary>
    /// By class, then by key, which is the file's name without folders and ending, then by the rest: the same images in the same order,
    /// whether they lie in folders or in shards.
    /// </summary>
    public static int Compare(ImagePlace a, ImagePlace b)
    {
        var order = a.Label.CompareTo(b.Label);
        if (order == 0)
            order = Key(FileName(a.Name)).SequenceCompareTo(Key(FileName(b.Name)));
        if (order == 0)
            order = string.CompareOrdinal(a.Name, b.Name);
        if (order == 0)
            order = string.CompareOrdinal(a.Container, b.Container);
        return order == 0 ? a.Offset.CompareTo(b.Offset) : order;
    }

    /// <summary>A name without its last ending.</summary>
    public static ReadOnlySpan<char> Key(ReadOnlySpan<char> name)
    {
        var dot = name.LastIndexOf('.');
        return dot > name.LastIndexOf('/') ? name[..dot] : name;
    }

    /// <summary>Reads the bytes.</summary>
    /// <param name="buffer">Replaced by a longer one where needed.</param>
    /// <param name="remote">Holds the tar if no local folder does; otherwise null.</param>
    /// <exception cref="LatheException">The file cannot be opened or read; it may be possible later.</exception>
    /// <exception cref="DamagedImageException">The file is too long to be an image.</exception>
    public ReadOnlySpan<byte> Read(ref byte[] buffer, IRemoteFiles? remote = null)
    {
        if (remote is not null)
        {
            var member = Sized(ref buffer, Length);
            remote.Read(Container, Offset, member);
            return member.Span;
        }

        try
        {
            using var file = File.OpenHandle(Offset < 0 ? System.IO.Path.Combine(Container, Name) : Container);
            var bytes = Sized(ref buffer, Offset < 0 ? RandomAccess.GetLength(file) : Length).Span;
            return bytes[..ReadAll(file, bytes, Math.Max(0, Offset))];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new LatheException($"{Path} cannot be read: {e.Message}", FailureKind.Transient, e);
        }
    }

    private static Memory<byte> Sized(ref byte[] buffer, long length)
    {
        if (length > MostBytes)
            throw new DamagedImageException($"it has {length} bytes, more than any image");
        if (buffer.Length < length)
            buffer = new byte[length + (length / 2)];
        return buffer.AsMemory(0, (int)length);
    }

    private static ReadOnlySpan<char> FileName(ReadOnlySpan<char> name) => name[(name.LastIndexOf('/') + 1)..];

    private static int ReadAll(SafeFileHandle file, Span<byte> bytes, long offset)
    {
        var read = 0;
        while (read < bytes.Length && RandomAccess.Read(file, bytes[read..], offset + read) is > 0 and var more)
            read += more;
        return read;
    }
}
