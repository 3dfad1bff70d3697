using Lathe.Contracts;

namespace Lathe.Graph.Keras;

/// <summary>
/// A file's bytes, of which no more may be read in all than a multiple of their number: a damaged file whose parts point to each other ends so, in the place of being
/// read for ever.
/// </summary>
/// <param name="bytes">The file.</param>
internal sealed class BoundedStream(byte[] bytes) : Stream
{
    // A read of few bytes takes time too.
    private const long OfEachRead = 16;

    private readonly MemoryStream _inner = new(bytes, writable: false);
    private long _left = (64 * bytes.LongLength) + (8L << 20);

    public override bool CanRead => true;

    public override bool CanSeek => true;

    public override bool CanWrite => false;

    public override long Length => _inner.Length;

    public override long Position
    {
        get => _inner.Position;
        set => _inner.Position = value;
    }

    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    public override int Read(Span<byte> buffer)
    {
        _left -= OfEachRead + buffer.Length;
        if (_left < 0) throw new LatheException("its parts point to each other without end. Get or save it again");
        var count = _inner.Read(buffer);
        // Who asks for bytes behind the end would ask again.
        return count > 0 || buffer.Length == 0 ? count : throw new LatheException("it ends too soon. Get or save it again");
    }

    public override long Seek(long offset, SeekOrigin origin) => _inner.Seek(offset, origin);

    public override void Flush() => _inner.Flush();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
}
