using System.Security.Cryptography;
using Lathe.Contracts;
using Lathe.Graph;
using Lathe.NN.Data;
using Lathe.NN.Runtime;
using static TorchSharp.torch;

namespace Lathe.NN.Tests;

/// <summary>Small networks and images to test with.</summary>
internal static class Samples
{
    /// <summary>Convolution with batch norm, residual add, dropout and a linear layer on 1 x 8 x 8 images of 3 classes.</summary>
    public static NetworkGraph Network(double dropout = 0.2) => new(
        "sample",
        new TensorShape(1, 8, 8),
        [
            new Conv2d("conv1", ["input"], 1, 4, 3, Padding: 1),
            new BatchNorm("bn1", ["conv1"], 4),
            new Activation("relu1", ["bn1"], ActivationKind.Relu),
            new Conv2d("conv2", ["relu1"], 4, 4, 3, Padding: 1, Bias: true),
            new Add("add", ["conv2", "relu1"]),
            new MaxPool2d("pool", ["add"], 2, 2),
            new Flatten("flat", ["pool"]),
            new Dropout("drop", ["flat"], dropout),
            new Linear("fc", ["drop"], 64, 3),
        ],
        "fc");

    /// <summary>Bright squares at a place that tells the class, on noise.</summary>
    public static Split Images(int count = 96, long seed = 5)
    {
        var random = CounterRandom.For(seed, "images");
        var shape = new TensorShape(1, 8, 8);
        var images = new byte[count * 64];
        var labels = new byte[count];
        for (var i = 0; i < count; i++)
        {
            labels[i] = (byte)(i % 3);
            for (var p = 0; p < 64; p++)
                images[(i * 64) + p] = (byte)((int)(random.Bits((i * 64) + p) & 63) + (p / 8 / 3 == labels[i] ? 120 : 0));
        }

        return new Split(images, labels, shape, 3, Normalization.Of(images, shape));
    }

    /// <summary>SHA-256 over names and bytes.</summary>
    public static string Digest(IReadOnlyDictionary<string, Tensor> tensors)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var (name, tensor) in tensors)
        {
            hash.AppendData(System.Text.Encoding.UTF8.GetBytes(name));
            hash.AppendData(tensor.bytes);
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }
}

/// <summary>A state slot in memory.</summary>
internal sealed class MemoryState : ITrainingState
{
    public byte[]? Bytes { get; set; }

    public int Saves { get; private set; }

    /// <summary>What was said about damage.</summary>
    public List<string> Damages { get; } = [];

    public Stream? Open() => Bytes is null ? null : new MemoryStream(Bytes);

    public void Damaged(string how) => Damages.Add(how);

    public void Save(Action<Stream> write)
    {
        using var stream = new MemoryStream();
        write(stream);
        Bytes = stream.ToArray();
        Saves++;
    }
}
