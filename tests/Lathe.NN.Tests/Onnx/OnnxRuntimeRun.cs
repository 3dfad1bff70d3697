using Lathe.Graph;
using Lathe.Graph.Onnx;
using Lathe.NN.Execution;
using Lathe.NN.Onnx;
using Microsoft.ML.OnnxRuntime;
using static TorchSharp.torch;

namespace Lathe.NN.Tests.Onnx;

/// <summary>Runs a user's ONNX file with ONNX Runtime, and what Lathe imports from it beside it.</summary>
internal static class OnnxRuntimeRun
{
    /// <summary>The file's output for an input.</summary>
    public static float[] Output(byte[] model, float[] input, params long[] shape) => Output(options => new InferenceSession(model, options), input, shape);

    private static float[] Output(Func<SessionOptions, InferenceSession> open, float[] input, params long[] shape)
    {
        using var options = new SessionOptions
        {
            IntraOpNumThreads = 1,
            InterOpNumThreads = 1,
            GraphOptimizationLevel = GraphOptimizationLevel.ORT_DISABLE_ALL,
            LogSeverityLevel = OrtLoggingLevel.ORT_LOGGING_LEVEL_FATAL,
        };
        using var session = open(options);
        using var x = OrtValue.CreateTensorValueFromMemory(input, shape);
        using var run = new RunOptions();
        using var outputs = session.Run(run, [session.InputNames[0]], [x], [session.OutputNames[0]]);
        return outputs[0].GetTensorDataAsSpan<float>().ToArray();
    }

    /// <summary>Asserts that an imported network's logits are the file's.</summary>
    /// <param name="model">The file.</param>
    /// <param name="network">What was imported.</param>
    /// <param name="seed">Of the images.</param>
    /// <param name="shape">Of the file's input; with the channels last where <paramref name="isLast"/>.</param>
    /// <param name="isLast">The file's images are [N, H, W, C].</param>
    /// <param name="what">For the message.</param>
    /// <param name="transposed">The file's sequences are [N, W, C].</param>
    /// <param name="path">The file itself, where it has weights in others beside it.</param>
    public static void AssertEqual(byte[] model, ImportedNetwork network, int seed, long[] shape, bool isLast, string what, string? path = null, bool transposed = false)
    {
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        var images = randn(shape, generator: new Generator((ulong)seed));
        float[] values = [.. images.contiguous().data<float>()];
        var expected = path is null ? Output(model, values, shape) : Output(options => new InferenceSession(path, options), values, shape);
        var isTurned = isLast || transposed || network.IsChannelsLast;
        var read = !isTurned ? images : shape.Length == 4 ? images.permute(0, 3, 1, 2).contiguous() : images.permute(0, 2, 1).contiguous();
        using var module = GraphModule.FromTensors(network.Graph, network.ToCheckpoint().Tensors);
        var logits = module.Forward(read.reshape([shape[0], .. Extents(network.Graph.Input)]), training: false);
        // What the import leaves out at the end.
        logits = network.WithEnd(logits);
        var actual = logits.contiguous().data<float>().ToArray();
        Assert.Equal(expected.Length, actual.Length);
        var largest = expected.Max(Math.Abs);
        var difference = expected.Zip(actual, (a, b) => Math.Abs(a - b)).Max();
        Assert.True(difference <= 1e-4 * Math.Max(largest, 1e-3), $"{what}: logits differ by {difference}, the largest is {largest}\n{GraphJson.Write(network.Graph)}");
    }

    private static long[] Extents(TensorShape shape) => shape.IsFlat ? [shape.Channels] : [shape.Channels, shape.Height, shape.Width];
}
