using System.Formats.Tar;
using SkiaSharp;

namespace Lathe.NN.Tests.Data;

/// <summary>A small set of photographs in a temporary folder: two classes, smooth colours that tell the images apart.</summary>
internal sealed class Photographs : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory();

    public string Root => _folder.FullName;

    public void Dispose() => _folder.Delete(recursive: true);

    /// <summary>Pixels of an image as they are before compression: a gradient each way, blue its own.</summary>
    public static SKBitmap Gradient(int width, int height, int blue)
    {
        var bitmap = new SKBitmap(new SKImageInfo(width, height, SKColorType.Rgba8888, SKAlphaType.Unpremul));
        for (var y = 0; y < height; y++)
        {
            for (var x = 0; x < width; x++)
                bitmap.SetPixel(x, y, new SKColor((byte)(255 * x / width), (byte)(255 * y / height), (byte)blue));
        }

        return bitmap;
    }

    public static byte[] Encode(SKBitmap bitmap, SKEncodedImageFormat format = SKEncodedImageFormat.Jpeg, int quality = 95)
    {
        using var data = bitmap.Encode(format, quality);
        return data.ToArray();
    }

    public static byte[] Jpeg(int width, int height, int blue)
    {
        using var bitmap = Gradient(width, height, blue);
        return Encode(bitmap);
    }

    /// <summary>Sixteen training and four validation images of two classes, of different sizes, as (path, bytes).</summary>
    public static List<(string Path, byte[] Bytes)> Sample()
    {
        var images = new List<(string, byte[])>();
        foreach (var (split, count) in new[] { ("train", 8), ("val", 2) })
        {
            foreach (var of in new[] { "cats", "dogs" })
            {
                for (var i = 0; i < count; i++)
                    images.Add(($"{split}/{of}/{Name(i)}.{(i % 3 == 0 ? "JPEG" : "jpg")}", Jpeg(40 + (7 * i), 60 - (3 * i), (i * 20) + (of == "cats" ? 0 : 10))));
            }
        }

        return images;

        // a comes before a-1, though a.JPEG comes behind a-1.jpg.
        static string Name(int i) => i == 0 ? "a" : i % 2 == 0 ? $"a{i}" : $"a-{i}";
    }

    public string Write(string name, IEnumerable<(string Path, byte[] Bytes)> files)
    {
        foreach (var (path, bytes) in files)
        {
            var file = System.IO.Path.Combine(Root, name, path);
            Directory.CreateDirectory(System.IO.Path.GetDirectoryName(file)!);
            File.WriteAllBytes(file, bytes);
        }

        return System.IO.Path.Combine(Root, name);
    }

    /// <summary>Members whose name ends in '/' are folders.</summary>
    public string WriteTar(string path, IEnumerable<(string Path, byte[] Bytes)> members)
    {
        var file = System.IO.Path.Combine(Root, path);
        Directory.CreateDirectory(System.IO.Path.GetDirectoryName(file)!);
        using var writer = new TarWriter(File.Create(file));
        foreach (var (name, bytes) in members)
        {
            writer.WriteEntry(name.EndsWith('/')
                ? new PaxTarEntry(TarEntryType.Directory, name)
                : new PaxTarEntry(TarEntryType.RegularFile, name) { DataStream = new MemoryStream(bytes) });
        }

        return file;
    }
}
