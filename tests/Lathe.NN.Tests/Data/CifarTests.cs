using System.Buffers.Binary;
using System.Text;
using Lathe.Contracts;
using Lathe.NN.Data;

namespace Lathe.NN.Tests.Data;

public sealed class CifarTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory();

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public void Cifar_100_counts_the_fine_labels()
    {
        WriteBinary();
        var data = DataSets.Open("cifar-100", _folder.FullName);
        Assert.Equal((100, 4, 2), (data.Classes, data.Train.Count, data.Test.Count));
        Assert.Equal([50, 51, 52, 53], Enumerable.Range(0, 4).Select(data.Train.Label));
        Assert.Equal(3, data.Train.Image(3)[0]);
        Assert.Equal(new Augmentation(4, true), data.UsualAugmentation);
    }

    [Fact]
    public void The_python_version_is_the_same_data_set()
    {
        WriteBinary();
        var binary = DataSets.Open("cifar-100", _folder.FullName);
        Directory.Delete(Path.Combine(_folder.FullName, "cifar-100-binary"), recursive: true);
        Write("cifar-100-python/train", Pickle("fine_labels", 4));
        Write("cifar-100-python/test", Pickle("fine_labels", 2));
        var python = DataSets.Open("cifar-100", _folder.FullName);
        Assert.Equal((4, 2), (python.Train.Count, python.Test.Count));
        for (var i = 0; i < 4; i++)
            Assert.True(binary.Train.Label(i) == python.Train.Label(i) && binary.Train.Image(i).SequenceEqual(python.Train.Image(i)));
        Assert.Equal(binary.Normalization.Mean, python.Normalization.Mean);
    }

    [Fact]
    public void Cifar_10_is_read_from_its_python_batches()
    {
        foreach (var file in DataSetFiles.Variants("cifar-10")[1])
            Write(file, Pickle("labels", 3, firstLabel: 2));
        var data = DataSets.Open("cifar-10", _folder.FullName);
        Assert.Equal((15, 3), (data.Train.Count, data.Test.Count));
        Assert.Equal([2, 3, 4, 2, 3], Enumerable.Range(0, 5).Select(data.Train.Label));
        Assert.Equal(1, data.Train.Image(4)[3071]);
    }

    [Fact]
    public void Damaged_batches_are_reported_with_the_file()
    {
        Write("cifar-100-python/test", Pickle("fine_labels", 2));
        Refused(Pickle("fine_labels", 4, firstLabel: 97), "image 3 has label 100");
        Refused(Pickle("names", 4), "neither 'fine_labels' nor 'labels'");
        Refused(Pickle("fine_labels", 4)[..^9], "is not a pickle that can be read");
        Refused("\u0080\u0002K\u0001.", "it is not a dictionary");
        Refused("\u0080\u0002}U\u0004dataNs.", "it has no 'data'");
        Refused(Pickle("fine_labels", 4).Replace("U\u0002u1", "U\u0002f4", StringComparison.Ordinal), "type f4");
        Refused(Pickle("fine_labels", 4).Replace("numpy\ndtype", "os\nsystem", StringComparison.Ordinal), "os.system");

        void Refused(string pickle, string expected)
        {
            Write("cifar-100-python/train", pickle);
            var message = Assert.Throws<LatheException>(() => DataSets.Open("cifar-100", _folder.FullName)).Message;
            Assert.Contains(expected, message, StringComparison.Ordinal);
            Assert.Contains("cifar-100-python/train", message, StringComparison.Ordinal);
        }
    }

    /// <summary>As Python 2 and NumPy wrote the published batches: protocol 2, strings as bytes.</summary>
    private static string Pickle(string labels, int count, int firstLabel = 50)
    {
        var pixels = string.Concat(Enumerable.Range(0, count).Select(i => new string((char)i, 3072)));
        var text = new StringBuilder("\u0080\u0002}q\u0001(U\u0004dataq\u0002cnumpy.core.multiarray\n_reconstruct\nq\u0003cnumpy\nndarray\nq\u0004K\u0000\u0085U\u0001b\u0087Rq\u0005");
        text.Append($"(K\u0001K{(char)count}M\u0000\u000c\u0086cnumpy\ndtype\nU\u0002u1K\u0000K\u0001\u0087R(K\u0003U\u0001|NNNJ\u00ff\u00ff\u00ff\u00ffJ\u00ff\u00ff\u00ff\u00ffK\u0000tb\u0089T");
        var length = new byte[4];
        BinaryPrimitives.WriteInt32LittleEndian(length, pixels.Length);
        text.Append(Encoding.Latin1.GetString(length)).Append(pixels).Append("tbU").Append((char)labels.Length).Append(labels).Append("](");
        for (var i = 0; i < count; i++)
            text.Append('K').Append((char)(firstLabel + i));
        return text.Append("eu.").ToString();
    }

    private void WriteBinary()
    {
        foreach (var (file, count) in new[] { ("train", 4), ("test", 2) })
            Write($"cifar-100-binary/{file}.bin", string.Concat(Enumerable.Range(0, count).Select(i => $"\u0007{(char)(50 + i)}{new string((char)i, 3072)}")));
    }

    private void Write(string file, string latin1)
    {
        var path = Path.Combine(_folder.FullName, file);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllBytes(path, Encoding.Latin1.GetBytes(latin1));
    }
}
