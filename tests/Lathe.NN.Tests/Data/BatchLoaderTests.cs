using Lathe.Contracts;
using Lathe.Graph;
using Lathe.NN.Data;
using Lathe.NN.Runtime;

namespace Lathe.NN.Tests.Data;

public class BatchLoaderTests
{
    private static readonly Augmentation Everything = new(2, true, 3);

    public BatchLoaderTests() => Libtorch.EnsureLoaded();

    [Fact]
    public void The_number_of_tasks_changes_nothing()
    {
        var one = Read(new BatchLoader(Samples.Images(100), 16, 3, Everything, tasks: 1), 2);
        Assert.Equal(6, one.Count);
        Assert.Equal(one, Read(new BatchLoader(Samples.Images(100), 16, 3, Everything, tasks: 2), 2));
        Assert.Equal(one, Read(new BatchLoader(Samples.Images(100), 16, 3, Everything, tasks: 5), 2));
    }

    [Fact]
    public void An_epoch_can_start_at_any_batch()
    {
        var loader = new BatchLoader(Samples.Images(100), 16, 3, Everything, tasks: 2);
        var whole = Read(loader, 4);
        for (var first = 0; first <= 6; first++)
            Assert.Equal(whole.Skip(first), Read(loader, 4, first));
    }

    [Fact]
    public void Epochs_and_seeds_differ()
    {
        var split = Samples.Images(100);
        var first = Read(new BatchLoader(split, 16, 3), 0);
        Assert.NotEqual(first, Read(new BatchLoader(split, 16, 3), 1));
        Assert.NotEqual(first, Read(new BatchLoader(split, 16, 4), 0));
    }

    [Fact]
    public void An_image_is_augmented_alike_whatever_the_batch_size()
    {
        var split = Samples.Images(96);
        var large = Rows(new BatchLoader(split, 32, 3, Everything), 1);
        var small = Rows(new BatchLoader(split, 8, 3, Everything), 1);
        Assert.Equal(large, small);
    }

    [Fact]
    public void Leaving_an_epoch_early_ends_its_tasks()
    {
        var loader = new BatchLoader(Samples.Images(100), 1, 3, tasks: 2);
        foreach (var batch in loader.Epoch(0))
        {
            batch.Dispose();
            break;
        }

        Assert.Equal(100, Read(loader, 0).Count);
    }

    [Fact]
    public void Pixels_are_normalized()
    {
        var split = Samples.Images(30);
        using var batch = BatchLoader.InOrder(split, 30).Single();
        var values = batch.Images.data<float>().ToArray();
        Assert.Equal(0, values.Average(), 1e-4);
        Assert.Equal(1, values.Average(value => value * value), 1e-3);
        Assert.Equal(
            (split.Image(2)[5] / 255.0 - split.Normalization.Mean[0]) / split.Normalization.StandardDeviation[0],
            values[(2 * 64) + 5],
            1e-5);
        Assert.Equal([0L, 1L, 2L, 0L], batch.Labels.data<long>().ToArray()[..4]);
    }

    [Fact]
    public void All_images_come_once_in_order_in_evaluation()
    {
        var split = Samples.Images(50);
        var labels = new List<long>();
        foreach (var batch in BatchLoader.InOrder(split, 16))
        {
            using (batch)
                labels.AddRange(batch.Labels.data<long>().ToArray());
        }

        Assert.Equal(Enumerable.Range(0, 50).Select(i => (long)split.Label(i)), labels);
    }

    [Fact]
    public void Shifts_move_whole_images_and_bring_in_zeros()
    {
        // A single bright pixel in the middle: it stays one pixel, within the shift, and is flipped or not.
        var image = new byte[64];
        image[(3 * 8) + 3] = 255;
        var places = new HashSet<(int, int)>();
        var split = new Split(image, [0], new TensorShape(1, 8, 8), 1, new Normalization([0], [1]));
        var loader = new BatchLoader(split, 1, 3, new Augmentation(1, true, 0));
        for (var epoch = 0; epoch < 200; epoch++)
        {
            using var batch = loader.Epoch(epoch).Single();
            var values = batch.Images.data<float>().ToArray();
            var at = Array.IndexOf(values, 1f);
            Assert.Equal(1f, values.Sum());
            places.Add((at / 8, at % 8));
        }

        // Columns 2 to 4, mirrored 3 to 5; rows 2 to 4.
        Assert.Equal(12, places.Count);
        Assert.All(places, place => Assert.True(place.Item1 is >= 2 and <= 4 && place.Item2 is >= 2 and <= 5));
    }

