using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using Lathe.Contracts;
using Lathe.Graph;
using Lathe.NN.Data;
using Lathe.NN.Runtime;
using Lathe.NN.Training;

namespace Lathe.NN.Tests.Data;

/// <summary>Data sets of NumPy's arrays.</summary>
public sealed class TensorSetTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("lathe-tensors-").FullName;

    public TensorSetTests() => TorchRuntime.Configure(1);

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void Floats_are_taken_as_they_are_whatever_their_shape()
    {
        foreach (var shape in (int[][])[[2, 3, 5], [7, 4], [6]])
        {
            var length = shape.Aggregate(1, (a, b) => a * b);
            float[] values = [.. Enumerable.Range(0, 4 * length).Select(i => (i / 8f) - 3)];
            Write("train_images", "<f4", MemoryMarshal.AsBytes(values.AsSpan()), [4, .. shape]);
            Write("train_labels", "<i8", MemoryMarshal.AsBytes<long>([0, 1, 2, 1]), [4]);
            Write("test_images", "<f4", MemoryMarshal.AsBytes(values.AsSpan(0, length)), [1, .. shape]);
            Write("test_labels", "|u1", [2], [1]);
            var data = DataSets.Open("sounds", _folder);
            Assert.Equal(shape switch { [6] => new TensorShape(6, IsFlat: true), [7, 4] => new TensorShape(1, 7, 4), _ => new TensorShape(2, 3, 5) }, data.Input);
            Assert.Equal((3, 4, 1), (data.Classes, data.Train.Count, data.Test.Count));
            using var batch = BatchLoader.InOrder(data.Train, 4).Single();
            Assert.Equal(shape is [6] ? [4L, 6] : [4L, data.Input.Channels, data.Input.Height, data.Input.Width], batch.Images.shape);
            Assert.Equal(values, batch.Images.data<float>().ToArray());
            Assert.Equal([0L, 1, 2, 1], batch.Labels.data<long>().ToArray());
            Assert.Equal(1, data.Train.Validation(0.25, 1).Validation.Count);
        }
    }

    [Theory]
    [InlineData("|u1", 0)]
    [InlineData("|i1", 128)]
    public void Bytes_are_pixels_that_are_normalized(string type, int zero)
    {
        byte[] pixels = [.. Enumerable.Range(0, 40).Select(i => (byte)(i * 5))];
        Write("train_images", type, pixels, [2, 4, 5]);
        Write("train_labels", "<i4", MemoryMarshal.AsBytes<int>([1, 0]), [2, 1]);
        Write("test_images", type, pixels.AsSpan(0, 20), [1, 4, 5]);
        Write("test_labels", "<i4", MemoryMarshal.AsBytes<int>([1]), [1]);
        var data = DataSets.Open("sounds", _folder);
        Assert.Equal(pixels.Take(20).Select(pixel => (byte)(pixel ^ zero)), data.Train.Image(0).ToArray());
        using var batch = BatchLoader.InOrder(data.Train, 2).Single();
        Assert.Equal(0, batch.Images.mean().item<float>(), 1e-5f);
        Assert.Equal(new Augmentation(), data.UsualAugmentation);
        var moved = Assert.Throws<LatheException>(() => new BatchLoader(data.Train, 2, 1, new Augmentation(Flip: true)));
        Assert.Contains("Arrays may hold anything", moved.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("short", "train_images.npy cannot be used: it holds 39 bytes; [2, 4, 5] of u1 take 40")]
    [InlineData("fortran", "it is in Fortran order")]
    [InlineData("strings", "its elements are '<U3'; expected uint8, int8, or little-endian floats")]
    [InlineData("big endian", "its elements are '>f4'")]
    [InlineData("no array", "it is no array of NumPy")]
    [InlineData("labels", "train_labels.npy cannot be used: it has 3 labels; ")]
    [InlineData("negative", "label 0 is -1; classes are numbered from 0 to at most 255")]
    [InlineData("unknown class", "label 0 is 2, and training has only classes 0 to 1")]
    [InlineData("other shape", "test_images.npy cannot be used: its images are [5, 4] of u1")]
    [InlineData("not finite", "value 0 is no finite number")]
    public void What_does_not_fit_is_named(string what, string message)
    {
        Write("train_images", "|u1", new byte[what == "short" ? 39 : 40], [2, 4, 5]);
        Write("train_labels", "<i8", MemoryMarshal.AsBytes<long>(what == "labels" ? [0, 1, 1] : [what == "negative" ? -1 : 0, 1]), [what == "labels" ? 3 : 2]);
        Write("test_images", "|u1", new byte[20], what == "other shape" ? [1, 5, 4] : [1, 4, 5]);
        Write("test_labels", "<i8", MemoryMarshal.AsBytes<long>([what == "unknown class" ? 2 : 0]), [1]);
        switch (what)
        {
            case "fortran": Write("train_images", "|u1", new byte[40], [2, 4, 5], "True"); break;
            case "strings": Write("train_images", "<U3", new byte[480], [2, 4, 5]); break;
            case "big endian": Write("train_images", ">f4", new byte[160], [2, 4, 5]); break;
            case "no array": File.WriteAllText(Path.Combine(_folder, "train_images.npy"), "not an array at all"); break;
            case "not finite":
                Write("train_images", "<f4", MemoryMarshal.AsBytes<float>([.. Enumerable.Repeat(float.NaN, 40)]), [2, 4, 5]);
                Write("test_images", "<f4", new byte[80], [1, 4, 5]);
                break;
        }

        Assert.Contains(message, Assert.Throws<LatheException>(() => DataSets.Open("sounds", _folder)).Message, StringComparison.Ordinal);
    }

    private void Write(string name, string type, ReadOnlySpan<byte> bytes, int[] shape, string fortran = "False")
    {
        var extents = string.Join(", ", shape.Select(extent => extent.ToString(CultureInfo.InvariantCulture)));
        var header = $"{{'descr': '{type}', 'fortran_order': {fortran}, 'shape': ({extents}{(shape.Length == 1 ? "," : "")}), }}";
        header = header.PadRight(117) + "\n";
        using var file = File.Create(Path.Combine(_folder, $"{name}.npy"));
        file.Write([0x93, (byte)'N', (byte)'U', (byte)'M', (byte)'P', (byte)'Y', 1, 0, (byte)header.Length, 0]);
        file.Write(Encoding.Latin1.GetBytes(header));
        file.Write(bytes);
    }
}
