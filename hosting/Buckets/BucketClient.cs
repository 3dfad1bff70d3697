using System.Net;
using Amazon.S3;
using Amazon.S3.Model;
using Lathe.Contracts;
using Polly;
using Polly.Retry;

namespace Lathe.Hosting;

/// <summary>An object as its bucket lists it.</summary>
/// <param name="Name">Relative to the address.</param>
/// <param name="Bytes">Length.</param>
/// <param name="Tag">Entity tag: another one for other content.</param>
/// <param name="WrittenAt">When it was last written.</param>
internal sealed record BucketObject(string Name, long Bytes, string Tag, DateTimeOffset WrittenAt);

/// <summary>An upload in parts that is not complete.</summary>
/// <param name="Name">Relative to the address.</param>
/// <param name="Id">The server's.</param>
/// <param name="BeganAt">When it began.</param>
internal sealed record BucketUpload(string Name, string Id, DateTimeOffset BeganAt);

/// <summary>
/// Requests to a bucket. The SDK retries a request (three attempts; <c>AWS_MAX_ATTEMPTS</c>). This class retries a body that breaks off while it
/// is read, up to three times. Safe for many threads at once.
/// </summary>
/// <param name="access">Server and credentials.</param>
/// <param name="address">Names are relative to it.</param>
internal sealed class BucketClient(BucketAccess access, BucketAddress address)
{
    private const long PartBytes = 16L << 20;
    private const int PartsAtOnce = 4;
    private const int MostParts = 9_999;
    private const string ContentType = "application/octet-stream";

    private static readonly ResiliencePipeline Bodies = new ResiliencePipelineBuilder()
        .AddRetry(new RetryStrategyOptions
        {
            ShouldHandle = new PredicateBuilder().Handle<BrokenBodyException>(),
            MaxRetryAttempts = 3,
            Delay = TimeSpan.FromMilliseconds(500),
            BackoffType = DelayBackoffType.Exponential,
        })
        .Build();

    public BucketAddress Address => address;

    /// <summary>Whether the bucket answers and may be listed.</summary>
    /// <exception cref="LatheException">The bucket cannot be used; the message says why in one line.</exception>
    public void Check() => Call("", s3 => s3.ListObjectsV2Async(new ListObjectsV2Request { BucketName = address.Bucket, Prefix = address.Prefix, MaxKeys = 1 }));

    /// <summary>An object, or null. A listing, because the answer to a question for one object does not tell a missing bucket from a missing object.</summary>
    public BucketObject? Find(string name)
    {
        var key = address.KeyOf(name);
        var listed = Call(name, s3 => s3.ListObjectsV2Async(new ListObjectsV2Request { BucketName = address.Bucket, Prefix = key, MaxKeys = 1 }));
        return listed.S3Objects?.Find(found => found.Key == key) is { } found ? Described(found) : null;
    }

    /// <summary>Objects whose name starts so and has no further slash, in ordinal order.</summary>
    public IReadOnlyList<BucketObject> List(string start) =>
        [.. Pages(start, new ListObjectsV2Request { BucketName = address.Bucket, Prefix = address.KeyOf(start), Delimiter = "/" }).OrderBy(o => o.Name, StringComparer.Ordinal)];

    /// <summary>Every object below the address.</summary>
    public IEnumerable<BucketObject> ListAll() => Pages("", new ListObjectsV2Request { BucketName = address.Bucket, Prefix = address.KeyOf("") });

    /// <summary>Uploads in parts that were neither completed nor given up. Nothing where the server does not tell, or not with these credentials.</summary>
    public IReadOnlyList<BucketUpload> ListUploads()
    {
        var found = new List<BucketUpload>();
        var request = new ListMultipartUploadsRequest { BucketName = address.Bucket, Prefix = address.KeyOf("") };
        try
        {
            ListMultipartUploadsResponse page;
            do
            {
                page = Call("", s3 => s3.ListMultipartUploadsAsync(request));
                found.AddRange((page.MultipartUploads ?? []).Select(u =>
                    new BucketUpload(u.Key[address.KeyOf("").Length..], u.UploadId, u.Initiated?.ToUniversalTime() ?? DateTime.UtcNow)));
                (request.KeyMarker, request.UploadIdMarker) = (page.NextKeyMarker, page.NextUploadIdMarker);
            }
            while (page.IsTruncated == true);
        }
        catch (LatheException e) when (e.InnerException is AmazonS3Exception { StatusCode: HttpStatusCode.NotImplemented or HttpStatusCode.MethodNotAllowed or HttpStatusCode.Forbidden })
        {
            // Not every server knows the question, and the parts are the operator's to remove then.
        }

        return found;
    }

