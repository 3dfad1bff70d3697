using System.Runtime.InteropServices;
using SkiaSharp;

namespace Lathe.NN.Data;

/// <summary>
/// Decodes the box of a JPEG, PNG, WebP or BMP that a network input needs, at the smallest scale that still has as many pixels, and resizes it.
/// Grey images become colour, transparency is dropped, EXIF rotation and colour profiles are left alone (as ImageNet's readers do).
/// Keeps its memory between images; not for two threads at once.
/// </summary>
internal sealed class ImageDecoder
{
    // More pixels than any photograph: a damaged header must not ask for all memory.
    private const long MostPixels = 1L << 28;

    // Deflate makes at most 1,032 bytes of one, and a byte holds at most 8 pixels; a JPEG's best is far below.
    private const long MostPixelsOfByte = 8 * 1032;
    private const long FewPixels = 1 << 20;

    private static readonly (int Divisor, float Scale)[] Scales = [(8, 1 / 8f), (4, 1 / 4f), (2, 1 / 2f)];
    private readonly ResamplingScratch _resampling = new();
    private byte[] _pixels = [];
    private byte[] _padded = [];

    /// <summary>Decodes an image.</summary>
    /// <param name="file">The file's bytes.</param>
    /// <param name="box">Which part to take of an image of that width and height.</param>
    /// <param name="output">Bytes [3, outputHeight, outputWidth].</param>
    /// <param name="outputWidth">At least 1.</param>
    /// <param name="outputHeight">At least 1.</param>
    /// <exception cref="DamagedImageException">The file is no image, or not a whole one.</exception>
    public unsafe void Decode(ReadOnlySpan<byte> file, Func<int, int, CropBox> box, Span<byte> output, int outputWidth, int outputHeight)
    {
        JpegMarkers.RefuseTruncated(file);
        var padded = Padded(file);
        fixed (byte* bytes = padded)
        {
            using var data = SKData.Create((nint)bytes, padded.Length);
            using var codec = SKCodec.Create(data)
                ?? throw new DamagedImageException("it is not an image, or one of an unknown format");
            var whole = codec.Info.Size;
            if ((long)whole.Width * whole.Height > MostPixels)
                throw new DamagedImageException($"it has {whole.Width} x {whole.Height} pixels; the most that is read is {MostPixels >> 20} x 2^20. Make it smaller");
            if ((long)whole.Width * whole.Height is var pixels && (pixels > FewPixels + (MostPixelsOfByte * file.Length)))
                throw new DamagedImageException($"it claims to be {whole.Width} x {whole.Height} pixels");
            var wanted = box(whole.Width, whole.Height);
            var size = Size(codec, wanted, outputWidth, outputHeight);
            var scaled = Scaled(wanted, whole, size);
            var region = codec.EncodedFormat == SKEncodedImageFormat.Jpeg ? Region(scaled, size, outputWidth, outputHeight) : SKRectI.Create(size);
            Read(codec, size, region);
            Resampling.Resize(
                _pixels.AsSpan(0, 4 * region.Width * region.Height),
                region.Width,
                region.Height,
                scaled with { Left = scaled.Left - region.Left, Top = scaled.Top - region.Top },
                output,
                outputWidth,
                outputHeight,
                _resampling);
        }
    }

    /// <summary>
    /// A JPEG with end-of-image markers behind it. Skia crashes the process when a JPEG whose headers are damaged ends while a part of it
    /// is asked for (SkiaSharp 4.154.0); this way the data never end before a marker does, for no marker is longer than 65,537 bytes.
    /// </summary>
    private ReadOnlySpan<byte> Padded(ReadOnlySpan<byte> file)
    {
        const int Padding = 1 << 17;
        if (file is not [0xFF, 0xD8, ..])
            return file;
        if (_padded.Length < file.Length + Padding)
            _padded = new byte[file.Length + Padding];
        file.CopyTo(_padded);
        MemoryMarshal.Cast<byte, ushort>(_padded.AsSpan(file.Length, Padding)).Fill(BitConverter.IsLittleEndian ? (ushort)0xD9FF : (ushort)0xFFD9);
        return _padded.AsSpan(0, file.Length + Padding);
    }

    /// <summary>The smallest size the codec can decode to at which the box is no smaller than the output.</summary>
    private static SKSizeI Size(SKCodec codec, CropBox box, int outputWidth, int outputHeight)
    {
        if (codec.EncodedFormat != SKEncodedImageFormat.Jpeg)
            return codec.Info.Size;
        foreach (var (divisor, scale) in Scales)
        {
            if (box.Width >= divisor * outputWidth && box.Height >= divisor * outputHeight)
                return codec.GetScaledDimensions(scale);
        }

        return codec.Info.Size;
    }

    private static CropBox Scaled(CropBox box, SKSizeI whole, SKSizeI size)
    {
        var (x, y) = ((double)size.Width / whole.Width, (double)size.Height / whole.Height);
        return box with { Left = box.Left * x, Top = box.Top * y, Width = box.Width * x, Height = box.Height * y };
    }

    /// <summary>The pixels that the box's resizing reads.</summary>
    private static SKRectI Region(CropBox box, SKSizeI size, int outputWidth, int outputHeight)
    {
        var marginX = box.Isolated ? 0 : Math.Max(1, box.Width / outputWidth);
        var marginY = box.Isolated ? 0 : Math.Max(1, box.Height / outputHeight);
        return new SKRectI(
            Math.Max(0, (int)Math.Floor(box.Left - marginX)),
            Math.Max(0, (int)Math.Floor(box.Top - marginY)),
            Math.Min(size.Width, (int)Math.Ceiling(box.Left + box.Width + marginX)),
            Math.Min(size.Height, (int)Math.Ceiling(box.Top + box.Height + marginY)));
    }

    private unsafe void Read(SKCodec codec, SKSizeI size, SKRectI region)
    {
        var stride = 4 * region.Width;
        // Of an image that ends too soon Skia fills the missing rows with grey over the image's whole width, not the region's.
        var needed = (stride * region.Height) + (4 * size.Width);
        if (_pixels.Length < needed)
            _pixels = new byte[needed];
        // No colour space: values stay as they are stored.
        var info = new SKImageInfo(size.Width, size.Height, SKColorType.Rgba8888, SKAlphaType.Unpremul);
        fixed (byte* pixels = _pixels)
        {
            if (codec.EncodedFormat != SKEncodedImageFormat.Jpeg)
            {
                if (codec.GetPixels(info, (nint)pixels) is var result and not SKCodecResult.Success)
                    throw new DamagedImageException($"it does not decode ({result})");
                return;
            }

            var columns = SKRectI.Create(region.Left, 0, region.Width, size.Height);
            if (codec.StartScanlineDecode(info, new SKCodecOptions(columns)) is var start and not SKCodecResult.Success)
                throw new DamagedImageException($"it does not decode ({start})");
            if (region.Top > 0 && !codec.SkipScanlines(region.Top))
                throw new DamagedImageException($"it ends before row {region.Top} of {size.Height}");
            var rows = codec.GetScanlines((nint)pixels, region.Height, stride);
            if (rows != region.Height)
                throw new DamagedImageException($"it ends at row {region.Top + rows} of {size.Height}");
        }
    }
}

/// <summary>An image file that cannot be used. The message goes on after the file's name.</summary>
internal sealed class DamagedImageException(string message) : Exception(message);
