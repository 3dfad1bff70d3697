using Lathe.Contracts;
using Lathe.Graph;
using Lathe.NN.Onnx;
using Lathe.Reports;

namespace Lathe.Exports;

/// <summary>An ONNX model in float32.</summary>
internal static class OnnxFormat
{
    public static ExportFormat Format { get; } = new("onnx", ".onnx", "ONNX model in float32, with fixed-point weights as the numbers that they stand for", Make);

    private static Exported Make(ExportJob job) => Verified(job, "ONNX", to => OnnxExport.Write(to, job.Checkpoint.Graph, job.Checkpoint.Tensors, job.Metadata()));

    /// <summary>A model that ONNX Runtime computes as the checkpoint is computed.</summary>
    /// <param name="job">What to export.</param>
    /// <param name="kind">What people call the format.</param>
    /// <param name="write">Writes the model.</param>
    internal static Exported Verified(ExportJob job, string kind, Action<Stream> write)
    {
        using var to = new MemoryStream();
        write(to);
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
            [$"{job.Out}: {job.Checkpoint.Graph.Name} as {kind} (operator set {OnnxExport.OperatorSet}), {Figures.Size(model.Length)}", $"agrees with the checkpoint: {text}"]);
    }
}
