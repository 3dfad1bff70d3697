using System.IO.Compression;
using Lathe.Contracts;

namespace Lathe.Hosting.Tests;

public sealed class DataTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly HostingSettings _settings;

    public DataTests() => _settings = HostingSettings.In(Path.Combine(_folder.Path, "home"));

    public void Dispose() => _folder.Dispose();

    private string Files(string folder, bool compressed, string content = "content of ")
    {
        var path = Directory.CreateDirectory(Path.Combine(_folder.Path, folder)).FullName;
        foreach (var file in DataSetFiles.ByName["mnist"])
        {
            using Stream plain = File.Create(Path.Combine(path, file + (compressed ? ".gz" : "")));
            using var stream = compressed ? new GZipStream(plain, CompressionLevel.Fastest) : plain;
            stream.Write(System.Text.Encoding.UTF8.GetBytes(content + file));
        }

        return path;
    }

    [Fact]
    public void Plain_and_compressed_files_have_one_fingerprint_and_other_content_another()
    {
        var plain = DataFingerprint.Compute("mnist", Files("plain", compressed: false), _settings);
        var compressed = DataFingerprint.Compute("mnist", Files("compressed", compressed: true), _settings);
        Assert.Equal(plain, compressed);
        Assert.NotEqual(plain, DataFingerprint.Compute("mnist", Files("other", compressed: true, "something else in "), _settings));
    }

    [Fact]
    public void A_file_that_changes_is_read_again()
    {
        var folder = Files("data", compressed: false);
        var before = DataFingerprint.Compute("mnist", folder, _settings);
        Assert.Equal(before, DataFingerprint.Compute("mnist", folder, _settings));
        File.AppendAllText(Path.Combine(folder, DataSetFiles.ByName["mnist"][0]), "!");
        Assert.NotEqual(before, DataFingerprint.Compute("mnist", folder, _settings));
    }

    [Fact]
    public void A_folder_of_ones_own_is_found_first_by_itself_or_by_name()
    {
        var home = Files(Path.Combine("home", "data", "mnist"), compressed: true);
        Assert.Equal(home, DataFolders.Find("mnist", _settings));
        var own = Files(Path.Combine("own", "mnist"), compressed: false);
        Assert.Equal(own, DataFolders.Find("mnist", _settings with { Data = own }));
        Assert.Equal(own, DataFolders.Find("mnist", _settings with { Data = Path.GetDirectoryName(own) }));
    }

    [Fact]
    public void A_missing_data_set_says_where_it_was_looked_for_and_what_to_do()
    {
        var empty = Directory.CreateDirectory(Path.Combine(_settings.Home, "empty")).FullName;
        var missing = Assert.Throws<LatheException>(() => DataFolders.Find("cifar-10", _settings with { Data = empty })).Message;
        Assert.Contains($"Looked in {empty}, {empty}/cifar-10, {_settings.Home}/data/cifar-10, /usr/share/datasets/cifar-10 for ", missing, StringComparison.Ordinal);
        Assert.Contains("cifar-10-batches-bin/test_batch.bin", missing, StringComparison.Ordinal);
        Assert.Contains("--data or LATHE_DATA", missing, StringComparison.Ordinal);
        var nowhere = Assert.Throws<LatheException>(() => DataFolders.Find("cifar-10", _settings)).Message;
        Assert.Contains($"Looked in {_settings.Home}/data/cifar-10, /usr/share/datasets/cifar-10 for ", nowhere, StringComparison.Ordinal);
        var unknown = Assert.Throws<LatheException>(() => DataFolders.Find("mnits", _settings)).Message;
        Assert.StartsWith("unknown data set 'mnits' (did you mean 'mnist'?); known are mnist, fashion-mnist, cifar-10, cifar-100, and photographs: looked in ", unknown);
    }

    [Fact]
    public void What_is_missing_beside_the_rest_is_named()
    {
        var folder = Files("data", compressed: true);
        var gone = DataSetFiles.ByName["mnist"][2];
        File.Delete(Path.Combine(folder, $"{gone}.gz"));
        Assert.Contains($"{folder} has the others, but not {gone}. ", Assert.Throws<LatheException>(() => DataFolders.Find("mnist", _settings with { Data = folder })).Message, StringComparison.Ordinal);

        var photographs = Directory.CreateDirectory(Path.Combine(_settings.Home, "photographs", "train", "cat")).Parent!.Parent!.FullName;
        Assert.Contains($"{photographs} has train, but no val. ", Assert.Throws<LatheException>(() => DataFolders.Find("pets", _settings with { Data = photographs })).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void What_a_named_folder_lacks_is_found_in_the_usual_places_and_told()
    {
        var home = Files(Path.Combine("home", "data", "mnist"), compressed: true);
        var settings = _settings with { Data = Directory.CreateDirectory(Path.Combine(_folder.Path, "own")).FullName };
        var place = DataPlaces.Find("mnist", settings);
        Assert.Equal((home, home), (place.Folder, DataPlaces.Locate("mnist", settings)));
        Assert.Equal(
            $"data set mnist is not in {settings.Data}, which --data or LATHE_DATA names; taken from {home}.", DataPlaces.Elsewhere("mnist", place, settings));

        var (kept, gone) = (DataSetFiles.ByName["mnist"].Take(3), DataSetFiles.ByName["mnist"][3]);
        foreach (var file in kept) File.WriteAllText(Path.Combine(settings.Data, file), "content of " + file);
        Assert.EndsWith($"; taken from {home}. {settings.Data} has the others, but not {gone}.", DataPlaces.Elsewhere("mnist", DataPlaces.Find("mnist", settings), settings));

        File.WriteAllText(Path.Combine(settings.Data, gone), "content of " + gone);
        Assert.Equal(settings.Data, DataPlaces.Find("mnist", settings).Folder);
        Assert.Null(DataPlaces.Elsewhere("mnist", DataPlaces.Find("mnist", settings), settings));
        Assert.Null(DataPlaces.Elsewhere("mnist", place, _settings));
    }

    [Fact]
    public void Photographs_that_a_named_folder_lacks_are_found_in_the_home_and_told()
    {
        var home = Path.Combine(_settings.Home, "data");
        foreach (var split in (string[])["train", "val"])
        {
            var kind = Directory.CreateDirectory(Path.Combine(home, "birds", split, "wren")).FullName;
            File.WriteAllBytes(Path.Combine(kind, "1.jpg"), [1]);
        }

        var settings = _settings with { Data = Directory.CreateDirectory(Path.Combine(_folder.Path, "own")).FullName };
        var place = DataPlaces.Find("birds", settings);
        Assert.Equal(home, place.Folder);
        Assert.Equal($"data set birds is not in {settings.Data}, which --data or LATHE_DATA names; taken from {home}.", DataPlaces.Elsewhere("birds", place, settings));
        Assert.Contains($"looked in {settings.Data}/cats, {settings.Data}, {home}/cats, {home}, ", Assert.Throws<LatheException>(() => DataPlaces.Find("cats", settings)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_named_folder_that_is_not_there_is_refused_though_the_data_lie_elsewhere()
    {
        Files(Path.Combine("home", "data", "mnist"), compressed: true);
        var error = Assert.Throws<LatheException>(() => DataFolders.Find("mnist", _settings with { Data = "/nowhere" }));
        Assert.Equal("--data or LATHE_DATA is '/nowhere': no such folder", error.Message);
        Assert.Equal(error.Message, Assert.Throws<LatheException>(() => DataPlaces.CheckNamed(_settings with { Data = "/nowhere" })).Message);
    }

    [Fact]
    public void A_file_that_does_not_decompress_is_named()
    {
        var folder = Files("data", compressed: true);
        var file = Path.Combine(folder, DataSetFiles.ByName["mnist"][1] + ".gz");
        File.WriteAllText(file, "this is no gzip");
        var error = Assert.Throws<LatheException>(() => DataFingerprint.Compute("mnist", folder, _settings));
        Assert.StartsWith($"{file} is damaged", error.Message, StringComparison.Ordinal);
    }
}
