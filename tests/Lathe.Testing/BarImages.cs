using System.Buffers.Binary;

namespace Lathe.Testing;

/// <summary>A made-up data set in MNIST's format that a network learns in seconds: a noisy bar whose place is the class.</summary>
public static class BarImages
{
    private const int Side = 28;

    /// <summary>Writes the four IDX files. The same numbers give the same bytes.</summary>
    public static void Write(string folder, int train, int test)
    {
        Directory.CreateDirectory(folder);
        Write(folder, "train", train, seed: 1);
        Write(folder, "t10k", test, seed: 2);
    }

    private static void Write(string folder, string prefix, int count, int seed)
    {
        var random = new Random(seed);
        var labels = new byte[8 + count];
        BinaryPrimitives.WriteInt32BigEndian(labels, 0x801);
        BinaryPrimitives.WriteInt32BigEndian(labels.AsSpan(4), count);
        var images = new byte[16 + (count * Side * Side)];
        BinaryPrimitives.WriteInt32BigEndian(images, 0x803);
        BinaryPrimitives.WriteInt32BigEndian(images.AsSpan(4), count);
        BinaryPrimitives.WriteInt32BigEndian(images.AsSpan(8), Side);
        BinaryPrimitives.WriteInt32BigEndian(images.AsSpan(12), Side);
        for (var i = 0; i < count; i++)
        {
            var label = (byte)random.Next(10);
            labels[8 + i] = label;
            var image = images.AsSpan(16 + (i * Side * Side), Side * Side);
            random.NextBytes(image);
            for (var p = 0; p < image.Length; p++) image[p] /= 2;
            // Classes 0 to 4 are rows, 5 to 9 columns, far enough apart that a shift by two pixels confuses none.
            var place = 3 + (label % 5 * 5);
            for (var j = 0; j < Side; j++) image[label < 5 ? (place * Side) + j : (j * Side) + place] = 255;
        }

        File.WriteAllBytes(Path.Combine(folder, $"{prefix}-labels-idx1-ubyte"), labels);
        File.WriteAllBytes(Path.Combine(folder, $"{prefix}-images-idx3-ubyte"), images);
    }
}
