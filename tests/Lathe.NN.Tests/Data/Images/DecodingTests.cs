using Lathe.NN.Data;
using SkiaSharp;

namespace Lathe.NN.Tests.Data;

public class DecodingTests
{
    private const int Side = 32;

    public static TheoryData<int, int, double, double, double, double, bool> Boxes => new()
    {
        { 100, 80, 0, 0, 100, 80, true },
        { 100, 80, 13, 7, 50, 60, true },
        { 100, 80, 10.5, 3.25, 61.5, 40.25, false },
        { 40, 30, 5, 5, 12, 9, true },
        { 301, 203, 33, 21, 200, 150, true },
        { 640, 480, 64, 32, 512, 400, false },
        { 1200, 900, 101, 203, 700, 650, true },
    };

    [Theory]
    [MemberData(nameof(Boxes))]
    public void A_box_is_decoded_and_resized_as_its_colours_say(int width, int height, double left, double top, double boxWidth, double boxHeight, bool isolated)
    {
        var pixels = Decode(Photographs.Jpeg(width, height, 77), new CropBox(left, top, boxWidth, boxHeight, isolated));
        // Away from the edges, where the triangle is whole, the mean of a gradient is its value at the centre.
        for (var y = 2; y < Side - 2; y++)
        {
            for (var x = 2; x < Side - 2; x++)
            {
                Assert.Equal(255 * (left + ((x + 0.5) * boxWidth / Side) - 0.5) / width, pixels[(y * Side) + x], 4.0);
                Assert.Equal(255 * (top + ((y + 0.5) * boxHeight / Side) - 0.5) / height, pixels[((Side + y) * Side) + x], 4.0);
                Assert.Equal(77, pixels[(((2 * Side) + y) * Side) + x], 4.0);
            }
        }
    }

    [Fact]
    public void A_region_of_a_jpeg_is_what_the_whole_jpeg_has_there()
    {
        using var bitmap = Photographs.Gradient(200, 150, 9);
        var jpeg = Decode(Photographs.Encode(bitmap, quality: 100), new CropBox(70, 40, 64, 64, true));
        var png = Decode(Photographs.Encode(bitmap, SKEncodedImageFormat.Png), new CropBox(70, 40, 64, 64, true));
        Assert.All(jpeg.Zip(png), pair => Assert.Equal(pair.First, pair.Second, 4.0));
    }

    [Fact]
    public void Resizing_is_the_mean_under_a_triangle()
    {
        var noise = CounterBytes(37 * 29 * 4);
        var output = new byte[3 * 10 * 12];
        var box = new CropBox(3.5, 2, 30, 25.5, Isolated: false);
        Resampling.Resize(noise, 37, 29, box, output, 12, 10, new ResamplingScratch());
        for (var channel = 0; channel < 3; channel++)
        {
            for (var y = 0; y < 10; y++)
            {
                for (var x = 0; x < 12; x++)
                {
                    var (sum, weights) = (0.0, 0.0);
                    for (var v = 0; v < 29; v++)
                    {
                        for (var u = 0; u < 37; u++)
                        {
                            var weight = Triangle((u + 0.5 - 3.5 - ((x + 0.5) * 2.5)) / 2.5) * Triangle((v + 0.5 - 2 - ((y + 0.5) * 2.55)) / 2.55);
                            sum += weight * noise[(4 * ((37 * v) + u)) + channel];
                            weights += weight;
                        }
                    }

                    Assert.Equal(sum / weights, output[(((channel * 10) + y) * 12) + x], 0.51);
                }
            }
        }
    }

    [Fact]
    public void Resizing_to_the_same_size_changes_nothing()
    {
        var noise = CounterBytes(19 * 21 * 4);
        var output = new byte[3 * 19 * 21];
        Resampling.Resize(noise, 19, 21, new CropBox(0, 0, 19, 21, true), output, 19, 21, new ResamplingScratch());
        for (var channel = 0; channel < 3; channel++)
            Assert.Equal(Enumerable.Range(0, 19 * 21).Select(i => noise[(4 * i) + channel]), output[(channel * 19 * 21)..((channel + 1) * 19 * 21)]);
    }

    [Fact]
    public void Nothing_from_outside_an_isolated_box_comes_in()
    {
        var pixels = new byte[40 * 40 * 4];
        for (var i = 0; i < 40 * 40; i++)
            pixels.AsSpan(4 * i, 4).Fill(i % 40 is >= 10 and < 30 && i / 40 is >= 10 and < 30 ? (byte)100 : (byte)255);
        var output = new byte[3 * 5 * 5];
        Resampling.Resize(pixels, 40, 40, new CropBox(10, 10, 20, 20, Isolated: true), output, 5, 5, new ResamplingScratch());
        Assert.All(output, value => Assert.Equal(100, value));
        Resampling.Resize(pixels, 40, 40, new CropBox(10, 10, 20, 20, Isolated: false), output, 5, 5, new ResamplingScratch());
        Assert.True(output[0] > 100);
        Assert.Equal(100, output[12]);
    }

