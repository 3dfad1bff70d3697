using Lathe.Contracts;
using Lathe.Graph.Onnx;
using Lathe.Graph;
using Lathe.NN.Onnx;
using Lathe.Reports;

namespace Lathe.Exports;

/// <summary>An ONNX model of whole-number weights and 8-bit activations.</summary>
internal static class QuantizedOnnxFormat
{
    /// <summary>What in a sweep makes networks that compute on whole numbers.</summary>
    public const string Remedy = "quantize.activations=8";

    public static ExportFormat Format { get; } = new(
        "onnx-qdq", ".onnx", "ONNX model of whole-number weights and 8-bit activations (QuantizeLinear, DequantizeLinear), batch norm folded", Make)
    {
        Needs = new ExportNeeds(WholeWeights: false, WholeActivations: true, Remedy),
        WeightTypes = Enum.GetValues<OnnxWeightType>(),
        AboutWeights = "Type of the weights; runtimes compute on integers only with int8.",
    };

    private static Exported Make(ExportJob job)
    {
        if (!job.Checkpoint.Graph.Nodes.Any(node => node is Quantize))
        {
            throw new LatheException(
                $"--format {Format.Name}: the activations of {job.Checkpoint.Graph.Name} are floats; quantize them too (quantize: {{ activations: 8 }}), or use --format onnx");
        }

        var type = job.Weights ?? OnnxWeightType.Int8;
        using var to = new MemoryStream();
        OnnxExport.WriteQuantized(to, job.Checkpoint, type, job.Metadata());
        var model = to.ToArray();
        using var network = job.Network();
        var agreement = OnnxAgreement.Measure(model, network, job.Images.Batches(), job.Threads);
        var text = AgreementText.Of(agreement, job);
        AgreementText.CheckQuantized(agreement, text, job);
        return new Exported(
            [new ExportedFile(job.Out, model)],
            [
                $"{job.Out}: {job.Checkpoint.Graph.Name} as ONNX (operator set {OnnxExport.OperatorSetOf(type)}) with {type.ToString().ToUpperInvariant()} weights, {Figures.Size(model.Length)}",
                $"agrees with the checkpoint: {text}",
            ]);
    }
}
