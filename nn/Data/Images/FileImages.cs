using Lathe.Contracts;
using Lathe.Graph;
using Lathe.NN.Runtime;

namespace Lathe.NN.Data;

/// <summary>Photographs in files or tars, decoded each time they are asked for.</summary>
/// <param name="places">Where each lies.</param>
/// <param name="shape">Shape of the result: [3, H, W].</param>
/// <param name="damaged">Remembers those that do not decode.</param>
/// <param name="remote">Holds their tars if no local folder does; otherwise null.</param>
internal sealed class FileImages(ImagePlace[] places, TensorShape shape, DamagedImages damaged, IRemoteFiles? remote = null) : IImageSource
{
    public int Count => places.Length;

    public bool Decodes => true;

    public IReadOnlyList<DamagedImage> Damaged => damaged.Found;

    public int Label(int image) => places[image].Label;

    public bool TryRead(int image, RandomCrop? crop, CounterRandom random, ImageScratch scratch, out ReadOnlySpan<byte> pixels)
    {
        var output = scratch.PixelsOf(shape.Channels * shape.Height * shape.Width);
        pixels = output;
        if (damaged.Contains(image))
            return false;
        try
        {
            scratch.Decoder.Decode(places[image].Read(ref scratch.File, remote), Box, output, shape.Width, shape.Height);
            return true;
        }
        catch (DamagedImageException e)
        {
            damaged.Add(image, new DamagedImage(places[image].Path, e.Message));
            return false;
        }

        CropBox Box(int width, int height) => crop is null
            ? CropBox.Centre(width, height, shape.Width, shape.Height)
            : CropBox.Random(width, height, crop, random, ImageDraws.Crop);
    }
}
