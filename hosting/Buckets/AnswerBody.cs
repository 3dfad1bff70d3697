namespace Lathe.Hosting;

/// <summary>The connection broke while an object was read.</summary>
internal sealed class BrokenBodyException(Exception cause) : Exception(cause.Message, cause);

/// <summary>The body of a response. Its faults can be distinguished from those of the stream that it is copied to.</summary>
internal sealed class AnswerBody(Stream body) : Stream
{
    /// <summary>The answer ended too soon.</summary>
    public static BrokenBodyException Short(long read, long expected) => new(new IOException($"it ended after {read} of {expected} bytes"));

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => false;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    public override int Read(Span<byte> buffer)
    {
        try
        {
            return body.Read(buffer);
        }
        catch (Exception e) when (BucketFaults.Is(e))
        {
            throw new BrokenBodyException(e);
        }
    }

    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    public override void Flush()
    {
    }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
}
