using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Lathe.Contracts;
using Lathe.Testing;

namespace Lathe.Hosting.Tests;

/// <summary>What every store promises, wherever it lies.</summary>
[Collection(BucketTests.Name)]
public sealed class StoreTests(S3Server server)
{
    private static readonly string Key = new('a', 64);

    public static TheoryData<string> Kinds => Shelf.Kinds;

    private static CheckpointRef Stored(CheckpointStore store, params byte[] content) => store.Write(stream => stream.Write(content));

    private static string NameOf(CheckpointRef checkpoint) => $"{checkpoint.Sha256[..2]}/{checkpoint.Sha256}.safetensors";

    [Theory]
    [MemberData(nameof(Kinds))]
    public void A_checkpoint_is_named_by_the_digest_of_its_content(string kind)
    {
        using var shelf = new Shelf(kind, server);
        var store = new CheckpointStore(shelf.Settings);
        var checkpoint = Stored(store, 1, 2, 3);
        Assert.Equal(new CheckpointRef(Convert.ToHexStringLower(SHA256.HashData([1, 2, 3])), 3), checkpoint);
        var path = store.PathOf(checkpoint);
        Assert.EndsWith(Path.Combine(checkpoint.Sha256[..2], checkpoint.Sha256 + ".safetensors"), path, StringComparison.Ordinal);
        Assert.Equal([1, 2, 3], File.ReadAllBytes(path));
        Assert.Equal([1, 2, 3], shelf.Content(NameOf(checkpoint)));
        Assert.Equal(checkpoint, Stored(store, 1, 2, 3));
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void A_writer_may_close_its_stream(string kind)
    {
        using var shelf = new Shelf(kind, server);
        var store = new CheckpointStore(shelf.Settings);
        var checkpoint = store.Write(stream =>
        {
            using var writer = new BinaryWriter(stream);
            writer.Write(42L);
        });
        Assert.Equal(42L, BitConverter.ToInt64(File.ReadAllBytes(store.PathOf(checkpoint))));
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void A_writer_that_fails_leaves_nothing(string kind)
    {
        using var shelf = new Shelf(kind, server);
        Assert.Throws<InvalidOperationException>(() => new CheckpointStore(shelf.Settings).Write(stream =>
        {
            stream.Write(new byte[100_000]);
            throw new InvalidOperationException("half way");
        }));
        Assert.Empty(shelf.Files);
        Assert.Empty(shelf.Blobs.List(""));
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Everything_is_listed_with_its_length_and_age(string kind)
    {
        using var shelf = new Shelf(kind, server);
        Assert.Empty(shelf.Blobs.ListAll());
        shelf.Put("results/a.json", 1, 2);
        shelf.Put("ab/cd", 1);
        Assert.Equal([("ab/cd", 1L), ("results/a.json", 2L)], shelf.Blobs.ListAll().Select(b => (b.Name, b.Bytes)).Order());
        Assert.All(shelf.Blobs.ListAll(), b => Assert.InRange(b.WrittenAt, DateTimeOffset.UtcNow.AddMinutes(-2), DateTimeOffset.UtcNow.AddMinutes(2)));
        Assert.Equal(1, shelf.Blobs.Find("ab/cd")?.Bytes);
        Assert.Null(shelf.Blobs.Find("ab/c"));
    }

    [Fact]
    public void A_damaged_checkpoint_of_a_folder_does_not_exist()
    {
        using var shelf = new Shelf(Shelf.Folder, server);
        var store = new CheckpointStore(shelf.Settings);
        var checkpoint = Stored(store, 1, 2, 3);
        Assert.True(store.Exists(checkpoint));
        File.WriteAllBytes(store.PathOf(checkpoint), [1, 2, 4]);
        Assert.True(store.IsThere(checkpoint));
        Assert.False(store.Exists(checkpoint));
    }

    [Theory]
    [InlineData("500GiB", 500L << 30)]
    [InlineData("1.5 GB", 1_500_000_000)]
    [InlineData("1024", 1024)]
    [InlineData("20mib", 20L << 20)]
    public void Bytes_are_read_as_people_write_them(string text, long bytes) => Assert.Equal(bytes, ByteSize.Parse(text, "--budget"));

    [Theory]
    [InlineData("")]
    [InlineData("much")]
    [InlineData("-1")]
    [InlineData("1e9")]
    [InlineData("99999999TiB")]
    public void What_is_no_number_of_bytes_is_refused(string text) =>
        Assert.StartsWith($"LATHE_CACHE_BYTES is '{text}'; expected a number of bytes", Assert.Throws<LatheException>(() => ByteSize.Parse(text, "LATHE_CACHE_BYTES")).Message, StringComparison.Ordinal);

    [Fact]
    public void Files_that_belong_together_are_written_all_or_none()
    {
        using var folder = new TemporaryFolder();
        var (first, second) = (Path.Combine(folder.Path, "a.h"), Path.Combine(folder.Path, "a.c"));
        AtomicFile.WriteText(first, "before");
        File.WriteAllText(Path.Combine(folder.Path, "file"), "");
        Assert.ThrowsAny<IOException>(() => AtomicFile.WriteAll([(first, "after"u8.ToArray()), (Path.Combine(folder.Path, "file", "a.c"), "after"u8.ToArray())]));
        Assert.Equal("before", File.ReadAllText(first));
        Assert.Empty(Directory.GetFiles(folder.Path, ".*"));

        AtomicFile.WriteAll([(first, "after"u8.ToArray()), (second, "new"u8.ToArray())]);
        Assert.Equal(("after", "new"), (File.ReadAllText(first), File.ReadAllText(second)));
    }

    [Fact]
    public void A_writer_that_fails_leaves_the_earlier_file()
    {
        using var folder = new TemporaryFolder();
        var path = Path.Combine(folder.Path, "file");
        AtomicFile.WriteText(path, "before");
        Assert.Throws<InvalidOperationException>(() => AtomicFile.Write(path, stream =>
        {
            stream.WriteByte(1);
            throw new InvalidOperationException("half way");
        }));
        Assert.Equal("before", File.ReadAllText(path));
        Assert.Single(Directory.GetFiles(folder.Path));
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Writers_of_the_same_checkpoint_do_not_disturb_one_another(string kind)
    {
        using var shelf = new Shelf(kind, server);
        var content = RandomNumberGenerator.GetBytes(200_000);
        var checkpoint = new CheckpointRef(Convert.ToHexStringLower(SHA256.HashData(content)), content.Length);
        // Each as a process of its own, with another home.
        Parallel.For(0, 6, i => Assert.Equal(checkpoint, Stored(Elsewhere(i % 3), content)));
        Assert.Equal([(NameOf(checkpoint), content.LongLength)], shelf.Blobs.List($"{checkpoint.Sha256[..2]}/"));
        Parallel.For(0, 6, i => Assert.Equal(content, File.ReadAllBytes(Elsewhere(i % 3).PathOf(checkpoint))));

        CheckpointStore Elsewhere(int i) => new(shelf.Settings with { Home = Path.Combine(shelf.Settings.Home, $"{i}") });
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void A_damaged_checkpoint_is_named_with_both_digests_and_set_aside(string kind)
    {
        using var shelf = new Shelf(kind, server);
        var store = new CheckpointStore(shelf.Settings);
        var checkpoint = Stored(store, 1, 2, 3);
        store.PathOf(checkpoint);
        shelf.Put(NameOf(checkpoint), 1, 2, 4);
        var error = Assert.Throws<LatheException>(() => store.PathOf(checkpoint));
        Assert.Contains($"{store.Place}/{NameOf(checkpoint)} is damaged", error.Message, StringComparison.Ordinal);
        Assert.Contains(checkpoint.Sha256, error.Message, StringComparison.Ordinal);
        Assert.Contains(Convert.ToHexStringLower(SHA256.HashData([1, 2, 4])), error.Message, StringComparison.Ordinal);
        Assert.Equal([1, 2, 4], shelf.Content(NameOf(checkpoint) + ".damaged"));
        Assert.Null(shelf.Content(NameOf(checkpoint)));
        Assert.False(store.Has(checkpoint));
        Assert.Equal(checkpoint, Stored(store, 1, 2, 3));
        Assert.True(store.Has(checkpoint));
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void A_missing_checkpoint_names_the_store(string kind)
    {
        using var shelf = new Shelf(kind, server);
        var store = new CheckpointStore(shelf.Settings);
        var error = Assert.Throws<LatheException>(() => store.PathOf(new CheckpointRef(Key, 1)));
        Assert.Contains(shelf.Settings.Store, error.Message, StringComparison.Ordinal);
        Assert.Contains("whoever made it must have used the same store", error.Message, StringComparison.Ordinal);
        Assert.False(store.Has(new CheckpointRef(Key, 1)));
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void A_prefix_finds_one_checkpoint_and_refuses_none_or_several(string kind)
    {
        using var shelf = new Shelf(kind, server);
        var store = new CheckpointStore(shelf.Settings);
        var first = Stored(store, 1);
        Assert.Equal(first, store.Find(first.Sha256[..8].ToUpperInvariant()));
        Assert.Contains("no checkpoint", Assert.Throws<LatheException>(() => store.Find("00000000")).Message, StringComparison.Ordinal);
        shelf.Put(NameOf(first with { Sha256 = first.Sha256[..8] + new string('0', 56) }), 0);
        Assert.Contains("2 checkpoints start with", Assert.Throws<LatheException>(() => store.Find(first.Sha256[..8])).Message, StringComparison.Ordinal);
        Assert.Throws<LatheException>(() => store.Find("../../etc"));
    }

    private static IEnumerable<StoredResult?> NoResults(ResultStore results, Shelf shelf, StoredResult sound)
    {
        yield return Kept("{\"key\":");
        yield return Kept("null");
        yield return Kept("[]");
        var good = JsonSerializer.Serialize(sound, Contracts.LatheJson.Options);
        foreach (var (from, to) in ((string, string)[])[
            ($"\"sha256\":\"{Key}\"", "\"sha256\":\"hello\""), ($"\"sha256\":\"{Key}\"", $"\"sha256\":\"{Key.ToUpperInvariant()}\""), ($"\"sha256\":\"{Key}\"", "\"sha256\":null"),
            ("\"bytes\":3", "\"bytes\":-3"), ("\"top1\":0.9", "\"top1\":1e999"), ("\"top1\":0.9", "\"top1\":null"), ("\"seconds\":1.5", "\"seconds\":1e999"),
            ("\"stage\":\"prune\"", "\"stage\":null"), ("\"seconds\":1.5", "\"seconds\":1.5,\"panels\":[null]"), ("\"seconds\":1.5", "\"seconds\":1.5,\"panels\":[{\"kind\":\"lines\"}]")])
        {
            Assert.Contains(from, good, StringComparison.Ordinal);
            yield return Kept(good.Replace(from, to, StringComparison.Ordinal));
        }

        StoredResult? Kept(string text)
        {
            shelf.Put($"results/{Key}.json", Encoding.UTF8.GetBytes(text));
            return results.Find(Key);
        }
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void A_result_comes_back_as_it_was_and_a_broken_one_counts_as_none(string kind)
    {
        using var shelf = new Shelf(kind, server);
        var results = new ResultStore(shelf.Settings);
        Assert.Null(results.Find(Key));
        var result = new StoredResult(Key, "prune", new CheckpointRef(Key, 3), new Dictionary<string, double> { ["top1"] = 0.9 }, 1.5, Guid.NewGuid(), null,
            System.Text.Json.JsonSerializer.SerializeToElement(new { classes = new[] { 3, 4 } }));
        results.Commit(result);
        var found = results.Find(Key)!;
        Assert.Equal(result, found with { Metrics = result.Metrics, Records = result.Records });
        Assert.Equal("""{"classes":[3,4]}""", Contracts.CanonicalJson.Write(found.Records!.Value));
        Assert.Equal(result.Metrics, found.Metrics);
        Assert.All(NoResults(results, shelf, result), broken => Assert.Null(broken));
        Assert.Throws<LatheException>(() => results.Find("../key"));
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void A_training_state_is_replaced_whole_and_a_fresh_sweep_does_not_see_it(string kind)
    {
        using var shelf = new Shelf(kind, server);
        var states = new TrainingStateStore(shelf.Settings);
        var attempt = states.Begin(Key, null, TimeProvider.System);
        Assert.Null(attempt.Open());
        attempt.Save(stream => stream.WriteByte(7));
        Assert.Throws<InvalidOperationException>(() => attempt.Save(_ => throw new InvalidOperationException()));
        using (var state = states.Begin(Key, null, TimeProvider.System).Open()) Assert.Equal((1, 7), (state!.Length, state.ReadByte()));
        Assert.Null(states.Begin(Key, Guid.NewGuid(), TimeProvider.System).Open());
        attempt.Finished();
        Assert.Null(attempt.Open());
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void A_damaged_training_state_is_told_of_by_its_place_and_its_time_counts_no_more(string kind)
    {
        using var shelf = new Shelf(kind, server);
        var (states, clock, log) = (new TrainingStateStore(shelf.Settings), new SteppedTime(), new Warnings());
        var first = states.Begin(Key, null, clock, log);
        clock.Seconds = 100;
        first.Save(stream => stream.WriteByte(7));
        Assert.Empty(log.Messages);

        var second = states.Begin(Key, null, clock, log);
        clock.Seconds = 105;
        Assert.Equal(105, second.Seconds);
        second.Damaged("it is cut off");
        Assert.Equal($"{shelf.Blobs.PlaceOf($"states/{Key}.state")} is damaged: it is cut off. The stage starts over from its beginning", Assert.Single(log.Messages));
        Assert.Equal((5, 5), (second.Seconds, states.Begin(Key, null, clock, log).Seconds));
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Only_attempts_without_progress_count_and_five_of_them_are_enough(string kind)
    {
        using var shelf = new Shelf(kind, server);
        var states = new TrainingStateStore(shelf.Settings);
        for (var i = 0; i < 20; i++) states.Begin(Key, null, TimeProvider.System).Save(stream => stream.WriteByte(1));
        for (var i = 0; i < 20; i++) states.Begin(Key, null, TimeProvider.System).CalledOff();
        for (var i = 0; i < 5; i++) states.Begin(Key, null, TimeProvider.System);
        var error = Assert.Throws<LatheException>(() => states.Begin(Key, null, TimeProvider.System));
        Assert.Equal(FailureKind.Permanent, error.Kind);
        Assert.Contains("5 attempts in a row ended without progress", error.Message, StringComparison.Ordinal);
        states.Begin(Key, null, TimeProvider.System);
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task The_doctor_writes_to_the_store_and_leaves_nothing(string kind)
    {
        using var shelf = new Shelf(kind, server);
        var checks = await Doctor.CheckAsync(shelf.Settings, TestContext.Current.CancellationToken);
        var store = Assert.Single(checks, check => check.Name == "store");
        Assert.True(store.Ok, store.Message);
        Assert.StartsWith(shelf.Settings.Store, store.Message, StringComparison.Ordinal);
        Assert.Empty(shelf.Blobs.List(""));
    }

    private sealed class SteppedTime : TimeProvider
    {
        public long Seconds { get; set; }

        public override long TimestampFrequency => 1;

        public override long GetTimestamp() => Seconds;
    }
}
