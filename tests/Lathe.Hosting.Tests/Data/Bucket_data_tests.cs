using System.IO.Compression;
using Lathe.Contracts;
using Lathe.Testing;

namespace Lathe.Hosting.Tests;

/// <summary>The small data sets in a bucket, and what is said where there is none.</summary>
[Collection(BucketTests.Name)]
public sealed class BucketDataTests(S3Server server)
{
    [Theory]
    [InlineData("", false)]
    [InlineData("mnist/", true)]
    public void A_small_data_set_is_copied_once_and_has_the_fingerprint_of_a_folder(string folder, bool compressed)
    {
        using var shelf = new Shelf(Shelf.Bucket, server);
        var settings = Settings(shelf);
        Fill(shelf, folder, "content of ", compressed);
        var place = DataPlaces.Find("mnist", settings);
        Assert.StartsWith(Path.Combine(settings.Home, "cache", "data"), place.Folder, StringComparison.Ordinal);
        Assert.Equal(settings.Data + (folder.Length == 0 ? "" : "/mnist"), DataPlaces.Locate("mnist", settings));
        var fingerprint = DataFingerprint.Find("mnist", settings);
        Assert.Equal(DataFingerprint.Compute("mnist", Plain(settings), settings), fingerprint);

        var times = Directory.GetFiles(place.Folder).ToDictionary(file => file, File.GetLastWriteTimeUtc);
        Assert.Equal(place, DataPlaces.Find("mnist", settings));
        Assert.All(times, file => Assert.Equal(file.Value, File.GetLastWriteTimeUtc(file.Key)));

        Fill(shelf, folder, "contents of", compressed);
        Assert.NotEqual(place, DataPlaces.Find("mnist", settings));
        Assert.NotEqual(fingerprint, DataFingerprint.Find("mnist", settings));
    }

    [Fact]
    public void A_copy_that_is_not_whole_is_fetched_again()
    {
        using var shelf = new Shelf(Shelf.Bucket, server);
        var settings = Settings(shelf);
        Fill(shelf, "", "content of ", compressed: false);
        var file = Path.Combine(DataPlaces.Find("mnist", settings).Folder, DataSetFiles.ByName["mnist"][2]);
        var content = File.ReadAllText(file);
        File.WriteAllText(file, "cut");
        DataPlaces.Find("mnist", settings);
        Assert.Equal(content, File.ReadAllText(file));
    }

    [Fact]
    public void The_python_version_of_cifar_is_copied_with_its_folder()
    {
        using var shelf = new Shelf(Shelf.Bucket, server);
        var settings = Settings(shelf);
        foreach (var file in DataSetFiles.Variants("cifar-100")[1]) shelf.Put($"data/{file}", 1);
        Assert.Equal(DataSetFiles.Variants("cifar-100")[1], DataSetFiles.VariantIn("cifar-100", DataPlaces.Find("cifar-100", settings).Folder));
    }

    [Fact]
    public void What_is_not_there_says_where_it_was_looked_for_and_what_to_do()
    {
        using var shelf = new Shelf(Shelf.Bucket, server);
        var settings = Settings(shelf);
        shelf.Put("data/birds/train/a/1.jpg", 1);
        shelf.Put("data/birds/val/a/1.jpg", 1);
        Assert.Contains($"Looked in {settings.Data}, {settings.Data}/mnist, {settings.Home}/data/mnist, /usr/share/datasets/mnist for train-images", Refused("mnist", settings), StringComparison.Ordinal);
        Assert.Contains($"looked in {settings.Data}/birds, {settings.Data}, {settings.Home}/data/birds, ", Refused("birds", settings), StringComparison.Ordinal);
        Assert.Contains("pack them into shards", Refused("birds", settings), StringComparison.Ordinal);
        Assert.Contains("there is no bucket 'no-such-bucket'", Refused("mnist", settings with { Data = "s3://no-such-bucket" }), StringComparison.Ordinal);
        Assert.Null(DataPlaces.Locate("mnist", settings));
        Assert.True(Doctor.Data(settings).Ok);
        Assert.Contains("there is no bucket", Doctor.Data(settings with { Data = "s3://no-such-bucket" }).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void What_a_bucket_lacks_is_found_in_the_usual_places_and_told_but_never_where_the_bucket_cannot_be_used()
    {
        using var shelf = new Shelf(Shelf.Bucket, server);
        var settings = Settings(shelf);
        var home = Directory.CreateDirectory(Path.Combine(settings.Home, "data", "mnist")).FullName;
        foreach (var file in DataSetFiles.ByName["mnist"]) File.WriteAllText(Path.Combine(home, file), "content of " + file);
        DataPlaces.CheckNamed(settings);
        var place = DataPlaces.Find("mnist", settings);
        Assert.Equal((home, home), (place.Folder, DataPlaces.Locate("mnist", settings)));
        Assert.Equal($"data set mnist is not in {settings.Data}, which --data or LATHE_DATA names; taken from {home}.", DataPlaces.Elsewhere("mnist", place, settings));

        Fill(shelf, "", "content of ", compressed: false);
        Assert.Null(DataPlaces.Elsewhere("mnist", DataPlaces.Find("mnist", settings), settings));
        Assert.Equal(settings.Data, DataPlaces.Locate("mnist", settings));

        var missing = settings with { Data = "s3://no-such-bucket" };
        Assert.Contains("there is no bucket 'no-such-bucket'", Refused("mnist", missing), StringComparison.Ordinal);
        Assert.Contains("there is no bucket 'no-such-bucket'", Assert.Throws<LatheException>(() => DataPlaces.CheckNamed(missing)).Message, StringComparison.Ordinal);
    }

    private static HostingSettings Settings(Shelf shelf) => shelf.Settings with { Data = $"{shelf.Settings.Store}/data" };

    private static string Refused(string name, HostingSettings settings) => Assert.Throws<LatheException>(() => DataPlaces.Find(name, settings)).Message;

    private static void Fill(Shelf shelf, string folder, string content, bool compressed)
    {
        foreach (var file in DataSetFiles.ByName["mnist"])
        {
            var bytes = System.Text.Encoding.UTF8.GetBytes(content + file);
            if (!compressed)
            {
                shelf.Put($"data/{folder}{file}", bytes);
                continue;
            }

            using var small = new MemoryStream();
            using (var stream = new GZipStream(small, CompressionLevel.Fastest)) stream.Write(bytes);
            shelf.Put($"data/{folder}{file}.gz", small.ToArray());
        }
    }

    private static string Plain(HostingSettings settings)
    {
        var folder = Directory.CreateDirectory(Path.Combine(settings.Home, "plain")).FullName;
        foreach (var file in DataSetFiles.ByName["mnist"]) File.WriteAllText(Path.Combine(folder, file), "content of " + file);
        return folder;
    }
}
