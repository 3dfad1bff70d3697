using Lathe.Contracts;
using Lathe.Graph;
using Lathe.NN.Onnx;
using Lathe.Reports;

namespace Lathe.Exports;

/// <summary>A QONNX model: floats that nodes IntQuant round.</summary>
internal static class QonnxFormat
{
    public static ExportFormat Format { get; } = new(
        "qonnx", ".onnx", "QONNX model (IntQuant) for FINN, hls4ml and other tools of hardware; weights and activations of N bits", Make)
    {
        Needs = new ExportNeeds(WholeWeights: true, WholeActivations: false, "quantize.bits=4"),
    };

    private static Exported Make(ExportJob job)
    {
        using var to = new MemoryStream();
        OnnxExport.WriteQonnx(to, job.Checkpoint, job.Metadata());
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
            [$"{job.Out}: {job.Checkpoint.Graph.Name} as QONNX (operator set {OnnxExport.OperatorSet}), {Figures.Size(model.Length)}", $"agrees with the checkpoint: {text}"]);
    }
}
