using System.Diagnostics;
using Lathe.NN.Data;
using Lathe.NN.Runtime;
using NetVips;

namespace Lathe.Benchmarks;

/// <summary>
/// Photographs to float32 [3, 224, 224] by decoding, random resized crop, flip and normalization: as Lathe loads them and with libvips, in
/// turns, each on one thread. Prints user CPU time, which other processes disturb less than the clock.
/// </summary>
internal static class PhotographLoading
{
    private const int Side = 224;

    /// <summary>
    /// <c>photographs FOLDER [ROUNDS]</c> measures a data set's training images; <c>photographs FOLDER --enlarge OUT [COUNT]</c> writes
    /// some of them at four times their size.
    /// </summary>
    public static void Run(string[] args)
    {
        var folder = args.Length > 1 ? args[1] : Environment.GetEnvironmentVariable("LATHE_DATA")
            ?? throw new InvalidOperationException("Name the folder that holds train/ and val/, or set LATHE_DATA.");
        if (args is [_, _, "--enlarge", var target, ..])
            Enlarge(folder, target, args.Length > 4 ? int.Parse(args[4]) : 160);
        else
            Measure(folder, args.Length > 2 ? int.Parse(args[2]) : 5);
    }

    private static void Measure(string folder, int rounds)
    {
        TorchRuntime.Configure(1);
        NetVips.NetVips.Concurrency = 1;
        Cache.Max = 0;
        var data = DataSets.Open("photographs", folder, new ImageOptions(Side));
        var files = Files(folder);
        Console.WriteLine($"{files.Length} files of {files.Average(file => new FileInfo(file).Length):f0} bytes on average");
        for (var round = 0; round <= rounds; round++)
        {
            var (lathe, vips) = (Time(() => Lathe(data, round), files.Length), Time(() => Vips(files, round), files.Length));
            // The first round compiles.
            if (round > 0)
                Console.WriteLine($"round {round}: lathe {lathe:f3} ms = {1000 / lathe:f0} images/s, libvips {vips:f3} ms = {1000 / vips:f0} images/s");
        }
    }

    private static double Time(Action work, int images)
    {
        using var process = Process.GetCurrentProcess();
        var before = process.UserProcessorTime;
        work();
        process.Refresh();
        return (process.UserProcessorTime - before).TotalMilliseconds / images;
    }

    private static void Lathe(DataSet data, int epoch)
    {
        foreach (var batch in new BatchLoader(data.Train, 32, seed: 1, data.UsualAugmentation, tasks: 1).Epoch(epoch))
            batch.Dispose();
    }

    private static void Vips(string[] files, int epoch)
    {
        var output = new float[3 * Side * Side];
        for (var i = 0; i < files.Length; i++)
        {
            var random = CounterRandom.For(1, "vips", epoch, i);
            var bytes = File.ReadAllBytes(files[i]);
            using var whole = Image.JpegloadBuffer(bytes, access: Enums.Access.Sequential);
            var area = whole.Width * whole.Height * (0.08 + (0.92 * random.Uniform(0)));
            var aspect = Math.Exp(Math.Log(0.75) + (Math.Log(16.0 / 9) * random.Uniform(1)));
            var width = (int)Math.Clamp(Math.Sqrt(area * aspect), 1, whole.Width);
            var height = (int)Math.Clamp(Math.Sqrt(area / aspect), 1, whole.Height);
            var (left, top) = (random.Below(2, whole.Width - width + 1), random.Below(3, whole.Height - height + 1));
            var shrink = new[] { 8, 4, 2, 1 }.First(s => s == 1 || (width >= s * Side && height >= s * Side));
            using var image = Image.JpegloadBuffer(bytes, shrink: shrink, access: Enums.Access.Sequential);
            using var crop = image.Crop(left / shrink, top / shrink, Math.Min(image.Width - (left / shrink), width / shrink), Math.Min(image.Height - (top / shrink), height / shrink));
            using var resized = crop.Resize((double)Side / crop.Width, kernel: Enums.Kernel.Linear, vscale: (double)Side / crop.Height);
            using var colour = resized.Bands == 1 ? resized.Bandjoin(resized, resized) : resized.Copy();
            Planes(colour.WriteToMemory<byte>(), output, random.Below(4, 2) == 1);
        }
    }

    private static void Planes(ReadOnlySpan<byte> pixels, Span<float> output, bool isFlipped)
    {
        ReadOnlySpan<float> mean = [0.485f, 0.456f, 0.406f];
        ReadOnlySpan<float> deviation = [0.229f, 0.224f, 0.225f];
        for (var channel = 0; channel < 3; channel++)
        {
            var (scale, offset) = (1 / (255 * deviation[channel]), mean[channel] / deviation[channel]);
            var plane = output.Slice(channel * Side * Side, Side * Side);
            for (var i = 0; i < plane.Length && (3 * i) + channel < pixels.Length; i++)
                plane[isFlipped ? i - (i % Side) + Side - 1 - (i % Side) : i] = (pixels[(3 * i) + channel] * scale) - offset;
        }
    }

    private static void Enlarge(string folder, string target, int count)
    {
        var files = Files(folder);
        foreach (var file in Enumerable.Range(0, count).Select(i => files[(int)((long)i * files.Length / count)]))
        {
            using var image = Image.NewFromFile(file);
            using var large = image.Resize(4, kernel: Enums.Kernel.Cubic);
            foreach (var split in new[] { "train", "val" })
            {
                var output = Path.Combine(target, split, Path.GetFileName(Path.GetDirectoryName(file))!, Path.GetFileName(file));
                Directory.CreateDirectory(Path.GetDirectoryName(output)!);
                File.WriteAllBytes(output, large.JpegsaveBuffer(q: 90));
            }
        }
    }

    private static string[] Files(string folder) =>
        [.. Directory.EnumerateFiles(Path.Combine(folder, "train"), "*", SearchOption.AllDirectories).Order(StringComparer.Ordinal)];
}
