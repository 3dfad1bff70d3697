using System.IO.Compression;
using System.Security.Cryptography;
using Microsoft.AspNetCore.Http;
using Microsoft.Net.Http.Headers;

namespace Lathe.Web;

/// <summary>A file of the page. It is compressed when it is first asked for, and once.</summary>
internal sealed class WebFile
{
    private const string Brotli = "br";
    private const string Gzip = "gzip";

    private readonly string _type;
    private readonly string _tag;
    private readonly byte[] _content;
    private readonly Lazy<byte[]> _brotli;
    private readonly Lazy<byte[]> _gzip;

    public WebFile(string name, byte[] content)
    {
        Name = name;
        _content = content;
        _type = TypeOf(name);
        _tag = $"\"{Convert.ToHexStringLower(SHA256.HashData(content))[..32]}\"";
        _brotli = new(() => Compressed(to => new BrotliStream(to, CompressionLevel.Optimal)));
        _gzip = new(() => Compressed(to => new GZipStream(to, CompressionLevel.Optimal)));
    }

    /// <summary>Path below the version.</summary>
    public string Name { get; }

    /// <summary>Answers with the file, or with 304 where the client has it.</summary>
    public async Task WriteAsync(HttpContext context)
    {
        var response = context.Response;
        response.Headers.ETag = _tag;
        response.Headers.Vary = HeaderNames.AcceptEncoding;
        if (context.Request.Headers.IfNoneMatch.ToString().Contains(_tag, StringComparison.Ordinal))
        {
            response.StatusCode = StatusCodes.Status304NotModified;
            return;
        }

        var accepted = context.Request.GetTypedHeaders().AcceptEncoding.Where(e => e.Quality is not 0).Select(e => e.Value.Value).ToHashSet(StringComparer.OrdinalIgnoreCase);
        var (body, encoding) = accepted.Contains(Brotli) ? (_brotli.Value, Brotli) : accepted.Contains(Gzip) ? (_gzip.Value, Gzip) : (_content, null);
        response.ContentType = _type;
        if (encoding is not null) response.Headers.ContentEncoding = encoding;
        response.ContentLength = body.Length;
        if (HttpMethods.IsGet(context.Request.Method)) await response.Body.WriteAsync(body, context.RequestAborted);
    }

    private byte[] Compressed(Func<Stream, Stream> compressor)
    {
        var to = new MemoryStream();
        using (var stream = compressor(to)) stream.Write(_content);
        return to.ToArray();
    }

    private static string TypeOf(string name) => Path.GetExtension(name) switch
    {
        ".html" => "text/html; charset=utf-8",
        ".js" => "text/javascript; charset=utf-8",
        ".css" => "text/css; charset=utf-8",
        ".svg" => "image/svg+xml",
        ".txt" or ".md" => "text/plain; charset=utf-8",
        var other => throw new InvalidOperationException($"{name}: no type is known for {other}"),
    };
}
