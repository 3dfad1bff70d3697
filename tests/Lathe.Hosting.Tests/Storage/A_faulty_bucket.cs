using System.Security.Cryptography;
using Lathe.Contracts;
using Lathe.Testing;

namespace Lathe.Hosting.Tests;

/// <summary>A store behind a server that fails now and then.</summary>
[Collection(BucketTests.Name)]
public sealed class A_faulty_bucket(S3Server server)
{
    private static readonly string Key = new('c', 64);

    [Theory]
    [InlineData(HttpFault.Error)]
    [InlineData(HttpFault.Overload)]
    [InlineData(HttpFault.Reset)]
    [InlineData(HttpFault.LostAnswer)]
    [InlineData(HttpFault.Truncated)]
    [InlineData(HttpFault.Slow)]
    public async Task Gives_the_right_bytes_or_one_line_worth_another_try_and_nothing_half(HttpFault kind)
    {
        using var shelf = new Shelf(Shelf.Bucket, server);
        await using var proxy = await FaultyProxy.StartAsync(server.Port, seed: (int)kind);
        (proxy.Kinds, proxy.Share) = ([kind], 0.3);
        var store = new CheckpointStore(Through(proxy, shelf.Settings));
        var (written, failed) = (new List<(CheckpointRef Reference, byte[] Content)>(), 0);
        for (var i = 0; i < 30; i++)
        {
            var content = new byte[50_000];
            new Random(i).NextBytes(content);
            if (Try(() => store.Write(stream => stream.Write(content)), ref failed) is { } reference) written.Add((reference, content));
        }

        foreach (var (reference, content) in written)
        {
            // A copy that a read left on this machine would need no server.
            if (Try(() => File.ReadAllBytes(store.PathOf(reference)), ref failed) is { } found) Assert.Equal(content, found);
        }

        Assert.True(proxy.Counts[kind] > 3);
        Assert.InRange(written.Count, 20, 30);
        // Without the faults everything that was said to be written is there, and nothing else is there in part.
        var honest = new CheckpointStore(shelf.Settings);
        Assert.All(written, w => Assert.Equal(w.Content, File.ReadAllBytes(honest.PathOf(w.Reference))));
        foreach (var blob in shelf.Blobs.ListAll())
        {
            Assert.Equal(50_000, blob.Bytes);
            Assert.Equal(Path.GetFileNameWithoutExtension(blob.Name), Convert.ToHexStringLower(SHA256.HashData(shelf.Content(blob.Name)!)));
        }
    }

    [Fact]
    public async Task A_long_state_in_parts_is_whole_or_the_earlier_one()
    {
        using var shelf = new Shelf(Shelf.Bucket, server);
        await using var proxy = await FaultyProxy.StartAsync(server.Port, seed: 7);
        var attempt = new TrainingStateStore(Through(proxy, shelf.Settings)).Begin(Key, null, TimeProvider.System);
        proxy.Share = 0.25;
        byte last = 0;
        var failed = 0;
        for (byte epoch = 1; epoch <= 4; epoch++)
        {
            var content = Enumerable.Repeat(epoch, (20 << 20) + 1).ToArray();
            if (Try(
                () =>
                {
                    attempt.Save(stream => stream.Write(content));
                    return content;
                },
                ref failed) is not null) last = epoch;
        }

        proxy.Share = 0;
        using var state = attempt.Open();
        var found = new byte[(20 << 20) + 1];
        state!.ReadExactly(found);
        Assert.True(found[0] >= last);
        Assert.Equal(found.Length, state.Length);
        Assert.All(found.Chunk(1 << 20), chunk => Assert.Equal(-1, chunk.AsSpan().IndexOfAnyExcept(found[0])));
    }

    [Fact]
    public async Task An_answer_that_stops_in_its_middle_is_given_up_and_asked_for_again()
    {
        using var shelf = new Shelf(Shelf.Bucket, server);
        shelf.Put("content", new byte[100_000]);
        await using var proxy = await FaultyProxy.StartAsync(server.Port, seed: 1);
        var blobs = Blobs.Of(Through(proxy, shelf.Settings, TimeSpan.FromSeconds(0.2)));
        (proxy.Kinds, proxy.Share) = ([HttpFault.Stalled], 1);
        var error = Assert.Throws<LatheException>(() => blobs.Open("content"));
        Assert.Equal((FailureKind.Transient, 4), (error.Kind, proxy.Counts[HttpFault.Stalled]));
        Assert.Contains("could not be transferred: nothing came for 0 s", error.Message, StringComparison.Ordinal);
        proxy.Share = 0;
        using var content = blobs.Open("content");
        Assert.Equal(100_000, content!.Length);
    }

    [Fact]
    public async Task A_data_set_has_the_fingerprint_that_it_has_without_faults()
    {
        using var shelf = new Shelf(Shelf.Bucket, server);
        foreach (var file in DataSetFiles.ByName["mnist"]) shelf.Put($"data/{file}", RandomNumberGenerator.GetBytes(200_000));
        var settings = shelf.Settings with { Data = $"{shelf.Settings.Store}/data" };
        var honest = DataFingerprint.Find("mnist", settings);
        await using var proxy = await FaultyProxy.StartAsync(server.Port, seed: 3);
        proxy.Share = 0.3;
        var failed = 0;
        DataRef? found = null;
        // What a coordinator does with a transient failure: it tries again.
        for (var i = 0; i < 10 && found is null; i++)
        {
            using var folder = new TemporaryFolder();
            found = Try(() => DataFingerprint.Find("mnist", Through(proxy, settings) with { Home = folder.Path }), ref failed);
        }

        Assert.Equal(honest, found);
        Assert.NotEmpty(proxy.Counts);
    }

    private static HostingSettings Through(FaultyProxy proxy, HostingSettings settings, TimeSpan? stall = null) =>
        settings with { Buckets = BucketAccess.From(S3Server.EnvironmentAt(proxy.Port).GetValueOrDefault, stall) };

    /// <summary>The result, or null where it failed in the one way that is allowed.</summary>
    private static T? Try<T>(Func<T> action, ref int failed)
        where T : class
    {
        try
        {
            return action();
        }
        catch (LatheException e)
        {
            Assert.Equal(FailureKind.Transient, e.Kind);
            Assert.DoesNotContain('\n', e.Message);
            failed++;
            return null;
        }
    }
}