    /// <summary>Removes the parts of an upload; does nothing if it is over.</summary>
    public void GiveUp(string name, string upload) => Call(name, async s3 =>
    {
        try
        {
            await s3.AbortMultipartUploadAsync(address.Bucket, address.KeyOf(name), upload);
        }
        catch (AmazonS3Exception e) when (e.ErrorCode == "NoSuchUpload")
        {
            // Completed or given up meanwhile.
        }

        return true;
    });

    /// <summary>Stores a file under a name, whole or not at all; a long one in parts, a few at a time.</summary>
    public void Upload(string file, string name)
    {
        var length = new FileInfo(file).Length;
        Call(name, s3 => length <= PartBytes ? UploadWholeAsync(s3, file, name) : UploadPartsAsync(s3, file, length, name));
    }

    /// <summary>Copies an object's content to a stream from its present position on.</summary>
    /// <returns>False if it does not exist.</returns>
    public bool Download(string name, Stream to)
    {
        var start = to.Position;
        try
        {
            Get(new GetObjectRequest { BucketName = address.Bucket, Key = address.KeyOf(name) }, name, null, body =>
            {
                to.SetLength(start);
                to.Position = start;
                body.CopyTo(to);
                return 0;
            });
            return true;
        }
        catch (LatheException e) when (e.InnerException is AmazonS3Exception missing && BucketFaults.IsMissing(missing))
        {
            return false;
        }
    }

    /// <summary>Puts an object's content into a file that is there whole or not at all.</summary>
    /// <exception cref="LatheException">It was replaced meanwhile, or there is no room for it.</exception>
    public void Download(BucketObject from, string file)
    {
        var folder = Path.GetDirectoryName(file)!;
        Directory.CreateDirectory(folder);
        if (new DriveInfo(folder).AvailableFreeSpace is var free && free < from.Bytes)
        {
            throw new LatheException(
                $"{address}/{from.Name} has {from.Bytes >> 20} MiB, and {folder} has room for {free >> 20}: make room, or set {HostingSettings.HomeVariable} to a larger disk",
                FailureKind.Transient);
        }

        AtomicFile.Write(file, stream => Read(from, body =>
        {
            stream.SetLength(0);
            stream.Position = 0;
            body.CopyTo(stream);
            return stream.Length == from.Bytes ? 0 : throw AnswerBody.Short(stream.Length, from.Bytes);
        }));
    }

    /// <summary>Reads an object from front to end.</summary>
    /// <param name="from">Refused if the bucket has another version by now.</param>
    /// <param name="read">Called again with a new body if one breaks off.</param>
    public T Read<T>(BucketObject from, Func<Stream, T> read) =>
        Get(new GetObjectRequest { BucketName = address.Bucket, Key = address.KeyOf(from.Name), EtagToMatch = from.Tag }, from.Name, from, read);

    /// <summary>Reads a part of an object.</summary>
    /// <param name="from">Refused if the bucket has another version by now.</param>
    /// <param name="offset">First byte.</param>
    /// <param name="bytes">Filled, all of it.</param>
    public void Read(BucketObject from, long offset, Memory<byte> bytes)
    {
        if (bytes.Length == 0) return;
        var request = new GetObjectRequest
        {
            BucketName = address.Bucket,
            Key = address.KeyOf(from.Name),
            EtagToMatch = from.Tag,
            ByteRange = new ByteRange(offset, offset + bytes.Length - 1),
        };
        Get(request, from.Name, from, body =>
        {
            var read = body.ReadAtLeast(bytes.Span, bytes.Length, throwOnEndOfStream: false);
            return read == bytes.Length ? 0 : throw AnswerBody.Short(read, bytes.Length);
        });
    }

    /// <summary>Removes an object; does nothing if it does not exist.</summary>
    public void Delete(string name) => Call(name, s3 => s3.DeleteObjectAsync(address.Bucket, address.KeyOf(name)));

