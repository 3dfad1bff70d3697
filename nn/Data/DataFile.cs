using System.IO.Compression;
using Lathe.Contracts;

namespace Lathe.NN.Data;

/// <summary>One file of a data set, plain or gzip-compressed, read from front to end.</summary>
internal sealed class DataFile : IDisposable
{
    private const int FirstBlock = 1 << 20;

    private readonly Stream _stream;

    private DataFile(string path, Stream stream)
    {
        Path = path;
        _stream = stream;
    }

    /// <summary>The file that was found, <c>.gz</c> included.</summary>
    public string Path { get; }

    public static DataFile Open(string folder, string name)
    {
        var plain = System.IO.Path.Combine(folder, name);
        var path = File.Exists(plain) ? plain : plain + ".gz";
        try
        {
            var file = File.OpenRead(path);
            return new DataFile(path, path == plain ? file : new GZipStream(file, CompressionMode.Decompress));
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new LatheException($"Neither {plain} nor {plain}.gz exists. Put the data set's file there, or name the folder that holds it.");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new LatheException($"{path} cannot be opened: {e.Message}", FailureKind.Transient, e);
        }
    }

    /// <summary>Reads an exact number of bytes.</summary>
    /// <param name="count">Number of bytes.</param>
    /// <param name="what">What they are, for the message.</param>
    public byte[] Read(long count, string what)
    {
        if (count > Array.MaxLength)
            throw Damaged($"its header asks for {count} bytes of {what}, more than can be held");
        // Grows with the data: a damaged header may ask for far more.
        var bytes = new byte[Math.Min(count, FirstBlock)];
        for (var read = 0; ;)
        {
            read += Guarded(() => _stream.ReadAtLeast(bytes.AsSpan(read), bytes.Length - read, throwOnEndOfStream: false));
            if (read < bytes.Length)
                throw Damaged($"it ends after {read} of {count} bytes of {what}");
            if (read == count)
                return bytes;
            Array.Resize(ref bytes, (int)Math.Min(count, 2L * bytes.Length));
        }
    }

    /// <summary>Reads all there is.</summary>
    /// <param name="limit">Refused when longer, in bytes.</param>
    public byte[] ReadAll(int limit)
    {
        // Grows with the data: the limit may be far higher.
        var bytes = new byte[Math.Min(limit, FirstBlock)];
        var count = 0;
        for (int read; (read = Guarded(() => _stream.ReadAtLeast(bytes.AsSpan(count), bytes.Length - count, throwOnEndOfStream: false))) > 0;)
        {
            count += read;
            if (count == limit)
                End();
            if (count == bytes.Length && count < limit)
                Array.Resize(ref bytes, (int)Math.Min(limit, 2L * bytes.Length));
        }

        return bytes[..count];
    }

    /// <summary>Checks that nothing follows.</summary>
    public void End()
    {
        if (Guarded(() => _stream.ReadByte()) >= 0)
            throw Damaged("it goes on after its last image or label");
    }

    public LatheException Damaged(string how, Exception? inner = null) =>
        new($"{Path} is not what it should be: {how}. Get the file again from where the data set is published.", FailureKind.Permanent, inner);

    public void Dispose() => _stream.Dispose();

    private int Guarded(Func<int> read)
    {
        try
        {
            return read();
        }
        catch (InvalidDataException e)
        {
            throw Damaged("it cannot be decompressed", e);
        }
        catch (IOException e)
        {
            throw new LatheException($"{Path} cannot be read: {e.Message}", FailureKind.Transient, e);
        }
    }
}
