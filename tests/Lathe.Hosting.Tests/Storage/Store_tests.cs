using System.Security.Cryptography;
using Lathe.Contracts;

namespace Lathe.Hosting.Tests;

public sealed class StoreTests : IDisposable
{
    private static readonly string Key = new('a', 64);

    private readonly TemporaryFolder _folder = new();
    private readonly CheckpointStore _store;

    public StoreTests() => _store = new CheckpointStore(Path.Combine(_folder.Path, "store"));

    public void Dispose() => _folder.Dispose();

    private CheckpointRef Stored(params byte[] content) => _store.Write(stream => stream.Write(content));

    [Fact]
    public void A_checkpoint_is_named_by_the_digest_of_its_content()
    {
        var checkpoint = Stored(1, 2, 3);
        Assert.Equal(new CheckpointRef(Convert.ToHexStringLower(SHA256.HashData([1, 2, 3])), 3), checkpoint);
        var path = _store.PathOf(checkpoint);
        Assert.EndsWith(Path.Combine(checkpoint.Sha256[..2], checkpoint.Sha256 + ".safetensors"), path, StringComparison.Ordinal);
        Assert.Equal([1, 2, 3], File.ReadAllBytes(path));
        Assert.Equal(checkpoint, Stored(1, 2, 3));
    }

    [Fact]
    public void A_writer_may_close_its_stream()
    {
        var checkpoint = _store.Write(stream =>
        {
            using var writer = new BinaryWriter(stream);
            writer.Write(42L);
        });
        Assert.Equal(42L, BitConverter.ToInt64(File.ReadAllBytes(_store.PathOf(checkpoint))));
    }

    [Fact]
    public void A_writer_that_fails_leaves_nothing()
    {
        Assert.Throws<InvalidOperationException>(() => _store.Write(stream =>
        {
            stream.Write(new byte[100_000]);
            throw new InvalidOperationException("half way");
        }));
        Assert.Empty(Directory.GetFiles(_folder.Path, "*", SearchOption.AllDirectories));
    }

    [Fact]
    public void A_writer_that_fails_leaves_the_earlier_file()
    {
        var path = Path.Combine(_folder.Path, "file");
        AtomicFile.WriteText(path, "before");
        Assert.Throws<InvalidOperationException>(() => AtomicFile.Write(path, stream =>
        {
            stream.WriteByte(1);
            throw new InvalidOperationException("half way");
        }));
        Assert.Equal("before", File.ReadAllText(path));
        Assert.Single(Directory.GetFiles(_folder.Path));
    }

    [Fact]
    public void A_damaged_checkpoint_is_named_with_both_digests_and_set_aside()
    {
        var checkpoint = Stored(1, 2, 3);
        var path = _store.PathOf(checkpoint);
        File.WriteAllBytes(path, [1, 2, 4]);
        var error = Assert.Throws<LatheException>(() => _store.PathOf(checkpoint));
        Assert.Contains(path, error.Message, StringComparison.Ordinal);
        Assert.Contains(checkpoint.Sha256, error.Message, StringComparison.Ordinal);
        Assert.Contains(Convert.ToHexStringLower(SHA256.HashData([1, 2, 4])), error.Message, StringComparison.Ordinal);
        Assert.True(File.Exists(path + ".damaged"));
        Assert.False(_store.Has(checkpoint));
        Assert.Equal(checkpoint, Stored(1, 2, 3));
        Assert.True(_store.Has(checkpoint));
    }

    [Fact]
    public void A_missing_checkpoint_names_the_store()
    {
        var error = Assert.Throws<LatheException>(() => _store.PathOf(new CheckpointRef(Key, 1)));
        Assert.Contains(_store.Folder, error.Message, StringComparison.Ordinal);
        Assert.Contains("share one store", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_prefix_finds_one_checkpoint_and_refuses_none_or_several()
    {
        var first = Stored(1);
        Assert.Equal(first, _store.Find(first.Sha256[..8].ToUpperInvariant()));
        Assert.Contains("no checkpoint", Assert.Throws<LatheException>(() => _store.Find("00000000")).Message, StringComparison.Ordinal);
        var twin = Path.Combine(_store.Folder, first.Sha256[..2], first.Sha256[..8] + new string('0', 56) + ".safetensors");
        File.WriteAllBytes(twin, [0]);
        Assert.Contains("2 checkpoints start with", Assert.Throws<LatheException>(() => _store.Find(first.Sha256[..8])).Message, StringComparison.Ordinal);
        Assert.Throws<LatheException>(() => _store.Find("../../etc"));
    }

    [Fact]
    public void A_result_comes_back_as_it_was_and_a_broken_one_counts_as_none()
    {
        var results = new ResultStore(Path.Combine(_folder.Path, "results"));
        var result = new StoredResult(Key, "prune", new CheckpointRef(Key, 3), new Dictionary<string, double> { ["top1"] = 0.9 }, 1.5, Guid.NewGuid(), null);
        results.Commit(result);
        var found = results.Find(Key)!;
        Assert.Equal(result, found with { Metrics = result.Metrics });
        Assert.Equal(result.Metrics, found.Metrics);
        File.WriteAllText(Path.Combine(_folder.Path, "results", Key + ".json"), "{\"key\":");
        Assert.Null(results.Find(Key));
        Assert.Throws<LatheException>(() => results.Find("../key"));
    }

    [Fact]
    public void A_training_state_is_replaced_whole_and_a_fresh_sweep_does_not_see_it()
    {
        var states = new TrainingStateStore(Path.Combine(_folder.Path, "states"));
        var attempt = states.Begin(Key, null, TimeProvider.System);
        Assert.Null(attempt.Open());
        attempt.Save(stream => stream.WriteByte(7));
        Assert.Throws<InvalidOperationException>(() => attempt.Save(_ => throw new InvalidOperationException()));
        using (var state = states.Begin(Key, null, TimeProvider.System).Open()) Assert.Equal(7, state!.ReadByte());
        Assert.Null(states.Begin(Key, Guid.NewGuid(), TimeProvider.System).Open());
    }

    [Fact]
    public void Only_attempts_without_progress_count_and_five_of_them_are_enough()
    {
        var states = new TrainingStateStore(Path.Combine(_folder.Path, "states"));
        for (var i = 0; i < 20; i++) states.Begin(Key, null, TimeProvider.System).Save(stream => stream.WriteByte(1));
        for (var i = 0; i < 20; i++) states.Begin(Key, null, TimeProvider.System).CalledOff();
        for (var i = 0; i < 5; i++) states.Begin(Key, null, TimeProvider.System);
        var error = Assert.Throws<LatheException>(() => states.Begin(Key, null, TimeProvider.System));
        Assert.Equal(FailureKind.Permanent, error.Kind);
        Assert.Contains("5 attempts in a row ended without progress", error.Message, StringComparison.Ordinal);
        states.Begin(Key, null, TimeProvider.System);
    }
}
