using Lathe.Contracts;

namespace Lathe.NN.Data;

/// <summary>
/// A remote file as a stream that can seek. It reads a block at a time: headers of a tar with small members come many at once, and large
/// members between headers are passed over.
/// </summary>
internal sealed class RemoteStream(IRemoteFiles files, string path) : Stream
{
    private const int BlockBytes = 1 << 20;

    private readonly byte[] _block = new byte[BlockBytes];
    private long _blockStart;
    private int _blockLength;

    public override bool CanRead => true;

    public override bool CanSeek => true;

    public override bool CanWrite => false;

    public override long Length { get; } = files.LengthOf(path);

    public override long Position { get; set; }

    public override int Read(Span<byte> buffer)
    {
        if (Position >= Length || buffer.Length == 0)
            return 0;
        if (Position < _blockStart || Position >= _blockStart + _blockLength)
        {
            var length = (int)Math.Min(BlockBytes, Length - Position);
            _blockLength = 0;
            files.Read(path, Position, _block.AsMemory(0, length));
            (_blockStart, _blockLength) = (Position, length);
        }

        var from = (int)(Position - _blockStart);
        var count = Math.Min(buffer.Length, _blockLength - from);
        _block.AsSpan(from, count).CopyTo(buffer);
        Position += count;
        return count;
    }

    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    public override long Seek(long offset, SeekOrigin origin) => Position = origin switch
    {
        SeekOrigin.Begin => offset,
        SeekOrigin.Current => Position + offset,
        _ => Length + offset,
    };

    public override void Flush()
    {
    }

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
}
