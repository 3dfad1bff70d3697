using System.Text;
using CsCheck;
using Lathe.Contracts;
using Lathe.NN.Data;
using Lathe.NN.Runtime;
using static TorchSharp.torch;

namespace Lathe.NN.Tests.Data;

public sealed class ImageSetTests : IDisposable
{
    internal static readonly ImageOptions Small = new(Side: 24);

    private static readonly Augmentation Everything = new(
        Flip: true, Cutout: 5, Crop: new RandomCrop(), Colours: new ColourJitter(0.4, 0.3, 0.2), Mixup: 0.3);

    private readonly Photographs _photographs = new();

    public ImageSetTests() => Libtorch.EnsureLoaded();

    public void Dispose() => _photographs.Dispose();

    [Fact]
    public void Folders_shards_and_a_tar_of_folders_give_the_same_batches()
    {
        var sample = Photographs.Sample();
        var folders = _photographs.Write("folders", sample);
        var expected = Digests(DataSets.Open("birds", folders, Small));
        Assert.Equal(7, expected.Count);

        // The tar has them in another order, with a folder around them, as such tars often are.
        _photographs.WriteTar("single/birds.tar", sample.Select(image => ($"some/{image.Path}", image.Bytes)).Reverse());
        Assert.Equal(expected, Digests(DataSets.Open("birds", Path.Combine(_photographs.Root, "single"), Small)));

        WriteShards(_photographs, "numbered", sample, image => $"{Path.ChangeExtension(image, null)}", numbered: true);
        Assert.Equal(expected, Digests(DataSets.Open("birds", Path.Combine(_photographs.Root, "numbered"), Small)));

        WriteShards(_photographs, "named/birds", sample, image => image[(image.IndexOf('/', StringComparison.Ordinal) + 1)..], numbered: false);
        Assert.Equal(expected, Digests(DataSets.Open("birds", Path.Combine(_photographs.Root, "named"), Small)));
    }

    [Fact]
    public void Classes_are_folders_and_images_files_in_ordinal_order()
    {
        var data = DataSets.Open("birds", _photographs.Write("folders", Photographs.Sample()), Small);
        Assert.Equal(2, data.Classes);
        Assert.Equal("[3, 24, 24]", data.Input.ToString());
        Assert.Equal([.. Enumerable.Repeat(0, 8), .. Enumerable.Repeat(1, 8)], Enumerable.Range(0, 16).Select(data.Train.Label));
        // Blue tells which image it is: a, a-1, a-3, a-5, a-7, a2, ...
        var blue = Enumerable.Range(0, 8).Select(i => (int)Math.Round(data.Train.Image(i)[(2 * 24 * 24) + 300] / 20.0));
        Assert.Equal([0, 1, 3, 5, 7, 2, 4, 6], blue);
        Assert.Equal(4, data.Test.Count);
        Assert.Equal(0.485, data.Normalization.Mean[0]);
        Assert.Equal(new Augmentation(Flip: true, Crop: new RandomCrop()), data.UsualAugmentation);
    }

    [Fact]
    public void The_number_of_tasks_and_the_first_batch_change_nothing()
    {
        var train = DataSets.Open("birds", _photographs.Write("folders", Photographs.Sample()), Small).Train;
        Gen.Select(Gen.Int[1, 16], Gen.Int[1, 16], Gen.Int[0, 3], Gen.Long, Gen.Int[1, 9]).Sample(
            (tasks, batchSize, first, seed, epoch) =>
            {
                var expected = Read(new BatchLoader(train, batchSize, seed, Everything, tasks: 1).Epoch(epoch));
                Assert.Equal(expected.Skip(first), Read(new BatchLoader(train, batchSize, seed, Everything, tasks).Epoch(epoch, first)));
                Assert.Equal(Read(BatchLoader.InOrder(train, batchSize, tasks: 1)), Read(BatchLoader.InOrder(train, batchSize, tasks)));
            },
            iter: 25,
            threads: 1);
    }