    [Theory]
    [InlineData(2, true, 0)]
    [InlineData(2, true, 3)]
    [InlineData(9, false, 0)]
    [InlineData(0, true, 0)]
    public void Every_value_is_the_one_that_its_draws_say(int shift, bool flip, int cutout)
    {
        var split = Samples.Images(60);
        var order = CounterRandom.For(3, "order", 4).Permutation(60);
        using var batch = new BatchLoader(split, 60, 3, new Augmentation(shift, flip, cutout)).Epoch(4).Single();
        var values = batch.Images.data<float>().ToArray();
        for (var i = 0; i < values.Length; i++)
        {
            var (image, y, x) = (order[i / 64], i / 8 % 8, i % 8);
            var random = CounterRandom.For(3, "augment", 4, image);
            var fromY = y - (shift > 0 ? random.Below(0, (2 * shift) + 1) - shift : 0);
            var fromX = (flip && random.Below(2, 2) == 1 ? 7 - x : x) - (shift > 0 ? random.Below(1, (2 * shift) + 1) - shift : 0);
            var pixel = fromX is >= 0 and < 8 && fromY is >= 0 and < 8 ? split.Image(image)[(8 * fromY) + fromX] : 0;
            var expected = (float)(((pixel / 255.0) - split.Normalization.Mean[0]) / split.Normalization.StandardDeviation[0]);
            var (top, left) = cutout > 0 ? (random.Below(3, 8) - (cutout / 2), random.Below(4, 8) - (cutout / 2)) : (100, 100);
            Assert.Equal(y >= top && y < top + cutout && x >= left && x < left + cutout ? 0 : expected, values[i]);
        }
    }

    [Fact]
    public void A_validation_split_is_cut_by_seed()
    {
        var split = Samples.Images(100);
        var (training, validation) = split.Validation(0.1, 1);
        Assert.Equal(90, training.Count);
        Assert.Equal(10, validation.Count);
        var images = Enumerable.Range(0, 90).Select(i => Convert.ToHexString(training.Image(i)))
            .Concat(Enumerable.Range(0, 10).Select(i => Convert.ToHexString(validation.Image(i)))).ToHashSet();
        Assert.Equal(100, images.Count);
        Assert.Equal(First(validation), First(split.Validation(0.1, 1).Validation));
        Assert.NotEqual(First(validation), First(split.Validation(0.1, 2).Validation));
        Assert.Equal(100, split.Validation(0, 1).Training.Count);
        Assert.Throws<LatheException>(() => split.Validation(1, 1));
        Assert.Throws<LatheException>(() => split.Validation(double.NaN, 1));

        static string First(Split part) => string.Join(" ", Enumerable.Range(0, part.Count).Select(i => Convert.ToHexString(part.Image(i))));
    }

    private static List<string> Read(BatchLoader loader, int epoch, int first = 0)
    {
        var digests = new List<string>();
        foreach (var batch in loader.Epoch(epoch, first))
        {
            using (batch)
                digests.Add(Samples.Digest(new Dictionary<string, TorchSharp.torch.Tensor> { ["x"] = batch.Images, ["y"] = batch.Labels }));
        }

        return digests;
    }

    private static List<string> Rows(BatchLoader loader, int epoch)
    {
        var rows = new List<string>();
        foreach (var batch in loader.Epoch(epoch))
        {
            using (batch)
            {
                var bytes = batch.Images.bytes.ToArray();
                rows.AddRange(bytes.Chunk(bytes.Length / batch.Count).Select(Convert.ToHexString));
            }
        }

        return rows;
    }
}
