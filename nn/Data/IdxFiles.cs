using System.Buffers.Binary;
using Lathe.Graph;

namespace Lathe.NN.Data;

/// <summary>
/// Image and label files of MNIST and its kin: big-endian magic number (0, 0, type 8 for bytes, number of dimensions), the sizes of
/// the dimensions, then the bytes. Format: yann.lecun.com/exdb/mnist.
/// </summary>
internal static class IdxFiles
{
    private const int ImagesMagic = 0x00000803;
    private const int LabelsMagic = 0x00000801;

    /// <returns>Images [N, 1, H, W] and labels [N].</returns>
    public static (byte[] Images, byte[] Labels) Read(string folder, string imagesName, string labelsName, TensorShape shape, int classes)
    {
        using var imagesFile = DataFile.Open(folder, imagesName);
        var header = imagesFile.Read(16, "header");
        CheckMagic(imagesFile, header, ImagesMagic);
        var count = Field(header, 1);
        if (count == 0)
            throw imagesFile.Damaged("its header says that it holds no images");
        if (Field(header, 2) != shape.Height || Field(header, 3) != shape.Width)
            throw imagesFile.Damaged($"its images are {Field(header, 2)} x {Field(header, 3)} pixels instead of {shape.Height} x {shape.Width}");
        var images = imagesFile.Read((long)count * shape.Height * shape.Width, "images");
        imagesFile.End();

        using var labelsFile = DataFile.Open(folder, labelsName);
        header = labelsFile.Read(8, "header");
        CheckMagic(labelsFile, header, LabelsMagic);
        if (Field(header, 1) != count)
            throw labelsFile.Damaged($"it has {Field(header, 1)} labels for the {count} images of {imagesFile.Path}");
        var labels = labelsFile.Read(count, "labels");
        labelsFile.End();
        var wrong = Array.FindIndex(labels, label => label >= classes);
        return wrong < 0 ? (images, labels) : throw labelsFile.Damaged($"label {wrong} is {labels[wrong]}, and there are only {classes} classes");
    }

    private static void CheckMagic(DataFile file, byte[] header, int expected)
    {
        var magic = Field(header, 0);
        if (magic != expected)
            throw file.Damaged($"it starts with 0x{magic:x8} instead of 0x{expected:x8}");
    }

    private static uint Field(byte[] header, int index) => BinaryPrimitives.ReadUInt32BigEndian(header.AsSpan(4 * index));
}