    [Fact]
    public void Damaged_images_are_named_and_replaced_by_the_next_good_one()
    {
        var sample = Photographs.Sample();
        var order = DataSets.Open("birds", _photographs.Write("good", sample), Small);
        // In the order of reading, a and a-1 of the cats are the first two images; the last dog wraps around to the third.
        string[] damaged = ["train/cats/a.JPEG", "train/cats/a-1.jpg", "train/dogs/a6.JPEG"];
        var data = DataSets.Open(
            "birds", _photographs.Write("bad", sample.Select(image => damaged.Contains(image.Path) ? (image.Path, image.Bytes[..^40]) : image)), Small);
        int[] replaced = [2, 2, .. Enumerable.Range(2, 13), 2];
        for (var i = 0; i < 16; i++)
            Assert.Equal(order.Train.Image(replaced[i]), data.Train.Image(i));

        var labels = BatchLoader.InOrder(data.Train, 5).SelectMany(batch => Owned(batch, b => b.Labels.data<long>().ToArray())).ToList();
        Assert.Equal(replaced.Select(i => (long)order.Train.Label(i)), labels);
        Assert.Equal(damaged.Select(path => Path.Combine(_photographs.Root, "bad", path)), data.Damaged.Select(d => d.Name));
        Assert.All(data.Damaged, d => Assert.Contains("cut off", d.Why, StringComparison.Ordinal));
        var epochs = new[] { 1, 3, 7 }.Select(tasks => Read(new BatchLoader(data.Train, 4, 1, Everything, tasks).Epoch(0)));
        Assert.Single(epochs.Select(digests => string.Join(' ', digests)).Distinct());
    }

    [Fact]
    public void Too_many_damaged_images_end_reading_with_their_names()
    {
        var sample = Enumerable.Range(0, 40).Select(i => ($"train/cats/{i:d2}.jpg", i % 2 == 0 ? Encoding.ASCII.GetBytes("not an image") : Photographs.Jpeg(30, 30, i)))
            .Append(("val/cats/1.jpg", Photographs.Jpeg(30, 30, 1)));
        var folder = _photographs.Write("bad", sample);
        var message = Assert.Throws<LatheException>(() => Read(BatchLoader.InOrder(DataSets.Open("birds", folder, Small).Train, 8, tasks: 1))).Message;
        Assert.StartsWith("11 of 40 images are damaged; at most 10 may be", message, StringComparison.Ordinal);
        Assert.Contains($"{folder}/train/cats/00.jpg: it is not an image", message, StringComparison.Ordinal);
        Assert.Equal(12, message.Split('\n').Length);

        Assert.Equal(5, Read(BatchLoader.InOrder(DataSets.Open("birds", folder, Small with { DamagedLimit = 20 }).Train, 8)).Count);
        Assert.Throws<LatheException>(() => Read(new BatchLoader(DataSets.Open("birds", folder, Small with { DamagedLimit = 0 }).Train, 40, 1, tasks: 3).Epoch(0)));
    }

    [Theory]
    [InlineData("valid")]
    [InlineData("validation")]
    [InlineData("test")]
    public void Other_names_of_the_validation_folder_and_other_formats_are_read(string validation)
    {
        using var bitmap = Photographs.Gradient(30, 20, 5);
        var webp = Photographs.Encode(bitmap, SkiaSharp.SKEncodedImageFormat.Webp);
        var folder = _photographs.Write("other", [($"train/cats/1.webp", webp), ("train/cats/2.tiff", [1, 2, 3]), ($"{validation}/cats/1.jpg", Photographs.Jpeg(30, 20, 5))]);
        var data = DataSets.Open("birds", folder, Small);
        Assert.Equal((1, 1), (data.Train.Count, data.Test.Count));
        Assert.InRange(data.Train.Image(0).ToArray().Zip(data.Test.Image(0).ToArray(), (a, b) => Math.Abs(a - b)).Average(), 0, 8);
        Assert.Equal($"1 files are of formats that are not read and were left out ({folder}/train/cats/2.tiff); save them as .png, .jpg, .webp or .bmp", data.DamageReport);
    }

