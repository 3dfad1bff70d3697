using System.Diagnostics;
using System.Runtime.InteropServices;
using Lathe.Exports.TfLite;
using Lathe.Graph;
using Lathe.Graph.Models;
using Lathe.NN.FixedPoint;
using Lathe.NN.Runtime;
using Lathe.NN.Tests.FixedPoint;
using Lathe.Testing;

namespace Lathe.Cli.Tests.Exports;

/// <summary>
/// Two programs that share no code with Lathe or with one another run exported TFLite files: LiteRT (TensorFlow Lite) with its XNNPACK kernels, and Arm NN's
/// reference backend, which computes in floats.
/// </summary>
public sealed class Running_TFLite_elsewhere
{
    private const int Images = 1000;

    private static readonly IReadOnlyDictionary<string, string> NoMetadata = new Dictionary<string, string>();
    private static readonly string Readers = Path.Combine(Checkout.Root, "tests", "tflite-readers");
    private static readonly string LiteRt = Path.Combine(Checkout.Root, "artifacts", "litert");

    public Running_TFLite_elsewhere() => TorchRuntime.Configure(1);

    public static TheoryData<string, int, int, int, bool> Networks => new()
    {
        { "lenet5", 1, 28, 2, false },
        { "lenet5", 1, 28, 2, true },
        { "resnet20@0.25", 3, 16, 4, false },
        { "resnet20@0.25", 3, 16, 4, true },
        { "mobilenetv2@0.2", 3, 32, 4, false },
        { "mobilenetv2@0.2", 3, 32, 4, true },
    };

    [Theory]
    [MemberData(nameof(Networks))]
    public void LiteRT_takes_images_for_the_classes_of_the_engine(string model, int channels, int side, int bits, bool isHalfBytes)
    {
        Assert.SkipUnless(File.Exists(Path.Combine(LiteRt, "installed.json")), "there is no LiteRT in artifacts/litert; ./test installs it where it can");
        var missed = Compare(model, channels, side, bits, isHalfBytes, isUnpacked: false, (file, images, to) => Run("node", Path.Combine(Readers, "litert.mjs"), LiteRt, file, images, to));
        Assert.InRange(missed, 0, 1);
    }

    [Theory]
    [MemberData(nameof(Networks))]
    public void Arm_NN_takes_images_for_the_classes_of_the_engine(string model, int channels, int side, int bits, bool isHalfBytes)
    {
        Assert.SkipUnless(Directory.Exists("/usr/lib/python3/dist-packages/pyarmnn"), "python3-pyarmnn is missing; ./test installs it where it may");
        var missed = Compare(model, channels, side, bits, isHalfBytes, isUnpacked: true, (file, images, to) => Run("/usr/bin/python3", Path.Combine(Readers, "armnn.py"), file, images, to));
        Assert.InRange(missed, 0, 1);
    }

    /// <summary>Images that the other program takes for another class.</summary>
    private static int Compare(string model, int channels, int side, int bits, bool isHalfBytes, bool isUnpacked, Action<string, string, string> run)
    {
        using var network = QuantizedNetwork.Of(Zoo.Build(model, new TensorShape(channels, side, side), 10), 1, bits, evenly: true);
        RoundingTies.Avoid(network.Graph, network.Tensors, network.Formats);
        var compiled = network.Compile();
        var bytes = new byte[Images * compiled.Tensors[compiled.Input].Length];
        new Random(1).NextBytes(bytes);
        using var engine = new FixedPointEngine(compiled);
        var expected = new int[Images * compiled.Classes];
        engine.Run(bytes, expected);

        var folder = Directory.CreateTempSubdirectory("lathe-tflite-test-").FullName;
        try
        {
            var (file, images, to) = (Path.Combine(folder, "net.tflite"), Path.Combine(folder, "images"), Path.Combine(folder, "logits"));
            var written = TfLiteConversion.Of(compiled, isHalfBytes, model, NoMetadata, isUnpacked);
            File.WriteAllBytes(file, written.Content);
            // The engine's bytes are the file's numbers + 128.
            File.WriteAllBytes(images, Array.ConvertAll(bytes, value => (byte)(value ^ 0x80)));
            run(file, images, to);
            var logits = MemoryMarshal.Cast<byte, float>(File.ReadAllBytes(to)).ToArray();
            Assert.Equal(expected.Length, logits.Length);
            var own = Array.ConvertAll(expected, logit => MathF.ScaleB(logit, -compiled.LogitFraction));
            var (missed, same, largest) = (0, 0, 0.0);
            for (var image = 0; image < Images; image++)
            {
                var left = own.AsSpan(image * compiled.Classes, compiled.Classes);
                var right = logits.AsSpan(image * compiled.Classes, compiled.Classes);
                if (left.SequenceEqual(right)) same++;
                if (left.IndexOf(Greatest(left)) != right.IndexOf(Greatest(right))) missed++;
                for (var c = 0; c < compiled.Classes; c++) largest = Math.Max(largest, Math.Abs(left[c] - right[c]));
            }

            TestContext.Current.TestOutputHelper?.WriteLine(
                $"{model}, {bits} bits{(isHalfBytes ? ", INT4" : "")}: {written.Content.Length} bytes; of {Images} images {Images - missed} of the same class, {same} to the bit; logits differ by at most {largest:0.###} of {own.Max(Math.Abs):0.###}");
            return missed;
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static float Greatest(ReadOnlySpan<float> values)
    {
        var greatest = values[0];
        foreach (var value in values) greatest = Math.Max(greatest, value);
        return greatest;
    }

    private static void Run(string program, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        var (said, errors) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        process.WaitForExit();
        Assert.True(process.ExitCode == 0, $"{program}: {said.Result}{errors.Result}");
    }
}