    [Fact]
    public void Grey_images_become_colour_and_transparency_is_dropped()
    {
        using var grey = new SKBitmap(new SKImageInfo(50, 50, SKColorType.Gray8));
        grey.Erase(new SKColor(90, 90, 90));
        Assert.All(Decode(Photographs.Encode(grey), new CropBox(0, 0, 50, 50, true)), value => Assert.Equal(90, value, 2.0));

        using var clear = new SKBitmap(new SKImageInfo(50, 50, SKColorType.Rgba8888, SKAlphaType.Unpremul));
        clear.Erase(new SKColor(10, 20, 30, 128));
        var pixels = Decode(Photographs.Encode(clear, SKEncodedImageFormat.Png), new CropBox(0, 0, 50, 50, true));
        Assert.Equal(10, pixels[0], 1.0);
        Assert.Equal(20, pixels[Side * Side], 1.0);
        Assert.Equal(30, pixels[2 * Side * Side], 1.0);
    }

    [Fact]
    public void Every_cut_of_a_jpeg_is_found_though_the_box_lies_before_it()
    {
        var whole = Photographs.Jpeg(120, 90, 50);
        for (var length = 0; length < whole.Length - 1; length += 7)
            Assert.Throws<DamagedImageException>(() => Decode(whole[..length], new CropBox(0, 0, 40, 20, true)));
        Decode([.. whole, 0, 0, 0], new CropBox(0, 0, 40, 20, true));
    }

    [Fact]
    public void Cut_pngs_and_other_files_are_damaged()
    {
        using var bitmap = Photographs.Gradient(120, 90, 50);
        var png = Photographs.Encode(bitmap, SKEncodedImageFormat.Png);
        Assert.Throws<DamagedImageException>(() => Decode(png[..(png.Length / 2)], new CropBox(0, 0, 40, 20, true)));
        Assert.Throws<DamagedImageException>(() => Decode("no image at all"u8.ToArray(), new CropBox(0, 0, 40, 20, true)));
        Assert.Throws<DamagedImageException>(() => Decode([], new CropBox(0, 0, 40, 20, true)));
    }

    [Fact]
    public void Damaged_bytes_are_refused_or_decoded_but_never_end_the_process()
    {
        var files = new[] { Photographs.Jpeg(320, 200, 50), Photographs.Encode(Photographs.Gradient(200, 150, 9), SKEncodedImageFormat.Png) };
        var (decoded, refused) = (0, 0);
        for (var i = 0; i < 1500; i++)
        {
            var random = Lathe.NN.Runtime.CounterRandom.For(1, "damage", i);
            var file = files[random.Below(0, 5) == 0 ? 1 : 0].ToArray();
            // Cut short, with an end of its own: nothing but the decoder can tell.
            if (random.Below(1, 2) == 0)
                file = [.. file[..random.Below(2, file.Length)], 0xFF, 0xD9];
            // Half of the changes are made in the headers.
            for (var change = 0; change < random.Below(3, 4); change++)
                file[random.Below(4 + (2 * change), random.Below(30 + change, 2) == 0 ? file.Length : Math.Min(700, file.Length))] = (byte)random.Below(5 + (2 * change), 256);
            var box = new CropBox(random.Below(20, 100), random.Below(21, 60), 1 + random.Below(22, 200), 1 + random.Below(23, 120), random.Below(24, 2) == 0);
            try
            {
                // What was in memory before must not be part of a picture.
                Assert.True(Decode(file, box, before: 0).AsSpan().SequenceEqual(Decode(file, box, before: 255)), $"file {i} is not the same picture twice");
                decoded++;
            }
            catch (DamagedImageException)
            {
                refused++;
            }
        }

        Assert.True(decoded > 100 && refused > 100, $"{decoded} decoded, {refused} refused: the damage is no test of both");
    }

    private static byte[] Decode(byte[] file, CropBox box, byte before = 0)
    {
        var output = new byte[3 * Side * Side];
        Array.Fill(output, before);
        new ImageDecoder().Decode(file, (_, _) => box, output, Side, Side);
        return output;
    }

    private static double Triangle(double x) => Math.Max(0, 1 - Math.Abs(x));

    private static byte[] CounterBytes(int count)
    {
        var random = Lathe.NN.Runtime.CounterRandom.For(1, "bytes");
        return [.. Enumerable.Range(0, count).Select(i => (byte)random.Bits(i))];
    }
}
