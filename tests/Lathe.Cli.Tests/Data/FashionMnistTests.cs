using System.IO.Compression;
using System.Net;
using System.Security.Cryptography;
using System.Text;
using Lathe.Cli.Data;
using Lathe.Contracts;
using Lathe.Hosting;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Lathe.Cli.Tests.Data;

public sealed class FashionMnistTests : IAsyncLifetime
{
    private const string Package = "/usr/share/datasets/fashion-mnist";
    private readonly string _folder = Directory.CreateTempSubdirectory("lathe-test-").FullName;
    private readonly Dictionary<string, byte[]> _served = [];
    private readonly List<string> _asked = [];
    private readonly HttpClient _http = new();
    private readonly List<string> _said = [];
    private WebApplication? _server;

    public async ValueTask InitializeAsync()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        _server = builder.Build();
        _server.MapGet("/{file}", (string file) =>
        {
            lock (_asked) _asked.Add(file);
            return _served.TryGetValue(file, out var bytes) ? Results.Bytes(bytes) : Results.NotFound();
        });
        await _server.StartAsync();
    }

    public async ValueTask DisposeAsync()
    {
        await _server!.DisposeAsync();
        _http.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public async Task Files_whose_content_has_the_right_digest_are_kept()
    {
        var digests = Serve(("a", "first"), ("b", "second"));

        await Source().DownloadAsync(_folder, digests, default);

        Assert.Equal(["a.gz", "b.gz"], Directory.GetFiles(_folder).Select(Path.GetFileName).Order());
        Assert.Equal(_served["b.gz"], File.ReadAllBytes(Path.Combine(_folder, "b.gz")));
        Assert.StartsWith("downloading Fashion-MNIST (30 MB) from http://127.0.0.1:", Assert.Single(_said));
        Assert.Contains("Debian's package would do as well (apt-get install dataset-fashion-mnist)", _said[0]);
    }

    [Fact]
    public async Task A_second_download_fetches_only_what_is_missing_or_damaged()
    {
        var digests = Serve(("a", "first"), ("b", "second"), ("c", "third"));
        await Source().DownloadAsync(_folder, digests, default);
        File.Delete(Path.Combine(_folder, "a.gz"));
        File.WriteAllText(Path.Combine(_folder, "c.gz"), "damaged");
        _asked.Clear();

        await Source().DownloadAsync(_folder, digests, default);

        Assert.Equal(["a.gz", "c.gz"], _asked);
        Assert.Equal(_served["c.gz"], File.ReadAllBytes(Path.Combine(_folder, "c.gz")));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_file_with_another_content_is_refused_and_nothing_is_left(bool compressed)
    {
        var digests = Serve(("a", "first"));
        _served["a.gz"] = compressed ? Compress("other") : Encoding.UTF8.GetBytes("no archive at all");

        var problem = await Assert.ThrowsAsync<LatheException>(() => Source().DownloadAsync(_folder, digests, default));

        Assert.Contains("a.gz is not the file expected", problem.Message);
        Assert.Contains(digests["a"], problem.Message);
        Assert.Empty(Directory.GetFiles(_folder));
    }

    [Fact]
    public async Task A_truncated_file_is_refused()
    {
        var digests = Serve(("a", string.Concat(Enumerable.Range(0, 10_000))));
        _served["a.gz"] = _served["a.gz"][..^100];

        await Assert.ThrowsAsync<LatheException>(() => Source().DownloadAsync(_folder, digests, default));

        Assert.Empty(Directory.GetFiles(_folder));
    }

    [Fact]
    public async Task Without_a_connection_the_message_says_what_to_do()
    {
        var address = new Uri(_server!.Urls.First() + "/");
        await _server.StopAsync();

        var problem = await Assert.ThrowsAsync<LatheException>(() => Source(address).GetAsync(new HostingSettings { Home = _folder, Store = _folder }, default));

        Assert.StartsWith("Fashion-MNIST is not on this machine and http://127.0.0.1:", problem.Message);
        Assert.Contains("apt-get install dataset-fashion-mnist", problem.Message);
        Assert.Contains("--data or LATHE_DATA", problem.Message);
    }

    [Fact]
    public async Task Downloaded_files_lie_where_workers_look_for_them()
    {
        Assert.SkipUnless(Directory.Exists(Package), "dataset-fashion-mnist is not installed");
        foreach (var file in FashionMnist.Digests.Keys) _served[file + ".gz"] = File.ReadAllBytes(Path.Combine(Package, file + ".gz"));
        var settings = HostingSettings.In(_folder);

        await Source().GetAsync(settings, default);

        Assert.Equal(Path.Combine(_folder, "data", "fashion-mnist"), DataFolders.Find(FashionMnist.Name, settings));
        Assert.Equal(4, _asked.Count);
    }

    [Fact]
    public void The_digests_are_those_of_the_package()
    {
        Assert.SkipUnless(Directory.Exists(Package), "dataset-fashion-mnist is not installed");
        foreach (var (file, digest) in FashionMnist.Digests)
        {
            using var stream = new GZipStream(File.OpenRead(Path.Combine(Package, file + ".gz")), CompressionMode.Decompress);
            Assert.Equal(digest, Convert.ToHexStringLower(SHA256.HashData(stream)));
        }
    }

    private FashionMnist Source(Uri? address = null) =>
        new(_http, address ?? new Uri(_server!.Urls.First() + "/"), _said.Add);

    private Dictionary<string, string> Serve(params (string File, string Content)[] files)
    {
        foreach (var (file, content) in files) _served[file + ".gz"] = Compress(content);
        return files.ToDictionary(f => f.File, f => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(f.Content))));
    }

    private static byte[] Compress(string content)
    {
        using var memory = new MemoryStream();
        using (var gzip = new GZipStream(memory, CompressionLevel.Fastest)) gzip.Write(Encoding.UTF8.GetBytes(content));
        return memory.ToArray();
    }
}
