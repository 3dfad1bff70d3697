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

    [Theory]
    [InlineData("lenet5", 1, 28, 2, false)]
    [InlineData("lenet5", 1, 28, 2, true)]
    [InlineData("resnet20@0.25", 3, 16, 4, false)]
    [InlineData("resnet20@0.25", 3, 17, 4, false)]
    [InlineData("resnet20@0.25", 3, 16, 4, true)]
    [InlineData("mobilenetv2@0.2", 3, 32, 4, false)]
    [InlineData("mobilenetv2@0.2", 3, 32, 4, true)]
    public void LiteRT_computes_what_the_export_was_verified_with(string model, int channels, int side, int bits, bool isHalfBytes)
    {
        Assert.SkipUnless(File.Exists(Path.Combine(LiteRt, "installed.json")), "there is no LiteRT in artifacts/litert; ./test installs it where it can");
        Compare(model, channels, side, bits, isHalfBytes, TieRounding.LiteRt, (file, images, to) => Run("node", Path.Combine(Readers, "litert.mjs"), LiteRt, file, images, to));
    }

    /// <summary>Arm NN 20.08 fills a PAD with the number 0 and not with the zero point, so these networks need none.</summary>
    [Theory]
    [InlineData("lenet5", 1, 28, 2)]
    public void Arm_NN_computes_what_the_export_was_verified_with(string model, int channels, int side, int bits)
    {
        Assert.SkipUnless(Directory.Exists("/usr/lib/python3/dist-packages/pyarmnn"), "python3-pyarmnn is missing; ./test installs it where it may");
        Compare(model, channels, side, bits, isHalfBytes: false, TieRounding.Up, (file, images, to) => Run("/usr/bin/python3", Path.Combine(Readers, "armnn.py"), file, images, to));
    }

    private static void Compare(string model, int channels, int side, int bits, bool isHalfBytes, TieRounding ties, Action<string, string, string> run)
    {
        using var network = QuantizedNetwork.Of(Zoo.Build(model, new TensorShape(channels, side, side), 10), 1, bits, evenly: true);
        RoundingTies.Avoid(network.Graph, network.Tensors, network.Formats);
        var compiled = network.Compile();
        var bytes = new byte[Images * compiled.Tensors[compiled.Input].Length];
        new Random(1).NextBytes(bytes);
        var folder = Directory.CreateTempSubdirectory("lathe-tflite-test-").FullName;
        try
        {
            var (file, images, to) = (Path.Combine(folder, "net.tflite"), Path.Combine(folder, "images"), Path.Combine(folder, "logits"));
            var written = TfLiteConversion.Of(compiled, isHalfBytes, model, NoMetadata);
            File.WriteAllBytes(file, written.Content);
            // The engine's bytes are the file's numbers + 128.
            File.WriteAllBytes(images, Array.ConvertAll(bytes, value => (byte)(value ^ 0x80)));
            run(file, images, to);
            var logits = MemoryMarshal.Cast<byte, float>(File.ReadAllBytes(to)).ToArray();
            var (engine, verified) = (Logits(compiled, bytes), Logits(TfLiteReading.Read(written.Content, ties), bytes));
            Assert.Equal(engine.Length, logits.Length);
            var of = (Engine: Difference.Of(engine, logits, compiled.Classes), Verified: Difference.Of(verified, logits, compiled.Classes));
            TestContext.Current.TestOutputHelper?.WriteLine(
                $"{model}, {side} pixels, {bits} bits{(isHalfBytes ? ", INT4" : "")}: {written.Content.Length} bytes; the engine: {of.Engine}; the file read back: {of.Verified}; greatest {engine.Max(Math.Abs):0.###}");
            Assert.Equal(Images, of.Verified.ToTheBit);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static float[] Logits(FixedPointNetwork network, byte[] bytes)
    {
        using var engine = new FixedPointEngine(network);
        var logits = new int[Images * network.Classes];
        engine.Run(bytes, logits);
        return Array.ConvertAll(logits, logit => MathF.ScaleB(logit, -network.LogitFraction));
    }

    /// <summary>How two programs' logits differ.</summary>
    private sealed record Difference(int SameClass, int ToTheBit, double Largest)
    {
        public static Difference Of(float[] left, float[] right, int classes)
        {
            var (same, bits) = (0, 0);
            for (var i = 0; i < left.Length; i += classes)
            {
                ReadOnlySpan<float> own = left.AsSpan(i, classes), other = right.AsSpan(i, classes);
                if (own.SequenceEqual(other)) bits++;
                if (own.IndexOf(Greatest(own)) == other.IndexOf(Greatest(other))) same++;
            }

            return new Difference(same, bits, left.Zip(right, (l, r) => Math.Abs(l - r)).Max());
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
