using Microsoft.ML.OnnxRuntime;

namespace Lathe.Evaluator.Latency;

/// <summary>Opens models with ONNX Runtime, all with the same settings.</summary>
internal static class OnnxSession
{
    /// <summary>Opens a model for the CPU. Its threads do not spin between runs, so that what runs in turn with it has the processor to itself.</summary>
    /// <param name="model">The file's bytes.</param>
    /// <param name="threads">CPU threads of one operation.</param>
    /// <exception cref="OnnxRuntimeException">ONNX Runtime cannot load it.</exception>
    public static InferenceSession Open(byte[] model, int threads)
    {
        using var options = new SessionOptions
        {
            IntraOpNumThreads = threads,
            InterOpNumThreads = 1,
            ExecutionMode = ExecutionMode.ORT_SEQUENTIAL,
            LogSeverityLevel = OrtLoggingLevel.ORT_LOGGING_LEVEL_ERROR,
        };
        options.AddSessionConfigEntry("session.force_spinning_stop", "1");
        return new InferenceSession(model, options);
    }
}
