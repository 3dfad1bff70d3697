namespace Lathe.NN.Data;

/// <summary>
/// CIFAR-10's binary version: records of one label byte and 3,072 bytes of image, red, green and blue planes of 32 x 32.
/// Format: www.cs.toronto.edu/~kriz/cifar.html.
/// </summary>
internal static class CifarFiles
{
    public const int Classes = 10;
    private const int ImageLength = 3 * 32 * 32;
    private const int RecordLength = 1 + ImageLength;
    private const int RecordsPerFile = 10_000;

    /// <returns>Images [N, 3, 32, 32] and labels [N], the files one after the other.</returns>
    public static (byte[] Images, byte[] Labels) Read(string folder, IReadOnlyList<string> names)
    {
        var contents = new List<byte[]>();
        foreach (var name in names)
        {
            using var file = DataFile.Open(folder, name);
            var bytes = file.ReadAll(RecordsPerFile * RecordLength);
            if (bytes.Length == 0 || bytes.Length % RecordLength != 0)
                throw file.Damaged($"it has {bytes.Length} bytes, which is not a number of records of {RecordLength} bytes");
            for (var start = 0; start < bytes.Length; start += RecordLength)
            {
                if (bytes[start] >= Classes)
                    throw file.Damaged($"image {start / RecordLength} has label {bytes[start]}, and there are only {Classes} classes");
            }

            contents.Add(bytes);
        }

        var count = contents.Sum(bytes => bytes.Length) / RecordLength;
        var images = new byte[count * ImageLength];
        var labels = new byte[count];
        var index = 0;
        foreach (var bytes in contents)
        {
            for (var start = 0; start < bytes.Length; start += RecordLength, index++)
            {
                labels[index] = bytes[start];
                bytes.AsSpan(start + 1, ImageLength).CopyTo(images.AsSpan(index * ImageLength));
            }
        }

        return (images, labels);
    }
}
