using Lathe.NN.Runtime;

namespace Lathe.NN.Data;

/// <summary>Source of the images of a split. Immutable, except for its list of damaged images. Safe for many threads at once.</summary>
internal interface IImageSource
{
    /// <summary>Number of images.</summary>
    int Count { get; }

    /// <summary>Whether images are decoded on demand. Such images profit from several threads and can be cropped at random.</summary>
    bool Decodes { get; }

    /// <summary>Images found damaged up to now, by name.</summary>
    IReadOnlyList<DamagedImage> Damaged { get; }

    /// <summary>Class of an image.</summary>
    int Label(int image);

    /// <summary>An image's values where they are floats already, [C, H, W]; empty where they are bytes.</summary>
    ReadOnlySpan<float> Values(int image) => [];

    /// <summary>Reads one image.</summary>
    /// <param name="image">Below <see cref="Count"/>.</param>
    /// <param name="crop">How to cut it; null: as in evaluation.</param>
    /// <param name="random">Its draws, of which <see cref="ImageDraws.Crop"/> and the 39 after are used.</param>
    /// <param name="scratch">The calling thread's.</param>
    /// <param name="pixels">Bytes [C, H, W], until the next call with that scratch.</param>
    /// <returns>False where it is damaged.</returns>
    /// <exception cref="Contracts.LatheException">The file cannot be read at all, or too many are damaged.</exception>
    bool TryRead(int image, RandomCrop? crop, CounterRandom random, ImageScratch scratch, out ReadOnlySpan<byte> pixels);
}

/// <summary>An image that was left out.</summary>
/// <param name="Name">Its file, or its tar and member.</param>
/// <param name="Why">Description of the damage.</param>
public sealed record DamagedImage(string Name, string Why);

/// <summary>Which draws of an image's stream are for what; fixed, because trained weights depend on them.</summary>
internal static class ImageDraws
{
    public const int ShiftDown = 0;
    public const int ShiftRight = 1;
    public const int Flip = 2;
    public const int CutoutRow = 3;
    public const int CutoutColumn = 4;
    public const int Crop = 100;
    public const int Colours = 200;
}

/// <summary>Memory of one thread that reads images.</summary>
internal sealed class ImageScratch
{
    private byte[] _file = [];

    public ImageDecoder Decoder { get; } = new();

    public byte[] Pixels { get; private set; } = [];

    public byte[] Recoloured { get; private set; } = [];

    public ref byte[] File => ref _file;

    public Span<byte> PixelsOf(int length) => (Pixels.Length == length ? Pixels : Pixels = new byte[length]).AsSpan();

    public Span<byte> RecolouredOf(int length) => (Recoloured.Length == length ? Recoloured : Recoloured = new byte[length]).AsSpan();
}
