using Lathe.Graph;
using Lathe.NN.Runtime;

namespace Lathe.NN.Data;

/// <summary>Images that lie in memory as they were read.</summary>
/// <param name="images">[N, C, H, W].</param>
/// <param name="labels">[N].</param>
/// <param name="shape">Of one image.</param>
internal sealed class MemoryImages(byte[] images, byte[] labels, TensorShape shape) : IImageSource
{
    private readonly int _length = shape.Channels * shape.Height * shape.Width;

    public int Count => labels.Length;

    public bool Decodes => false;

    public IReadOnlyList<DamagedImage> Damaged => [];

    public int Label(int image) => labels[image];

    public bool TryRead(int image, RandomCrop? crop, CounterRandom random, ImageScratch scratch, out ReadOnlySpan<byte> pixels)
    {
        pixels = images.AsSpan(image * _length, _length);
        return true;
    }
}
