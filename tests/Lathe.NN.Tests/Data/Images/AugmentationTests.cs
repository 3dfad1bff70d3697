using Lathe.Contracts;
using Lathe.NN.Data;
using Lathe.NN.Execution;
using Lathe.NN.Runtime;
using Lathe.NN.Training;

namespace Lathe.NN.Tests.Data;

public class AugmentationTests
{
    public AugmentationTests() => Libtorch.EnsureLoaded();

    [Fact]
    public void Random_boxes_have_the_areas_and_aspects_asked_for_and_lie_within_the_image()
    {
        var crop = new RandomCrop();
        var boxes = Enumerable.Range(0, 4000).Select(i => CropBox.Random(640, 480, crop, CounterRandom.For(1, "crop", i), 100)).ToList();
        Assert.All(boxes, box =>
        {
            Assert.True(box is { Left: >= 0, Top: >= 0, Isolated: true } && box.Left + box.Width <= 640 && box.Top + box.Height <= 480);
            Assert.InRange(box.Width / box.Height, 0.745, 1.345);
            Assert.InRange(box.Width * box.Height / (640 * 480), 0.079, 1.0);
        });
        // What torchvision 0.14's RandomResizedCrop draws for such an image, in the mean of 20,000: boxes that do not fit are drawn again.
        Assert.Equal(0.4346, boxes.Average(box => box.Width * box.Height / (640 * 480)), 0.015);
        Assert.Equal(0.0315, boxes.Average(box => Math.Log(box.Width / box.Height)), 0.015);
    }

    [Fact]
    public void An_image_too_narrow_for_any_box_gives_its_middle()
    {
        Assert.Equal(new CropBox(0, 93, 10, 13, true), CropBox.Random(10, 200, new RandomCrop(0.9, 1), CounterRandom.For(1, "crop"), 0));
        Assert.Equal(new CropBox(93, 0, 13, 10, true), CropBox.Random(200, 10, new RandomCrop(0.9, 1), CounterRandom.For(1, "crop"), 0));
    }

    [Fact]
    public void Evaluation_takes_the_middle_of_the_image_resized_to_256()
    {
        // 512 x 384: the shorter side is halved by 1.5 to 256, the longer becomes 341, of which columns 58 to 282 are taken.
        var box = CropBox.Centre(512, 384, 224, 224);
        Assert.Equal(224 * 1.5, box.Height, 1e-9);
        Assert.Equal(16 * 1.5, box.Top, 1e-9);
        Assert.Equal(58 * 512.0 / 341, box.Left, 1e-9);
        Assert.False(box.Isolated);
    }

    [Fact]
    public void Colours_change_as_their_factors_say()
    {
        byte[] image = [200, 10, 100, 20, 50, 30];
        var random = CounterRandom.For(3, "colours");
        Assert.Equal(Factors(0, 0.5, level => level * Factor(0, 0.5)), Changed(new ColourJitter(Brightness: 0.5)));
        var greys = new[] { (0.299 * 200) + (0.587 * 100) + (0.114 * 50), (0.299 * 10) + (0.587 * 20) + (0.114 * 30) };
        Assert.Equal(Factors(1, 0.5, level => Math.Round(greys.Average()) + (Factor(1, 0.5) * (level - Math.Round(greys.Average())))), Changed(new ColourJitter(Contrast: 0.5)), Near);
        var saturated = Changed(new ColourJitter(Saturation: 0.5));
        Assert.Equal(image.Select((level, i) => Byte(greys[i % 2] + (Factor(2, 0.5) * (level - greys[i % 2])))), saturated, Near);
        Assert.Equal(image, Changed(new ColourJitter()));

        double Factor(int change, double strength) => 1 - strength + (2 * strength * random.Uniform(3 + change));
        byte[] Factors(int change, double strength, Func<double, double> of) => [.. image.Select(level => Byte(of(level)))];
        byte[] Changed(ColourJitter jitter)
        {
            var copy = image.ToArray();
            Recolouring.Apply(copy, 3, jitter, random, 0);
            return copy;
        }
    }

