namespace Lathe.NN.Data;

/// <summary>
/// The binary versions of CIFAR-10 and CIFAR-100: records of one label byte (CIFAR-100: coarse and fine label, of which the fine one
/// counts) and 3,072 bytes of image, red, green and blue planes of 32 x 32.
/// Format: www.cs.toronto.edu/~kriz/cifar.html.
/// </summary>
internal static class CifarFiles
{
    private const int ImageLength = 3 * 32 * 32;

    // CIFAR-100's training images are in one file.
    private const int MostRecords = 50_000;

    /// <param name="folder">Holds the files.</param>
    /// <param name="names">Their names.</param>
    /// <param name="classes">Labels are below this.</param>
    /// <param name="labelBytes">Label bytes of a record; the last one counts.</param>
    /// <returns>Images [N, 3, 32, 32] and labels [N], the files one after the other.</returns>
    public static (byte[] Images, byte[] Labels) Read(string folder, IReadOnlyList<string> names, int classes, int labelBytes)
    {
        var recordLength = labelBytes + ImageLength;
        var contents = new List<byte[]>();
        foreach (var name in names)
        {
            using var file = DataFile.Open(folder, name);
            var bytes = file.ReadAll(MostRecords * recordLength);
            if (bytes.Length == 0 || bytes.Length % recordLength != 0)
                throw file.Damaged($"it has {bytes.Length} bytes, which is not a number of records of {recordLength} bytes");
            for (var start = 0; start < bytes.Length; start += recordLength)
            {
                if (bytes[start + labelBytes - 1] >= classes)
                    throw file.Damaged($"image {start / recordLength} has label {bytes[start + labelBytes - 1]}, and there are only {classes} classes");
            }

            contents.Add(bytes);
        }

        var count = contents.Sum(bytes => bytes.Length) / recordLength;
        var images = new byte[count * ImageLength];
        var labels = new byte[count];
        var index = 0;
        foreach (var bytes in contents)
        {
            for (var start = 0; start < bytes.Length; start += recordLength, index++)
            {
                labels[index] = bytes[start + labelBytes - 1];
                bytes.AsSpan(start + labelBytes, ImageLength).CopyTo(images.AsSpan(index * ImageLength));
            }
        }

        return (images, labels);
    }
}