    private async Task<bool> UploadWholeAsync(AmazonS3Client s3, string file, string name)
    {
        await s3.PutObjectAsync(new PutObjectRequest
        {
            BucketName = address.Bucket,
            Key = address.KeyOf(name),
            FilePath = file,
            ContentType = ContentType,
            UseChunkEncoding = access.IsAmazon,
            DisablePayloadSigning = access.IsEncrypted,
        });
        return true;
    }

    private async Task<bool> UploadPartsAsync(AmazonS3Client s3, string file, long length, string name)
    {
        var key = address.KeyOf(name);
        var size = Math.Max(PartBytes, (length / MostParts) + 1);
        var parts = new PartETag[(int)((length + size - 1) / size)];
        var upload = await s3.InitiateMultipartUploadAsync(new InitiateMultipartUploadRequest { BucketName = address.Bucket, Key = key, ContentType = ContentType });
        try
        {
            await Parallel.ForAsync(0, parts.Length, new ParallelOptions { MaxDegreeOfParallelism = PartsAtOnce }, async (part, stop) =>
            {
                var answer = await s3.UploadPartAsync(
                    new UploadPartRequest
                    {
                        BucketName = address.Bucket,
                        Key = key,
                        UploadId = upload.UploadId,
                        PartNumber = part + 1,
                        FilePath = file,
                        FilePosition = part * size,
                        PartSize = Math.Min(size, length - (part * size)),
                        IsLastPart = part == parts.Length - 1,
                        UseChunkEncoding = access.IsAmazon,
                        DisablePayloadSigning = access.IsEncrypted,
                    },
                    stop);
                parts[part] = new PartETag(part + 1, answer.ETag);
            });
            await s3.CompleteMultipartUploadAsync(
                new CompleteMultipartUploadRequest { BucketName = address.Bucket, Key = key, UploadId = upload.UploadId, PartETags = [.. parts] });
            return true;
        }
        catch
        {
            await ForgetPartsAsync(s3, key, upload.UploadId);
            throw;
        }
    }

    private async Task ForgetPartsAsync(AmazonS3Client s3, string key, string upload)
    {
        try
        {
            await s3.AbortMultipartUploadAsync(address.Bucket, key, upload);
        }
        catch (Exception e) when (BucketFaults.Is(e))
        {
            // Report the original fault, not this one.
        }
    }

    private IEnumerable<BucketObject> Pages(string what, ListObjectsV2Request request)
    {
        do
        {
            var page = Call(what, s3 => s3.ListObjectsV2Async(request));
            foreach (var found in page.S3Objects ?? []) yield return Described(found);
            request.ContinuationToken = page.NextContinuationToken;
        }
        while (request.ContinuationToken is not null);
    }

    private BucketObject Described(S3Object found) =>
        new(found.Key[address.KeyOf("").Length..], found.Size ?? 0, found.ETag, found.LastModified?.ToUniversalTime() ?? DateTime.UtcNow);

    private T Get<T>(GetObjectRequest request, string name, BucketObject? expected, Func<Stream, T> read)
    {
        try
        {
            return Bodies.Execute(() =>
            {
                using var response = Call(name, s3 => s3.GetObjectAsync(request));
                // Not every server checks the condition.
                if (expected is not null && response.ETag.Trim('"') != expected.Tag.Trim('"')) throw BucketFaults.Replaced($"{address}/{name}");
                if (request.ByteRange is not null && response.HttpStatusCode != HttpStatusCode.PartialContent)
                    throw new LatheException($"{access.Server} sends {address}/{name} whole where a part was asked for: Lathe needs a server that knows byte ranges");
                // Only faults of the network are retried, not faults of the local disk.
                using var body = new AnswerBody(response.ResponseStream, access.Stall);
                return read(body);
            });
        }
        catch (BrokenBodyException e)
        {
            throw BucketFaults.Tell(e.InnerException!, address, access.Server, name);
        }
    }

    private T Call<T>(string name, Func<AmazonS3Client, Task<T>> call)
    {
        var client = access.Client;
        try
        {
            // The SDK has only asynchronous calls. Stages and loaders have their own threads, which can wait.
            return Task.Run(() => call(client)).GetAwaiter().GetResult();
        }
        catch (Exception e) when (BucketFaults.Is(e))
        {
            throw BucketFaults.Tell(e, address, access.Server, name);
        }
    }
}
