using Lathe.Contracts;

namespace Lathe.Cli.Output;

/// <summary>Standard output where it is a file or a device, which may take no more. That is no fault of Lathe, and not of the disk that has its store.</summary>
internal sealed class StandardOutput : Stream
{
    private readonly Stream _inner = Console.OpenStandardOutput();

    public override bool CanRead => false;

    public override bool CanSeek => false;

    public override bool CanWrite => true;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    /// <summary>Has this process write through it, unless it writes to a terminal.</summary>
    public static void Use()
    {
        if (Console.IsOutputRedirected) Console.SetOut(new StreamWriter(new StandardOutput(), Console.Out.Encoding, bufferSize: -1, leaveOpen: true) { AutoFlush = true });
    }

    /// <exception cref="LatheException">What standard output leads to takes no more.</exception>
    public override void Write(ReadOnlySpan<byte> buffer)
    {
        try
        {
            _inner.Write(buffer);
        }
        catch (IOException e)
        {
            throw new LatheException($"standard output cannot be written: {e.Message.Split(" : ")[0].TrimEnd('.')}", inner: e);
        }
    }

    public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

    public override void Flush() => _inner.Flush();

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();
}
