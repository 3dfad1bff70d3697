using System.Text;
using Lathe.Contracts;

namespace Lathe.Hosting.Tests;

public sealed class ImageFingerprints : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly HostingSettings _settings;

    public ImageFingerprints() => _settings = HostingSettings.In(Path.Combine(_folder.Path, "home"));

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_copy_elsewhere_has_the_same_fingerprint()
    {
        var first = Photographs("here");
        Assert.Equal(Fingerprint(first), Fingerprint(Photographs("there")));
        Assert.Equal(Fingerprint(first), Fingerprint(Photographs(Path.Combine("outside", "birds")), Path.Combine(_folder.Path, "outside")));
    }

    [Theory]
    [InlineData("train/a/1.jpg", "other")]
    [InlineData("train/a/1.jpg", null)]
    [InlineData("val/b/9.JPEG", "new")]
    [InlineData("train/b/1.jpg", "one of 1.jpg")]
    public void Any_change_of_an_image_changes_it(string file, string? content)
    {
        var folder = Photographs("here");
        var before = Fingerprint(folder);
        Write(folder, file, content);
        Assert.NotEqual(before, Fingerprint(folder));
    }

    [Fact]
    public void What_is_no_image_does_not_count()
    {
        var folder = Photographs("here");
        var before = Fingerprint(folder);
        Write(folder, "train/a/.hidden.jpg", "x");
        Write(folder, "train/a/notes.txt", "x");
        Write(folder, "README", "x");
        Assert.Equal(before, Fingerprint(folder));
    }

    [Fact]
    public async Task Links_that_lead_in_a_circle_do_not_count_or_are_named()
    {
        var folder = Photographs("here");
        var before = Fingerprint(folder);
        Link("train/a/parent", "..");
        Link("train/itself", "itself");
        Link("train/parent", "..");
        Link("val/here", ".");
        Assert.Equal(before, await Task.Run(() => Fingerprint(folder)).WaitAsync(TimeSpan.FromSeconds(60), TestContext.Current.CancellationToken));
        foreach (var nowhere in (string[])["z.jpg", "none.jpg"])
        {
            Link("train/a/z.jpg", nowhere);
            var error = Assert.Throws<LatheException>(() => Fingerprint(folder));
            Assert.StartsWith($"{folder}/train/a/z.jpg is a link to {nowhere} and cannot be read: ", error.Message, StringComparison.Ordinal);
            Assert.EndsWith(". Expected an image or a link to one. Mend the link, or remove it.", error.Message, StringComparison.Ordinal);
            File.Delete(Path.Combine(folder, "train/a/z.jpg"));
        }

        Link("train/a/z.jpg", "1.jpg");
        Assert.NotEqual(before, Fingerprint(folder));

        void Link(string path, string target) => File.CreateSymbolicLink(Path.Combine(folder, path), target);
    }

    [Fact]
    public void Digests_are_kept_by_path_length_and_time()
    {
        var folder = Photographs("here");
        var before = Fingerprint(folder);
        var file = Path.Combine(folder, "train/a/1.jpg");
        var time = File.GetLastWriteTimeUtc(file);
        File.WriteAllText(file, "ONE OF 1.JPG");
        File.SetLastWriteTimeUtc(file, time);
        Assert.Equal(before, Fingerprint(folder));
        File.SetLastWriteTimeUtc(file, time.AddSeconds(1));
        Assert.NotEqual(before, Fingerprint(folder));
    }

    [Fact]
    public void Shards_and_a_single_tar_have_fingerprints()
    {
        var folder = Path.Combine(_folder.Path, "shards");
        Write(folder, "train-0.tar", "a");
        Write(folder, "train-1.tar", "b");
        Write(folder, "val.tar", "c");
        var before = Fingerprint(folder);
        Write(folder, "train-1.tar", "d");
        Assert.NotEqual(before, Fingerprint(folder));
        Write(_folder.Path, "single/birds.tar", "a");
        Assert.Equal(64, Fingerprint(Path.Combine(_folder.Path, "single")).Length);
    }

    [Fact]
    public void The_python_version_of_cifar_has_a_fingerprint()
    {
        foreach (var file in DataSetFiles.Variants("cifar-100")[1])
            Write(_folder.Path, file, file);
        Assert.Equal(64, DataFingerprint.Compute("cifar-100", _folder.Path, _settings).Fingerprint.Length);
    }

    private string Fingerprint(string folder, string? searched = null) => DataFingerprint.Compute("birds", searched ?? folder, _settings).Fingerprint;

    private string Photographs(string name)
    {
        var folder = Path.Combine(_folder.Path, name);
        foreach (var file in new[] { "train/a/1.jpg", "train/a/2.png", "train/b/3.jpeg", "val/a/4.jpg", "val/b/5.jpg" })
            Write(folder, file, $"one of {Path.GetFileName(file)}");
        return folder;
    }

    private static void Write(string folder, string file, string? content)
    {
        var path = Path.Combine(folder, file);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        if (content is null)
            File.Delete(path);
        else
            File.WriteAllBytes(path, Encoding.UTF8.GetBytes(content));
    }
}
