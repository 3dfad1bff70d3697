using Lathe.Contracts;
using Lathe.NN.Onnx;

namespace Lathe.Exports;

/// <summary>A QONNX model: floats that nodes IntQuant round.</summary>
internal static class QonnxFormat
{
    public static ExportFormat Format { get; } = new(
        "qonnx", ".onnx", "QONNX model (IntQuant) for FINN, hls4ml and other tools of hardware; weights and activations of N bits", Make)
    {
        Needs = new ExportNeeds(WholeWeights: true, WholeActivations: false, "quantize.bits=4"),
    };

    private static Exported Make(ExportJob job) => OnnxFormat.Verified(job, "QONNX", to => OnnxExport.WriteQonnx(to, job.Checkpoint, job.Metadata()));
}
