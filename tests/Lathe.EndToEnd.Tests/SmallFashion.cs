using System.Buffers.Binary;
using System.IO.Compression;

namespace Lathe.EndToEnd.Tests;

/// <summary>The first images of Fashion-MNIST as a data set of their own: real images, short runs.</summary>
public static class SmallFashion
{
    public const string Debian = "/usr/share/datasets/fashion-mnist";

    private const int ImageBytes = 28 * 28;

    /// <summary>Skips the test where the data set is not installed.</summary>
    public static void Require() => Assert.SkipUnless(
        File.Exists(Path.Combine(Debian, "train-images-idx3-ubyte.gz")),
        $"Fashion-MNIST is not in {Debian}: install the package dataset-fashion-mnist");

    /// <summary>Writes the four IDX files.</summary>
    public static void Write(string folder, int train, int test)
    {
        Require();
        Directory.CreateDirectory(folder);
        Cut("train-images-idx3-ubyte", 16, ImageBytes, train);
        Cut("train-labels-idx1-ubyte", 8, 1, train);
        Cut("t10k-images-idx3-ubyte", 16, ImageBytes, test);
        Cut("t10k-labels-idx1-ubyte", 8, 1, test);

        void Cut(string name, int header, int bytes, int count)
        {
            using var stream = new GZipStream(File.OpenRead(Path.Combine(Debian, name + ".gz")), CompressionMode.Decompress);
            var content = new byte[header + count * bytes];
            stream.ReadExactly(content);
            BinaryPrimitives.WriteInt32BigEndian(content.AsSpan(4), count);
            File.WriteAllBytes(Path.Combine(folder, name), content);
        }
    }
}
