using System.Buffers.Binary;
using System.IO.Compression;
using System.Text;
using Lathe.Graph;
using Lathe.NN.Data;
using Lathe.NN.Weights;
using SkiaSharp;
using static TorchSharp.torch;
using static Lathe.NN.Tests.Data.Photographs;

namespace Lathe.NN.Tests.Fuzzing;

/// <summary>Weights and images from elsewhere, damaged where a checksum or a header does not give the damage away.</summary>
public sealed class Hostile_files : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("lathe-test-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void PyTorch_archives_with_sound_checksums_are_read_or_refused()
    {
        var parts = new Dictionary<string, byte[]>();
        using (var zip = ZipFile.OpenRead(Path.Combine(AppContext.BaseDirectory, "Weights", "fixtures", "tiny.pth")))
        {
            foreach (var entry in zip.Entries)
            {
                using var stream = entry.Open();
                using var buffer = new MemoryStream();
                stream.CopyTo(buffer);
                parts.Add(entry.FullName, buffer.ToArray());
            }
        }

        var pickle = parts.Keys.Single(name => name.EndsWith("data.pkl", StringComparison.Ordinal));
        var fuzz = new Fuzz("hostile.pth", bytesOfByte: 256);
        var random = new Random(3);
        for (var i = 0; i < 3000; i++)
        {
            var changed = new Dictionary<string, byte[]>(parts) { [pickle] = Fuzz.Damaged(parts[pickle], random) };
            if (random.Next(4) == 0)
            {
                var other = parts.Keys.ElementAt(random.Next(parts.Count));
                changed[other] = Fuzz.Damaged([.. changed[other], .. new byte[9]], random);
            }

            Try(fuzz, [.. changed.Select(p => (p.Key, p.Value))]);
        }

        Assert.Equal(3000, fuzz.Tried);
        Assert.InRange(fuzz.Refused, 1500, 2990);
    }

    public static TheoryData<string, string> Archives => new()
    {
        // A dictionary that holds itself as its state_dict: }q\x00 X state_dict h\x00 s
        { "itself", "holds dictionaries within dictionaries" },
        { "two pickles", "holds 2 files data.pkl" },
        { "steps of 0", "take more than" },
        { "no values and huge extents", "take more than" },
        { "unknown storage", "is of type torch._utils._rebuild_parameter" },
        { "bomb", "take more than" },
    };

    [Theory]
    [MemberData(nameof(Archives))]
    public void PyTorch_archives_that_ask_for_more_than_they_hold_are_refused(string what, string message)
    {
        const string Storage = "(X\u0007\0\0\0storagectorch\nFloatStorage\nX\u0001\0\0\00X\u0003\0\0\0cpuK\u0001tQ";
        string Tensor(string sizes, string steps, string storage = Storage) =>
            $"}}X\u0001\0\0\0wctorch._utils\n_rebuild_tensor_v2\n({storage}K\0({sizes}t({steps}t\u0089NtRs.";
        var text = what switch
        {
            "itself" => "}q\0X\u000a\0\0\0state_dicth\0s.",
            "steps of 0" => Tensor("J\0\0\u0001\0J\0\0\u0001\0", "K\0K\0"),
            "no values and huge extents" => Tensor("K\0J\u00ff\u00ff\u00ff\u007fJ\u00ff\u00ff\u00ff\u007f", "K\u0001K\u0001K\u0001"),
            "unknown storage" => Tensor("K\u0001", "K\u0001", Storage.Replace("ctorch\nFloatStorage\n", "ctorch._utils\n_rebuild_parameter\n", StringComparison.Ordinal)),
            _ => "}.",
        };
        var bytes = Encoding.Latin1.GetBytes(text);
        List<(string, byte[])> parts = [("net/data.pkl", bytes), ("net/data/0", new byte[4])];
        if (what == "two pickles") parts.Add(("other/data.pkl", bytes));
        if (what == "bomb") parts[0] = ("net/data.pkl", new byte[80_000_000]);
        var fuzz = new Fuzz("hostile.pth", bytesOfByte: what == "bomb" ? 2000 : 64);
        Assert.Contains(message, Try(fuzz, parts));
    }

    [Fact]
    public void Safetensors_and_IDX_files_are_read_or_refused()
    {
        var random = new Random(4);
        var weights = new MemoryStream();
        using (var scope = NewDisposeScope())
            Lathe.NN.Checkpoints.SafeTensorsFile.Write(weights, new Dictionary<string, Tensor> { ["w"] = ones(2, 3), ["flag"] = ones(3, dtype: ScalarType.Bool) }, new Dictionary<string, string> { ["a"] = "b" });
        var tensors = new Fuzz("hostile.safetensors");
        for (var i = 0; i < 3000; i++)
        {
            // A length that fits, so that what is wrong is found behind it.
            var bytes = Fuzz.Damaged(weights.ToArray(), random);
            if (i % 2 == 0 && bytes.Length >= 8) BinaryPrimitives.WriteInt64LittleEndian(bytes, Math.Max(0, bytes.Length - 8 - 27));
            var file = bytes;
            tensors.Try(file.Length, () => Lathe.NN.Checkpoints.SafeTensorsFile.Read(new MemoryStream(file), "hostile.safetensors").Dispose());
        }

        var idx = new Fuzz(_folder);
        var (images, labels) = (Idx(0x803, 20, 20 * 784, 28, 28), Idx(0x801, 20, 20));
        for (var i = 0; i < 3000; i++)
        {
            var isPacked = i % 3 == 0;
            var changed = random.Next(2);
            var (first, second) = (changed == 0 ? Hurt(images, 16) : images, changed == 1 ? Hurt(labels, 8) : labels);
            File.WriteAllBytes(Path.Combine(_folder, "labels"), second);
            if (!isPacked) File.WriteAllBytes(Path.Combine(_folder, "images"), first);
            else File.WriteAllBytes(Path.Combine(_folder, "images.gz"), i % 2 == 0 ? Pack(first) : Fuzz.Damaged(Pack(first), random));
            idx.Try(first.Length + second.Length, () => IdxFiles.Read(_folder, "images", "labels", new TensorShape(1, 28, 28), 10));
            File.Delete(Path.Combine(_folder, "images"));
            File.Delete(Path.Combine(_folder, "images.gz"));
        }

        Assert.Equal((3000, 3000), (tensors.Tried, idx.Tried));
        Assert.InRange(tensors.Refused, 1500, 2990);
        Assert.InRange(idx.Refused, 1500, 2990);

        byte[] Hurt(byte[] sound, int header)
        {
            if (random.Next(2) == 0) return Fuzz.Damaged(sound, random);
            var bytes = (byte[])sound.Clone();
            BinaryPrimitives.WriteInt32BigEndian(bytes.AsSpan(4 * random.Next(header / 4)), (int)Fuzz.Hostile(random));
            return bytes;
        }
    }

    [Fact]
    public void Images_whose_headers_lie_are_decoded_or_refused()
    {
        using var small = Gradient(64, 48, 7);
        byte[][] sound = [Jpeg(96, 64, 5), Encode(small, SKEncodedImageFormat.Png)];
        var fuzz = new Fuzz("hostile", bytesOfByte: 8 * 1032 * 4);
        var decoder = new ImageDecoder();
        var output = new byte[3 * 32 * 32];
        var random = new Random(5);
        for (var i = 0; i < 2500; i++)
        {
            var isPng = random.Next(2) == 0;
            var file = (byte[])sound[isPng ? 1 : 0].Clone();
            if (random.Next(2) == 0)
            {
                var (width, height) = ((int)Fuzz.Hostile(random), (int)Fuzz.Hostile(random));
                if (isPng) Claim(file, width, height);
                else ClaimJpeg(file, (ushort)width, (ushort)height);
            }

            if (random.Next(2) == 0) file = Fuzz.Damaged(file, random);
            fuzz.Try(file.Length, () => decoder.Decode(file, (width, height) => CropBox.Centre(width, height, 32, 32), output, 32, 32));
        }

        Assert.Equal(2500, fuzz.Tried);
        Assert.InRange(fuzz.Refused, 800, 2490);
    }

    [Fact]
    public void A_small_image_that_claims_a_quarter_of_a_billion_pixels_takes_no_memory()
    {
        using var small = Gradient(64, 48, 7);
        var file = Encode(small, SKEncodedImageFormat.Png);
        Claim(file, 16_384, 16_384);
        var fuzz = new Fuzz("hostile", bytesOfByte: 0);
        Assert.Equal("hostile: it claims to be 16384 x 16384 pixels", fuzz.Try(file.Length, () =>
            new ImageDecoder().Decode(file, (width, height) => CropBox.Centre(width, height, 32, 32), new byte[3 * 32 * 32], 32, 32)));
    }

    /// <summary>Another size in a PNG's first chunk, with the right checksum.</summary>
    private static void Claim(byte[] png, int width, int height)
    {
        BinaryPrimitives.WriteInt32BigEndian(png.AsSpan(16), width);
        BinaryPrimitives.WriteInt32BigEndian(png.AsSpan(20), height);
        BinaryPrimitives.WriteUInt32BigEndian(png.AsSpan(29), Crc(png.AsSpan(12, 17)));
    }

    private static uint Crc(ReadOnlySpan<byte> bytes)
    {
        var crc = ~0u;
        foreach (var b in bytes)
        {
            crc ^= b;
            for (var bit = 0; bit < 8; bit++) crc = (crc >> 1) ^ (0xEDB88320 & (0 - (crc & 1)));
        }

        return ~crc;
    }

    private static void ClaimJpeg(byte[] jpeg, ushort width, ushort height)
    {
        // Start of frame: FF C0, length, precision, height, width.
        var frame = jpeg.AsSpan().IndexOf((ReadOnlySpan<byte>)[0xFF, 0xC0]);
        BinaryPrimitives.WriteUInt16BigEndian(jpeg.AsSpan(frame + 5), height);
        BinaryPrimitives.WriteUInt16BigEndian(jpeg.AsSpan(frame + 7), width);
    }

    private string? Try(Fuzz fuzz, IReadOnlyList<(string Name, byte[] Bytes)> parts)
    {
        var path = Path.Combine(_folder, "hostile.pth");
        File.Delete(path);
        using (var zip = ZipFile.Open(path, ZipArchiveMode.Create))
        {
            foreach (var (name, bytes) in parts)
            {
                using var stream = zip.CreateEntry(name, bytes.Length > 1_000_000 ? CompressionLevel.Fastest : CompressionLevel.NoCompression).Open();
                stream.Write(bytes);
            }
        }

        return fuzz.Try(new FileInfo(path).Length, () =>
        {
            using var scope = NewDisposeScope();
            TorchArchive.Read(path);
        });
    }

    private static byte[] Idx(int magic, int count, int bytes, params int[] extents)
    {
        int[] fields = [magic, count, .. extents];
        var file = new byte[(4 * fields.Length) + bytes];
        for (var i = 0; i < fields.Length; i++) BinaryPrimitives.WriteInt32BigEndian(file.AsSpan(4 * i), fields[i]);
        return file;
    }

    private static byte[] Pack(byte[] bytes)
    {
        using var packed = new MemoryStream();
        using (var gzip = new GZipStream(packed, CompressionLevel.Fastest)) gzip.Write(bytes);
        return packed.ToArray();
    }
}
