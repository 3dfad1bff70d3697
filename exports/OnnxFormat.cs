using Lathe.Contracts;
using Lathe.Graph;
using Lathe.NN.Onnx;
using Lathe.Reports;

namespace Lathe.Exports;

/// <summary>An ONNX model in float32.</summary>
internal static class OnnxFormat
{
    public static ExportFormat Format { get; } = new("onnx", ".onnx", "ONNX model in float32, with fixed-point weights as the numbers that they stand for", Make);

    private static Exported Make(ExportJob job)
    {
        using var to = new MemoryStream();
        OnnxExport.Write(to, job.Checkpoint.Graph, job.Checkpoint.Tensors, job.Metadata());
        var model = to.ToArray();
        using var network = job.Network();
        var agreement = OnnxAgreement.Measure(model, network, job.Images.Batches(), job.Threads);
        var text = AgreementText.Of(agreement, job);
        // With rounded activations, a sum near a tie may round either way.
        if (job.Checkpoint.Graph.Nodes.Any(node => node is Quantize))
        {
            AgreementText.CheckQuantized(agreement, text, job);
        }
        else if (!agreement.Holds)
        {
            throw new LatheException(
                $"--out {job.Out}: not written, because ONNX Runtime computes other logits than the checkpoint ({text}); expected a difference of at most "
                + $"{LogitAgreement.Tolerance} of the largest logit");
        }

        return new Exported(
            [new ExportedFile(job.Out, model)],
            [$"{job.Out}: {job.Checkpoint.Graph.Name} as ONNX (operator set {OnnxExport.OperatorSet}), {Figures.Size(model.Length)}", $"agrees with the checkpoint: {text}"]);
    }
}
