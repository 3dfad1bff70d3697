using System.Collections.Concurrent;
using Lathe.Contracts;
using Lathe.Hosting;
using Lathe.Testing;
using Microsoft.AspNetCore.Http;
using static Lathe.Coordinator.Tests.Stages;

namespace Lathe.Coordinator.Tests;

/// <summary>Deletions in a bucket beside a real database. The bench's clock is years ahead of the server's.</summary>
public sealed class Collecting_a_bucket(S3Server server) : IClassFixture<S3Server>
{
    private static readonly RetentionRule KeepNone = new(KeepLast: 0);

    [Fact]
    public async Task What_goes_from_a_bucket_is_what_goes_from_a_folder_and_a_dry_run_says_so_beforehand()
    {
        Assert.SkipWhen(server.Missing is not null, server.Missing ?? "");
        using var bench = await Workbench.StartAsync();
        await bench.SubmitAsync(Sweep(("train", "{}"), ("prune", """{"multiplications": [0.5, 0.25]}"""), ("quantize", "{}"), ("evaluate", "{}")));
        var id = await bench.SubmitAsync(Sweep(("train", """{"epochs": 9}"""), ("prune", "{}")));
        await bench.FinishAllAsync();
        bench.States.Begin(new string('e', 64), null, TimeProvider.System).Save(to => to.WriteByte(1));
        await bench.Orchestrator.PinAsync(id, isPinned: true);
        // A long training state of a worker that died.
        bench.Blobs.Write(to => ".0123.writing");
        var bucket = InBucket(server.Port);
        foreach (var blob in bench.Blobs.ListAll().ToList())
        {
            using var content = bench.Blobs.Open(blob.Name)!;
            bucket.Write(to =>
            {
                content.CopyTo(to);
                return blob.Name;
            });
        }

        var folder = await new StoreCollector(bench.Store, bench.Blobs, bench.Time).CollectAsync(KeepNone with { Orphans = true }, isDryRun: true);
        var collector = new StoreCollector(bench.Store, bucket, bench.Time);
        var dry = await collector.CollectAsync(KeepNone with { Orphans = true }, isDryRun: true);
        Assert.Equal(bench.Blobs.ListAll().Select(b => b.Name).Order(), bucket.ListAll().Select(b => b.Name).Order());
        var real = await collector.CollectAsync(KeepNone with { Orphans = true }, isDryRun: false);

        Assert.Equal(folder.Lines, dry.Lines);
        Assert.Equal(dry.Lines, real.Lines);
        Assert.Equal((dry.Before, dry.After), (real.Before, real.After));
        // Two pruned networks, the state that no record names with its record, and the file on its way.
        Assert.Equal([("checkpoint", 2), ("file on its way", 1), ("training state", 2)], real.Lines.Where(l => l.Goes).Select(l => (l.What, l.Count)).Order());
        Assert.Equal(real.After, bucket.ListAll().Sum(b => b.Bytes));
        Assert.DoesNotContain((await collector.CollectAsync(KeepNone, isDryRun: true)).Lines, l => l.Goes);
    }

    [Fact]
    public async Task Parts_of_an_upload_that_broke_off_go_after_a_day_and_those_of_today_stay()
    {
        Assert.SkipWhen(server.Missing is not null, server.Missing ?? "");
        using var bench = await Workbench.StartAsync();
        await using var proxy = await FaultyProxy.StartAsync(server.Port, seed: 1);
        var bucket = InBucket(proxy.Port);
        var prefix = bucket.Place[$"s3://{S3Server.Bucket}/".Length..];
        // The server of the tests keeps parts, but can neither list nor remove them.
        var uploads = new ConcurrentDictionary<string, DateTimeOffset>
        {
            ["old&1"] = bench.Time.GetUtcNow().AddDays(-2),
            ["new2"] = bench.Time.GetUtcNow().AddHours(-2),
        };
        proxy.Instead = async context =>
        {
            var (request, response) = (context.Request, context.Response);
            if (HttpMethods.IsGet(request.Method) && request.Query.ContainsKey("uploads"))
            {
                Assert.Equal($"{prefix}/", request.Query["prefix"]);
                response.ContentType = "application/xml";
                await response.WriteAsync(
                    $"""<?xml version="1.0"?><ListMultipartUploadsResult><Bucket>{S3Server.Bucket}</Bucket><IsTruncated>false</IsTruncated>{string.Concat(uploads.Select(u =>
                        $"<Upload><Key>{prefix}/states/a.state</Key><UploadId>{u.Key.Replace("&", "&amp;", StringComparison.Ordinal)}</UploadId><Initiated>{u.Value.UtcDateTime:yyyy-MM-ddTHH:mm:ss.000Z}</Initiated></Upload>"))}</ListMultipartUploadsResult>""");
                return true;
            }

            if (!HttpMethods.IsDelete(request.Method) || !request.Query.ContainsKey("uploadId")) return false;
            Assert.EndsWith($"{prefix}/states/a.state", request.Path.Value, StringComparison.Ordinal);
            response.StatusCode = uploads.TryRemove(request.Query["uploadId"]!, out _) ? StatusCodes.Status204NoContent : StatusCodes.Status404NotFound;
            return true;
        };
        var collector = new StoreCollector(bench.Store, bucket, bench.Time);

        var dry = await collector.CollectAsync(new RetentionRule(), isDryRun: true);
        Assert.Equal(2, uploads.Count);
        var real = await collector.CollectAsync(new RetentionRule(), isDryRun: false);

        Assert.Equal(["new2"], uploads.Keys);
        Assert.Equal(dry.Lines, real.Lines);
        Assert.Equal([("left by a process that died", true), ("being written", false)], real.Lines.Select(l => (l.Why, l.Goes)));
    }

    private BucketBlobs InBucket(int port) => new(
        BucketAccess.From(S3Server.EnvironmentAt(port).GetValueOrDefault), BucketAddress.Parse(server.NewPlace()), Directory.CreateTempSubdirectory("lathe-copies-").FullName);
}
