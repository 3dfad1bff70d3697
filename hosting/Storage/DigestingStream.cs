using System.Security.Cryptography;

namespace Lathe.Hosting;

/// <summary>
/// Forwards writes and computes their digest. Forward only. A writer on top may close it; the caller owns the file and the digest.
/// </summary>
internal sealed class DigestingStream(Stream below, IncrementalHash hash) : Stream
{
    private long _length;

    public override bool CanRead => false;

    public override bool CanSeek => false;

    public override bool CanWrite => true;

    public override long Length => _length;

    public override long Position
    {
        get => _length;
        set => throw new NotSupportedException("a checkpoint is written forward only");
    }

    public override void Write(ReadOnlySpan<byte> buffer)
    {
        below.Write(buffer);
        hash.AppendData(buffer);
        _length += buffer.Length;
    }

    public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

    public override void WriteByte(byte value) => Write([value]);

    public override void Flush() => below.Flush();

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException("a checkpoint is written forward only");

    public override void SetLength(long value) => throw new NotSupportedException();
}
