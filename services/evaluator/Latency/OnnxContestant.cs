using Lathe.Graph;
using Lathe.NN.Onnx;
using Microsoft.ML.OnnxRuntime;

namespace Lathe.Evaluator.Latency;

/// <summary>A network in ONNX Runtime, with a batch of images ready to be run through it again and again.</summary>
internal sealed class OnnxContestant : IDisposable
{
    private readonly InferenceSession _session;
    private readonly OrtValue _input;
    private readonly OrtValue _output;
    private readonly RunOptions _options = new();

    /// <param name="model">The ONNX file's bytes.</param>
    /// <param name="input">Shape of an image.</param>
    /// <param name="classes">Number of logits.</param>
    /// <param name="batch">Images in a run.</param>
    /// <param name="threads">CPU threads.</param>
    public OnnxContestant(byte[] model, TensorShape input, int classes, int batch, int threads)
    {
        _session = OnnxSession.Open(model, threads);
        _input = OrtValue.CreateTensorValueFromMemory(
            LatencyImages.Of(input, batch), [batch, input.Channels, input.Height, input.Width]);
        _output = OrtValue.CreateTensorValueFromMemory(new float[batch * classes], [batch, classes]);
    }

    /// <summary>Runs the batch once, into memory that is there already.</summary>
    public void Run() => _session.Run(_options, [OnnxExport.Input], [_input], [OnnxExport.Logits], [_output]);

    public void Dispose()
    {
        _options.Dispose();
        _output.Dispose();
        _input.Dispose();
        _session.Dispose();
    }
}