    [Fact]
    public void An_image_that_is_gone_is_no_damage()
    {
        var folder = _photographs.Write("folders", Photographs.Sample());
        var data = DataSets.Open("birds", folder, Small);
        File.Delete(Path.Combine(folder, "train/cats/a.JPEG"));
        var error = Assert.Throws<LatheException>(() => Read(BatchLoader.InOrder(data.Train, 4)));
        Assert.Equal(FailureKind.Transient, error.Kind);
        Assert.Contains("train/cats/a.JPEG cannot be read", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void What_is_no_data_set_of_photographs_is_refused()
    {
        var image = Photographs.Jpeg(20, 20, 1);
        Refused([("train/cats/1.jpg", image)], "is unknown");
        Refused([("train/cats/1.txt", image), ("val/cats/1.jpg", image)], "train/cats holds no image");
        Refused(
            [("train/cats/1.jpg", image), ("val/cats/1.jpg", image), ("val/dogs/.1.jpg", image)],
            "val/dogs holds no image. Expected the class's images (.jpg, .jpeg, .png, .webp, .bmp) right in it. Put them there, or remove this folder.");
        Refused([("train/cats/1.jpg", image), ("train/dogs/more/1.jpg", image), ("val/cats/1.jpg", image)], "train/dogs holds no image");
        Refused([("train/README", image), ("val/cats/1.jpg", image)], "no images (.jpg, .jpeg, .png, .webp, .bmp) for train");
        Refused([("train/cats/1.jpg", image), ("val/dogs/1.jpg", image)], "class 'dogs' has no training images");
        Assert.Contains("is unknown", Assert.Throws<LatheException>(() => DataSets.Open("../birds", _photographs.Root)).Message, StringComparison.Ordinal);
        var good = _photographs.Write("good", Photographs.Sample());
        Assert.Contains("8 to 2048", Assert.Throws<LatheException>(() => DataSets.Open("birds", good, new ImageOptions(4))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Links_that_lead_in_a_circle_are_passed_over_or_named_and_never_followed_on_and_on()
    {
        var sample = Photographs.Sample();
        var folder = _photographs.Write("folders", sample);
        var expected = Digests(DataSets.Open("birds", folder, Small));
        Link("train/cats/parent", "..");
        Link("train/cats/root", folder);
        Link("train/itself", "itself");
        Link("val/one", "other");
        Link("val/other", "one");
        Assert.Equal(expected, await InTime(() => Digests(DataSets.Open("birds", folder, Small))));

        // As a class, a parent is a folder without images.
        Link("train/parent", "..");
        Assert.Contains("train/parent holds no image", await Refusal(), StringComparison.Ordinal);
        File.Delete(Path.Combine(folder, "train/parent"));
        Link("val/here", ".");
        Assert.Contains("val/here holds no image", await Refusal(), StringComparison.Ordinal);
        File.Delete(Path.Combine(folder, "val/here"));
        Link("train/cats/z.jpg", "z.jpg");
        Assert.Contains("train/cats/z.jpg cannot be read", await Refusal(), StringComparison.Ordinal);

        void Link(string path, string target) => File.CreateSymbolicLink(Path.Combine(folder, path), target);

        async Task<string> Refusal() => (await Assert.ThrowsAsync<LatheException>(() => InTime(() => Digests(DataSets.Open("birds", folder, Small))))).Message;

        static Task<T> InTime<T>(Func<T> read) => Task.Run(read).WaitAsync(TimeSpan.FromSeconds(60), TestContext.Current.CancellationToken);
    }

    [Fact]
    public void What_is_wrong_with_shards_is_reported_with_the_member()
    {
        var image = Photographs.Jpeg(20, 20, 1);
        Shards([("1.jpg", image), ("1.cls", "0"u8.ToArray()), ("2.jpg", image)], "train.tar:2.jpg has no class");
        Shards([("1.jpg", image), ("1.cls", "cat"u8.ToArray())], "train.tar:1.cls is 'cat'");
        Shards([("1.jpg", image)], "train.tar:1.jpg has no class");
        Shards([("1.jpg", image), ("1.cls", "0"u8.ToArray())], "its class is 3", "3");
        Shards([("cats/1.jpg", image)], "one of train and val");
        Shards(Numbered(0, 2, 5), ": class 1, 3, 4 of the training shards has no image, and ", "5");
        Shards(Numbered(0, 2, 5), "train.tar:5.jpg is of class 5. Expected images of every class from 0 to the largest.");
        Shards(Numbered(999_999), ": class 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 999989 more of the training shards has no image");
        var one = Numbered(0, 1);
        Shards([.. one, ("1.jpg", image)], "train.tar:1.jpg has the key and the ending of a member before it. Expected each .jpg of a key once.");
        Shards([.. one, ("1.JPG", image)], "train.tar:1.JPG has the key and the ending of 1.jpg. Expected each .JPG of a key once.");
        Shards([.. one, ("./1.cls", "0"u8.ToArray())], "train.tar:./1.cls has the key and the ending of 1.cls");
        var tar = _photographs.WriteTar("cut/train.tar", [("1.jpg", new byte[5000]), ("1.cls", "0"u8.ToArray())]);
        _photographs.WriteTar("cut/val.tar", [("1.jpg", image), ("1.cls", "0"u8.ToArray())]);
        using (var file = File.OpenWrite(tar))
            file.SetLength(3000);
        Assert.Contains(tar, Assert.Throws<LatheException>(() => DataSets.Open("birds", Path.GetDirectoryName(tar)!)).Message, StringComparison.Ordinal);

        // Cut between members, where nothing but the zeros at the end of every tar are missing; and a download that never began.
        foreach (var (left, message) in (ReadOnlySpan<(int, string)>)[(1024, "it ends without the mark of a tar's end"), (int.MaxValue, "it is empty")])
        {
            var ended = _photographs.WriteTar("cut/train.tar", [("1.jpg", image), ("1.cls", "0"u8.ToArray())]);
            using (var file = File.OpenWrite(ended))
                file.SetLength(Math.Max(0, file.Length - left));
            Assert.Contains($"{ended} is damaged: {message}", Assert.Throws<LatheException>(() => DataSets.Open("birds", Path.GetDirectoryName(ended)!)).Message, StringComparison.Ordinal);
        }

        (string, byte[])[] Numbered(params int[] classes) => [.. classes.SelectMany(of => new[] { ($"{of}.jpg", image), ($"{of}.cls", Encoding.ASCII.GetBytes($"{of}")) })];

        void Shards((string, byte[])[] train, string expected, string number = "0")
        {
            var name = $"shards-{Guid.NewGuid():N}";
            _photographs.WriteTar($"{name}/train.tar", train);
            _photographs.WriteTar($"{name}/val.tar", [("1.jpg", image), ("1.cls", Encoding.ASCII.GetBytes(number))]);
            Assert.Contains(expected, Assert.Throws<LatheException>(() => DataSets.Open("birds", Path.Combine(_photographs.Root, name))).Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void One_key_may_have_several_endings_and_lie_in_several_shards_and_folders()
    {
        var image = Photographs.Jpeg(20, 20, 1);
        var zero = "0"u8.ToArray();
        _photographs.WriteTar("shards/train-0.tar", [("a/1.jpg", image), ("a/1.png", image), ("a/1.cls", zero), ("b/1.jpg", image), ("b/1.cls", zero), ("b/1.txt", zero), ("b/1.txt", zero)]);
        _photographs.WriteTar("shards/train-1.tar", [("a/1.jpg", image), ("a/1.cls", zero)]);
        _photographs.WriteTar("shards/val.tar", [("a/1.jpg", image), ("a/1.cls", zero)]);
        Assert.Equal(4, DataSets.Open("birds", Path.Combine(_photographs.Root, "shards"), Small).Train.Count);
    }

    [Fact]
    public void A_tar_of_folders_may_have_no_empty_class()
    {
        var sample = Photographs.Sample();
        Assert.Equal(2, Open(["train/cats/", "train/dogs/", "val/", "val/cats/", "val/.cache/"]).Classes);
        foreach (var empty in (string[])["train/birds", "val/birds"])
        {
            var e = Assert.Throws<LatheException>(() => Open([$"{empty}/"]));
            Assert.Contains($"birds.tar:some/{empty} holds no image. Expected ", e.Message, StringComparison.Ordinal);
        }

        DataSet Open(string[] folders)
        {
            var tar = _photographs.WriteTar($"{Guid.NewGuid():N}/birds.tar", [.. folders.Select(folder => ($"some/{folder}", Array.Empty<byte>())), .. sample.Select(image => ($"some/{image.Path}", image.Bytes))]);
            return DataSets.Open("birds", Path.GetDirectoryName(tar)!, Small);
        }
    }

    [Fact]
    public void The_ten_classes_of_ImageNet_load_from_folder_and_tar_alike()
    {
        var folder = Environment.GetEnvironmentVariable("LATHE_DATA");
        Assert.SkipUnless(
            folder is not null && ImageSetFiles.Find("imagenet-10", folder) is { Form: ImageSetForm.Archive }, "LATHE_DATA names no folder that holds imagenet-10.tar.");
        var data = DataSets.Open("imagenet-10", folder!);
        Assert.Equal((10, 1600, 400), (data.Classes, data.Train.Count, data.Test.Count));
        using var batch = new BatchLoader(data.Train, 200, 1, data.UsualAugmentation).Epoch(0).First();
        Assert.InRange(batch.Images.mean().item<float>(), -0.5f, 0.5f);
        Assert.InRange(batch.Images.std().item<float>(), 0.7f, 1.5f);
        Assert.Empty(data.Damaged);
    }

    private void Refused(IEnumerable<(string, byte[])> files, string expected)
    {
        var folder = _photographs.Write(Guid.NewGuid().ToString("N"), files);
        Assert.Contains(expected, Assert.Throws<LatheException>(() => DataSets.Open("birds", folder)).Message, StringComparison.Ordinal);
    }

    internal static void WriteShards(Photographs photographs, string folder, List<(string Path, byte[] Bytes)> sample, Func<string, string> key, bool numbered)
    {
        foreach (var split in new[] { "train", "val" })
        {
            var images = sample.Where(image => image.Path.StartsWith(split, StringComparison.Ordinal)).Reverse().ToList();
            for (var shard = 0; shard < 3; shard++)
            {
                var members = images.Where((_, i) => i % 3 == shard).SelectMany(image => numbered
                    ? new[] { (key(image.Path) + ".jpg", image.Bytes), (key(image.Path) + ".cls", Encoding.ASCII.GetBytes(image.Path.Contains("cats", StringComparison.Ordinal) ? "0" : "1\n")) }
                    : [(key(image.Path), image.Bytes)]);
                photographs.WriteTar($"{folder}/{split}-{shard}.tar", members);
            }
        }
    }

    internal static List<string> Digests(DataSet data) =>
    [
        .. Read(new BatchLoader(data.Train, 5, 3, Everything, tasks: 2).Epoch(1)),
        .. Read(BatchLoader.InOrder(data.Train.Validation(0.5, 1).Validation, 4)),
        .. Read(BatchLoader.InOrder(data.Test, 3)),
    ];

    private static List<string> Read(IEnumerable<Batch> batches) => [.. batches.Select(batch => Owned(batch, b => Samples.Digest(new Dictionary<string, Tensor>
    {
        ["x"] = b.Images,
        ["y"] = b.Labels,
        ["z"] = b.Mixed?.Labels ?? b.Labels,
        ["w"] = b.Mixed?.Shares ?? b.Labels,
    })))];

    private static T Owned<T>(Batch batch, Func<Batch, T> read)
    {
        using (batch)
            return read(batch);
    }
}
