using Lathe.NN.Runtime;

namespace Lathe.NN.Data;

/// <summary>Float values that lie in memory as they were read, and are taken as they are.</summary>
/// <param name="values">[N, C, H, W] or [N, F].</param>
/// <param name="labels">[N].</param>
/// <param name="length">Values of one image.</param>
internal sealed class FloatImages(float[] values, byte[] labels, int length) : IImageSource
{
    public int Count => labels.Length;

    public bool Decodes => false;

    public IReadOnlyList<DamagedImage> Damaged => [];

    public int Label(int image) => labels[image];

    public ReadOnlySpan<float> Values(int image) => values.AsSpan(image * length, length);

    public bool TryRead(int image, RandomCrop? crop, CounterRandom random, ImageScratch scratch, out ReadOnlySpan<byte> pixels) =>
        throw new NotSupportedException("float images have no bytes");
}
