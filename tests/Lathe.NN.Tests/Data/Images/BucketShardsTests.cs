using Lathe.Contracts;
using Lathe.Hosting;
using Lathe.NN.Data;
using Lathe.NN.Runtime;
using Lathe.Testing;

namespace Lathe.NN.Tests.Data;

/// <summary>Tars in a bucket are the same data set as in a folder, and only what is needed of them comes here.</summary>
public sealed class BucketShardsTests : IClassFixture<S3Server>, IDisposable
{
    private readonly S3Server _server;
    private readonly Photographs _photographs = new();
    private readonly HostingSettings _settings;

    public BucketShardsTests(S3Server server)
    {
        Assert.SkipWhen(server.Missing is not null, server.Missing ?? "");
        Libtorch.EnsureLoaded();
        _server = server;
        _settings = HostingSettings.In(Path.Combine(_photographs.Root, "home")) with { Data = server.NewPlace(), Buckets = server.Access };
    }

    public void Dispose() => _photographs.Dispose();

    [Theory]
    [InlineData("birds", true)]
    [InlineData("birds", false)]
    [InlineData("", true)]
    public void Shards_give_the_batches_and_the_fingerprint_of_a_folder(string folder, bool numbered)
    {
        WriteShards(folder, numbered);
        Same(ImageSetForm.Shards);
    }

    [Fact]
    public void A_tar_of_folders_gives_the_batches_and_the_fingerprint_of_a_folder()
    {
        _photographs.WriteTar("data/birds.tar", Photographs.Sample().Select(image => ($"some/{image.Path}", image.Bytes)).Reverse());
        Same(ImageSetForm.Archive);
    }

    [Fact]
    public async Task Only_the_first_start_reads_whole_shards_and_a_batch_reads_its_images_alone()
    {
        WriteShards("birds", numbered: true);
        Upload();
        Start();
        Assert.True(await Reads() > 0);
        Assert.All(Directory.GetFiles(_settings.Home, "*", SearchOption.AllDirectories), file => Assert.InRange(new FileInfo(file).Length, 1, 2000));

        var before = await Reads();
        var train = Start().Train;
        Assert.Equal(before, await Reads());
        using (var batch = BatchLoader.InOrder(train, 5, tasks: 1).First())
            Assert.Equal(5, batch.Images.shape[0]);
        // The loader prepares three batches ahead.
        Assert.InRange(await Reads() - before, 5, 20);

        DataSet Start()
        {
            var place = DataPlaces.Find("birds", _settings);
            DataFingerprint.Compute("birds", place, _settings);
            return DataSets.Open("birds", place, ImageSetTests.Small);
        }
    }

    [Fact]
    public void A_shard_that_is_replaced_is_read_again_at_the_next_start_and_refused_until_then()
    {
        WriteShards("birds", numbered: true);
        Upload();
        var place = DataPlaces.Find("birds", _settings);
        var fingerprint = DataFingerprint.Compute("birds", place, _settings);
        var data = DataSets.Open("birds", place, ImageSetTests.Small);

        WriteShards("birds", numbered: true, Photographs.Sample().Select((image, i) => (image.Path, Photographs.Jpeg(50, 50, i))));
        Upload();
        var error = Assert.Throws<LatheException>(() => ImageSetTests.Digests(data));
        Assert.Equal(FailureKind.Transient, error.Kind);
        Assert.Contains(".tar was replaced while it was read", error.Message, StringComparison.Ordinal);
        Assert.NotEqual(fingerprint, DataFingerprint.Find("birds", _settings));
        Same(ImageSetForm.Shards);
    }

    private string Local => Path.Combine(_photographs.Root, "data");

    /// <summary>Reads of a whole object or a part of one, up to now.</summary>
    private async Task<int> Reads()
    {
        // The server may log an answer after its reader has got it, but logs them in order: once this one is there, all before it are.
        var mark = $"mark-{Guid.NewGuid():N}";
        Blobs.Of(_settings with { Store = _settings.Data! }).List(mark);
        await Eventually.True(() => _server.Log.Contains(mark, StringComparison.Ordinal), $"{mark} in the server's log");
        return _server.Log.Split('\n').Count(line => line.Contains(".tar 20", StringComparison.Ordinal) && line.TrimEnd().EndsWith('b') && !line.TrimEnd().EndsWith(" 0b", StringComparison.Ordinal));
    }

    private void Same(ImageSetForm form)
    {
        Upload();
        var there = DataPlaces.Find("birds", _settings);
        Assert.Equal(form, there.Remote!.Form);
        Assert.StartsWith(_settings.Data!, there.Folder, StringComparison.Ordinal);
        Assert.Equal(ImageSetTests.Digests(DataSets.Open("birds", Local, ImageSetTests.Small)), ImageSetTests.Digests(DataSets.Open("birds", there, ImageSetTests.Small)));
        Assert.Equal(DataFingerprint.Compute("birds", Local, _settings), DataFingerprint.Compute("birds", there, _settings));
    }

    private void WriteShards(string folder, bool numbered, IEnumerable<(string Path, byte[] Bytes)>? images = null) => ImageSetTests.WriteShards(
        _photographs, Path.Combine("data", folder), [.. images ?? Photographs.Sample()],
        image => numbered ? Path.ChangeExtension(image, null) : image[(image.IndexOf('/', StringComparison.Ordinal) + 1)..], numbered);

    private void Upload()
    {
        var bucket = Blobs.Of(_settings with { Store = _settings.Data! });
        foreach (var file in Directory.GetFiles(Local, "*", SearchOption.AllDirectories))
        {
            bucket.Write(stream =>
            {
                stream.Write(File.ReadAllBytes(file));
                return Path.GetRelativePath(Local, file);
            });
        }
    }
}
