using System.Buffers;

namespace Lathe.Hosting;

/// <summary>The connection broke while an object was read.</summary>
internal sealed class BrokenBodyException(Exception cause) : Exception(cause.Message, cause);

/// <summary>
/// The body of a response. Its faults can be distinguished from those of the stream that it is copied to. One that sends nothing for a while counts as
/// broken: the library would wait for it forever.
/// </summary>
/// <param name="body">The body.</param>
/// <param name="stall">How long it may send nothing.</param>
internal sealed class AnswerBody(Stream body, TimeSpan stall) : Stream
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
        var bytes = ArrayPool<byte>.Shared.Rent(buffer.Length);
        try
        {
            var read = Read(bytes, 0, buffer.Length);
            bytes.AsSpan(0, read).CopyTo(buffer);
            return read;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(bytes);
        }
    }

    public override int Read(byte[] buffer, int offset, int count)
    {
        using var patience = new CancellationTokenSource(stall);
        try
        {
            var reading = body.ReadAsync(buffer.AsMemory(offset, count), patience.Token);
            return reading.IsCompleted ? reading.Result : reading.AsTask().GetAwaiter().GetResult();
        }
        catch (OperationCanceledException) when (patience.IsCancellationRequested)
        {
            throw new BrokenBodyException(new IOException($"nothing came for {stall.TotalSeconds:0} s"));
        }
        catch (Exception e) when (BucketFaults.Is(e))
        {
            throw new BrokenBodyException(e);
        }
    }

    public override void Flush()
    {
    }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
}
