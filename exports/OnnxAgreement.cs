using System.Runtime.InteropServices;
using Lathe.Contracts;
using Lathe.NN.Execution;
using Lathe.NN.Onnx;
using Microsoft.ML.OnnxRuntime;
using static TorchSharp.torch;

namespace Lathe.Exports;

/// <summary>Runs an ONNX model with ONNX Runtime and compares its logits with those of the network that it was made from.</summary>
internal static class OnnxAgreement
{
    /// <summary>Compares batch by batch. Batches may be of different sizes, since the model's first extent is free.</summary>
    /// <param name="model">The ONNX file's bytes.</param>
    /// <param name="network">What it was made from.</param>
    /// <param name="batches">Float32 [N, C, H, W]; each is disposed after use.</param>
    /// <param name="threads">CPU threads of ONNX Runtime's session.</param>
    /// <exception cref="LatheException">ONNX Runtime cannot load or run the model.</exception>
    public static LogitAgreement Measure(byte[] model, GraphModule network, IEnumerable<Tensor> batches, int threads)
    {
        try
        {
            using var options = new SessionOptions { IntraOpNumThreads = threads, InterOpNumThreads = 1, LogSeverityLevel = OrtLoggingLevel.ORT_LOGGING_LEVEL_ERROR };
            using var session = new InferenceSession(model, options);
            var agreement = LogitAgreement.None;
            foreach (var batch in batches)
            {
                using var images = batch;
                using var noGradient = no_grad();
                using var computed = network.Forward(images, training: false);
                using var expected = computed.cpu();
                agreement = agreement.And(Compare(session, images, expected));
            }

            return agreement;
        }
        catch (OnnxRuntimeException fault)
        {
            throw new LatheException($"ONNX Runtime cannot run the model of network '{network.Graph.Name}': {fault.Message}", inner: fault);
        }
    }

    private static LogitAgreement Compare(InferenceSession session, Tensor images, Tensor expected)
    {
        using var here = images.cpu();
        using var contiguous = here.contiguous();
        var values = MemoryMarshal.Cast<byte, float>(contiguous.bytes).ToArray();
        using var input = OrtValue.CreateTensorValueFromMemory(values, contiguous.shape);
        using var run = new RunOptions();
        using var outputs = session.Run(run, [OnnxExport.Input], [input], [OnnxExport.Logits]);
        var shape = outputs[0].GetTensorTypeAndShape().Shape;
        return shape.AsSpan().SequenceEqual(expected.shape)
            ? LogitAgreement.Of(expected, outputs[0].GetTensorDataAsSpan<float>())
            : throw new LatheException($"ONNX Runtime computed logits [{string.Join(", ", shape)}]; expected [{string.Join(", ", expected.shape)}]");
    }
}
