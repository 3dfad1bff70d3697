using System.Buffers.Binary;
using System.Net;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text;
using Lathe.Contracts;
using Lathe.Hosting;

namespace Lathe.Coordinator.Tests;

/// <summary>Uploads and downloads of checkpoints.</summary>
public sealed class Moving_checkpoints_over_http
{
    [Fact]
    public async Task A_file_is_taken_once_and_given_back()
    {
        await using var bench = await HttpBench.StartAsync();
        var file = SafeTensors(300_000);
        var digest = Convert.ToHexStringLower(SHA256.HashData(file));
        Assert.Equal(HttpStatusCode.NotFound, (await bench.SendAsync(HttpMethod.Head, $"/checkpoints/{digest}")).StatusCode);

        var created = await PutAsync(bench, digest, file);
        var known = await PutAsync(bench, digest, file);

        Assert.Equal((HttpStatusCode.Created, HttpStatusCode.OK), (created.StatusCode, known.StatusCode));
        var head = await bench.SendAsync(HttpMethod.Head, $"/checkpoints/{digest}");
        Assert.Equal((HttpStatusCode.OK, file.Length), (head.StatusCode, head.Content.Headers.ContentLength));
        Assert.Equal(file, await bench.Client.GetByteArrayAsync($"/checkpoints/{digest}"));
        Assert.True(bench.Service<CheckpointStore>().Has(new CheckpointRef(digest, file.Length)));
    }

    [Fact]
    public async Task A_start_of_a_digest_is_enough_where_it_is_the_only_one()
    {
        await using var bench = await HttpBench.StartAsync();
        var file = SafeTensors(1000);
        var digest = Convert.ToHexStringLower(SHA256.HashData(file));
        await PutAsync(bench, digest, file);

        var found = await bench.Client.GetAsync($"/checkpoints/{digest[..6]}");
        Assert.Equal($"\"{digest}\"", found.Headers.ETag?.Tag);
        Assert.Equal(file, await found.Content.ReadAsByteArrayAsync());
        Assert.Contains("expected 64 lower-case hexadecimal characters, or the first 4 of them or more", (await HttpBench.ProblemAsync(await bench.Client.GetAsync("/checkpoints/abc"), 400)).Detail);
        var other = digest[5] == '0' ? '1' : '0';
        Assert.Equal($"checkpoint {digest[..5]}{other} is not in the store", (await HttpBench.ProblemAsync(await bench.Client.GetAsync($"/checkpoints/{digest[..5]}{other}"), 404)).Detail);
        var path = bench.Service<CheckpointStore>().PathOf(new CheckpointRef(digest, file.Length));
        File.Copy(path, path.Replace(digest, digest[..5] + other + digest[6..], StringComparison.Ordinal));
        Assert.Contains($"2 checkpoints start with {digest[..5]}: ", (await HttpBench.ProblemAsync(await bench.Client.GetAsync($"/checkpoints/{digest[..5]}"), 409)).Detail);
    }

    [Fact]
    public async Task What_does_not_have_the_digest_is_not_kept()
    {
        await using var bench = await HttpBench.StartAsync(api: a => a with { UploadBytes = 500_000 });
        var file = SafeTensors(1000);
        var digest = Convert.ToHexStringLower(SHA256.HashData(file));
        file[^1] ^= 1;

        var damaged = await HttpBench.ProblemAsync(await PutAsync(bench, digest, file), 422);
        var other = Encoding.UTF8.GetBytes("#!/bin/sh\n# no network");
        var foreign = await HttpBench.ProblemAsync(await PutAsync(bench, Convert.ToHexStringLower(SHA256.HashData(other)), other), 422);
        var large = SafeTensors(600_000);
        await HttpBench.ProblemAsync(await PutAsync(bench, Convert.ToHexStringLower(SHA256.HashData(large)), large), 413);
        await HttpBench.ProblemAsync(await PutAsync(bench, Convert.ToHexStringLower(SHA256.HashData(large)), large, isChunked: true), 413);
        await HttpBench.ProblemAsync(await PutAsync(bench, "..%2F..%2Fetc%2Fpasswd", file), 400);

        Assert.Contains(digest, damaged.Detail);
        Assert.Contains("no safetensors file", foreign.Detail);
        Assert.DoesNotContain(Directory.EnumerateFiles(bench.Home, "*", SearchOption.AllDirectories), f => Path.GetExtension(f) is ".safetensors" or ".uploading");
    }

    private static async Task<HttpResponseMessage> PutAsync(HttpBench bench, string digest, byte[] file, bool isChunked = false)
    {
        using var content = new ByteArrayContent(file) { Headers = { ContentType = new MediaTypeHeaderValue("application/octet-stream") } };
        using var request = new HttpRequestMessage(HttpMethod.Put, $"/checkpoints/{digest}") { Content = content };
        request.Headers.TransferEncodingChunked = isChunked;
        request.Headers.ExpectContinue = true;
        return await bench.Client.SendAsync(request);
    }

    /// <summary>A file with one tensor of so many bytes.</summary>
    private static byte[] SafeTensors(int bytes)
    {
        var header = Encoding.UTF8.GetBytes($$$"""{"a": {"dtype": "U8", "shape": [{{{bytes}}}], "data_offsets": [0, {{{bytes}}}]}}""");
        var file = new byte[8 + header.Length + bytes];
        BinaryPrimitives.WriteInt64LittleEndian(file, header.Length);
        header.CopyTo(file, 8);
        for (var i = 8 + header.Length; i < file.Length; i++) file[i] = (byte)(i * 31);
        return file;
    }
}