    [Fact]
    public void Mixup_blends_each_image_with_the_next_one_and_tells_the_shares()
    {
        var split = Samples.Images(12);
        using var plain = new BatchLoader(split, 6, 3).Epoch(2).First();
        using var mixed = new BatchLoader(split, 6, 3, new Augmentation(Mixup: 0.5)).Epoch(2).First();
        Assert.Null(plain.Mixed);
        var (before, after) = (plain.Images.data<float>().ToArray(), mixed.Images.data<float>().ToArray());
        var shares = mixed.Mixed!.Shares.data<float>().ToArray();
        var labels = plain.Labels.data<long>().ToArray();
        Assert.Equal(labels, mixed.Labels.data<long>().ToArray());
        Assert.Equal([.. labels[1..], labels[0]], mixed.Mixed.Labels.data<long>().ToArray());
        Assert.True(shares.Distinct().Count() == 6 && shares.All(share => share is >= 0 and <= 1));
        for (var i = 0; i < after.Length; i++)
        {
            var share = shares[i / 64];
            Assert.Equal((share * before[i]) + ((1 - share) * before[(i + 64) % before.Length]), after[i], 1e-5f);
        }
    }

    [Theory]
    [InlineData(1.0, 1 / 12.0)]
    [InlineData(0.5, 1 / 8.0)]
    [InlineData(0.01, 0.25 / 1.02)]
    public void Shares_are_drawn_from_a_beta_distribution(double m, double variance)
    {
        var shares = Enumerable.Range(0, 20_000).Select(i => Mixing.Share(m, CounterRandom.For(1, "share", i))).ToList();
        Assert.Equal(0.5, shares.Average(), 0.01);
        Assert.Equal(variance, shares.Average(share => (share - 0.5) * (share - 0.5)), 0.005);
    }

    [Fact]
    public void Training_with_mixup_learns_and_gives_the_same_bits_again()
    {
        var (first, again) = (Train(), Train());
        Assert.Equal(first.Digest, again.Digest);
        Assert.True(first.History.Epochs[^1].Loss < first.History.Epochs[0].Loss);

        static (string Digest, TrainingHistory History) Train()
        {
            using var module = GraphModule.Create(Samples.Network(), 1);
            var recipe = new TrainingRecipe(4, 16, 0.05, Augmentation: new Augmentation(Mixup: 0.2));
            var history = TrainingLoop.Run(module, Samples.Images(), recipe, 1, null, null, null, default);
            return (Samples.Digest(module.Snapshot()), history);
        }
    }

    [Fact]
    public void Augmentations_out_of_range_are_refused()
    {
        Refused(new Augmentation(Mixup: 1.5));
        Refused(new Augmentation(Crop: new RandomCrop(0)));
        Refused(new Augmentation(Crop: new RandomCrop(0.5, 0.4)));
        Refused(new Augmentation(Colours: new ColourJitter(-1)));
        Assert.Throws<LatheException>(() => new BatchLoader(Samples.Images(), 4, 1, new Augmentation(Crop: new RandomCrop())));

        static void Refused(Augmentation augmentation) =>
            Assert.Contains("augmentation", Assert.Throws<LatheException>(() => new TrainingRecipe(1, Augmentation: augmentation).Check()).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void What_is_off_stays_out_of_the_text_that_saved_states_hold()
    {
        Assert.Equal("Augmentation { Shift = 2, Flip = True, Cutout = 0 }", new Augmentation(2, true).ToString());
        Assert.Contains("MinArea = 0.08", new Augmentation(Crop: new RandomCrop()).ToString(), StringComparison.Ordinal);
    }

    private static byte Byte(double value) => (byte)Math.Clamp(Math.Floor(value + 0.5), 0, 255);

    private static bool Near(byte a, byte b) => Math.Abs(a - b) <= 1;
}
