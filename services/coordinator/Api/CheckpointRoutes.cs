using System.Buffers.Binary;
using System.Security.Cryptography;
using Lathe.Contracts;
using Lathe.Hosting;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Net.Http.Headers;

namespace Lathe.Coordinator;

/// <summary>
/// Takes checkpoints of users into the store, and gives those of the store to users: a command line on another machine needs no access to the store.
/// </summary>
internal sealed class CheckpointRoutes(CheckpointStore store, HostingSettings settings, ApiSettings limits) : IDisposable
{
    public const string MediaType = "application/octet-stream";

    private const int LengthBytes = 8;
    private const int DigestLength = 64;
    private const int LeastOfDigest = 4;
    private const int BufferBytes = 1 << 17;
    private const int UploadsAtATime = 4;

    private readonly SemaphoreSlim _uploads = new(UploadsAtATime);

    /// <summary>Takes a safetensors file whose digest is known. It is kept once it has arrived whole and has that digest.</summary>
    public async Task<IResult> PutAsync(string sha256, HttpContext context)
    {
        var stop = context.RequestAborted;
        CheckDigest(sha256);
        if (context.Request.ContentLength > limits.UploadBytes) throw TooLarge();
        if (await FindAsync(sha256, stop) is { } known) return TypedResults.Ok(known);
        if (context.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } limit) limit.MaxRequestBodySize = limits.UploadBytes;
        await _uploads.WaitAsync(stop);
        // In the home, not in the store: what a client breaks off leaves nothing there.
        var folder = Directory.CreateDirectory(Path.Combine(settings.Home, "cache", "uploads")).FullName;
        var aside = Path.Combine(folder, $"{Guid.NewGuid():N}.uploading");
        try
        {
            var taken = await ReceiveAsync(context.Request.Body, aside, sha256, stop);
            // From here on it does not matter whether the client waits.
            await Task.Run(() => store.Import(aside), CancellationToken.None);
            return TypedResults.Created($"/checkpoints/{sha256}", taken);
        }
        finally
        {
            _uploads.Release();
            File.Delete(aside);
        }
    }

    /// <summary>Sends a checkpoint, verified; parts of it on request. For HEAD says whether it is there. The ETag is its whole digest.</summary>
    /// <param name="sha256">Its digest, or a unique start of it.</param>
    /// <param name="stop">Gives up.</param>
    public async Task<IResult> GetAsync(string sha256, CancellationToken stop)
    {
        if (sha256.Length is < LeastOfDigest or > DigestLength || !sha256.All(char.IsAsciiHexDigitLower))
            throw new ApiFault(StatusCodes.Status400BadRequest, $"'{sha256}' is no digest; expected {DigestLength} lower-case hexadecimal characters, or the first {LeastOfDigest} of them or more");
        var found = await Task.Run(() => store.StartingWith(sha256), stop) switch
        {
            [var only] => only,
            [] => throw ApiFault.NotFound($"checkpoint {sha256} is not in the store"),
            var several => throw new ApiFault(StatusCodes.Status409Conflict, CheckpointStore.Several(sha256, several)),
        };
        var path = await Task.Run(() => store.TryPathOf(found, out var file, out _) ? file : throw ApiFault.NotFound($"checkpoint {found.Sha256} is not in the store"), stop);
        return TypedResults.PhysicalFile(path, MediaType, enableRangeProcessing: true, entityTag: new EntityTagHeaderValue($"\"{found.Sha256}\""));
    }

    public void Dispose() => _uploads.Dispose();

    private async Task<CheckpointRef> ReceiveAsync(Stream body, string path, string sha256, CancellationToken stop)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var buffer = new byte[BufferBytes];
        var bytes = 0L;
        await using (var file = new FileStream(path, FileMode.CreateNew, FileAccess.Write, FileShare.None, 1))
        {
            while (await body.ReadAtLeastAsync(buffer, BufferBytes, throwOnEndOfStream: false, stop) is var read and > 0)
            {
                if (bytes == 0) CheckStart(buffer.AsSpan(0, read));
                bytes += read;
                if (bytes > limits.UploadBytes) throw TooLarge();
                hash.AppendData(buffer, 0, read);
                await file.WriteAsync(buffer.AsMemory(0, read), stop);
            }
        }

        if (bytes == 0) throw ApiFault.Unacceptable("", "is empty, expected a safetensors file");
        var found = Convert.ToHexStringLower(hash.GetHashAndReset());
        return found == sha256
            ? new CheckpointRef(sha256, bytes)
            : throw ApiFault.Unacceptable("", $"has the SHA-256 {found} ({bytes} bytes), expected {sha256}; it was damaged on the way, or the address is that of another file");
    }

    /// <summary>Whether a file may be safetensors: a length, and a JSON object of that length. Stages check the rest.</summary>
    private static void CheckStart(ReadOnlySpan<byte> start)
    {
        if (start.Length <= LengthBytes || BinaryPrimitives.ReadUInt64LittleEndian(start) is < 2 or > 100_000_000 || start[LengthBytes] != (byte)'{')
            throw ApiFault.Unacceptable("", "is no safetensors file");
    }

    /// <summary>A checkpoint of the store, verified.</summary>
    private Task<CheckpointRef?> FindAsync(string sha256, CancellationToken stop) => Task.Run(
        () =>
        {
            try
            {
                var found = store.Find(sha256);
                return store.Has(found) ? found : null;
            }
            catch (LatheException e) when (e.Kind == FailureKind.Permanent)
            {
                return null;
            }
        },
        stop);

    private static void CheckDigest(string sha256)
    {
        if (!StoredModel.IsDigest(sha256)) throw new ApiFault(StatusCodes.Status400BadRequest, $"'{sha256}' is no digest; expected 64 lower-case hexadecimal characters");
    }

    private ApiFault TooLarge() => new(StatusCodes.Status413PayloadTooLarge, $"the file is too large; this coordinator takes {limits.UploadBytes} bytes at most");
}
