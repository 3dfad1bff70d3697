using System.Runtime.InteropServices;
using Lathe.Contracts;
using Lathe.Graph.Onnx;
using Lathe.NN.Execution;
using Lathe.NN.Onnx;
using Lathe.NN.Runtime;
using Microsoft.ML.OnnxRuntime;
using static TorchSharp.torch;

namespace Lathe.Cli.Data;

/// <summary>Compares an imported network with what ONNX Runtime computes from the same file, so that a network that was misread is never trained.</summary>
internal static class ImportCheck
{
    private const double Tolerance = 1e-3;
    private const int Images = 2;

    /// <summary>Runs a few images of noise through both. A file that ONNX Runtime cannot run is not compared.</summary>
    /// <param name="network">What was imported.</param>
    /// <param name="path">The file.</param>
    /// <param name="written">What the user calls it.</param>
    /// <exception cref="LatheException">The logits differ.</exception>
    public static void Compare(ImportedNetwork network, string path, string written)
    {
        if (Output(network, path) is not { } pair) return;
        var (own, expected) = pair;
        var largest = expected.Max(Math.Abs);
        var difference = own.Length == expected.Length ? own.Zip(expected, (a, b) => Math.Abs((double)a - b)).Max() : double.PositiveInfinity;
        if (difference <= Tolerance * Math.Max(largest, 1e-3)) return;
        throw new LatheException(
            $"{written} was imported, but computes other logits than ONNX Runtime does from the file: they differ by {difference:g3}, and the largest is {largest:g3}. "
            + "It is not used. This is a fault of the import; please report it with the file");
    }

    private static (float[] Own, float[] Expected)? Output(ImportedNetwork network, string path)
    {
        try
        {
            using var options = new SessionOptions { IntraOpNumThreads = 1, InterOpNumThreads = 1, LogSeverityLevel = OrtLoggingLevel.ORT_LOGGING_LEVEL_FATAL };
            using var session = new InferenceSession(path, options);
            var input = session.InputMetadata[session.InputNames[0]];
            if (input.ElementType != typeof(float)) return null;
            long[] shape = [.. input.Dimensions.Select((extent, i) => (long)(extent > 0 ? extent : i == 0 ? Images : 1))];
            var image = network.Graph.Input;
            Libtorch.EnsureLoaded();
            using var scope = NewDisposeScope();
            var values = randn([shape[0], image.Channels, image.Height, image.Width], generator: new Generator(1));
            var usual = values.contiguous().data<float>().ToArray();
            // As Keras has images: [N, H, W, C], or sequences [N, W, C].
            var isLast = network.IsChannelsLast;
            using var theirs = isLast ? values.permute(0, 2, 3, 1).contiguous() : values.contiguous();
            var numbers = MemoryMarshal.Cast<byte, float>(theirs.bytes).ToArray();
            using var x = OrtValue.CreateTensorValueFromMemory(numbers, shape);
            using var run = new RunOptions();
            using var outputs = session.Run(run, [session.InputNames[0]], [x], [session.OutputNames[0]]);
            var expected = outputs[0].GetTensorDataAsSpan<float>().ToArray();
            using var checkpoint = network.ToCheckpoint();
            using var module = GraphModule.FromTensors(network.Graph, checkpoint.Tensors);
            var logits = module.Forward(image.IsFlat ? values.reshape(shape[0], image.Channels) : values, training: false);
            logits = network.WithEnd(logits);
            return (logits.detach().contiguous().data<float>().ToArray(), expected);
        }
        catch (OnnxRuntimeException)
        {
            return null;
        }
    }
}
