using System.Text;
using Lathe.Contracts;
using Lathe.NN.FixedPoint.C;
using Lathe.NN.FixedPoint;
using Lathe.Reports;

namespace Lathe.Exports;

/// <summary>Fixed-point inference as C.</summary>
internal static class CFormat
{
    public static ExportFormat Format { get; } = new("c", ".c", "C99 source and header of inference on whole numbers, without dependencies or heap", Make)
    {
        Needs = new ExportNeeds(WholeWeights: true, WholeActivations: true, QuantizedOnnxFormat.Remedy),
    };

    private static Exported Make(ExportJob job)
    {
        const string Extension = ".c";
        if (!job.Out.EndsWith(Extension, StringComparison.Ordinal))
            throw new LatheException($"--out {job.Out}: expected a name that ends in {Extension}; the header lies beside it");
        var checkpoint = job.Checkpoint;
        var network = FixedPointCompiler.Compile(checkpoint);
        var files = CExport.Write(network, CExport.NameFrom(job.Out), About(job), Path.GetFileNameWithoutExtension(job.Out) + ".h");
        var source = Encoding.UTF8.GetBytes(files.Source);
        var header = Path.Combine(Path.GetDirectoryName(job.Out) ?? "", files.HeaderName);
        var agreement = FixedPointAgreement.Measure(checkpoint, network, job.Images.Batches(), job.Threads);
        return new Exported(
            [new ExportedFile(header, Encoding.UTF8.GetBytes(files.Header)), new ExportedFile(job.Out, source)],
            [
                $"{job.Out}, {header}: {checkpoint.Graph.Name} in C99; {Figures.Size(files.ConstantBytes)} of constants, {Figures.Size(files.WorkspaceBytes)} of memory",
                $"on {agreement.Images} {job.Images.Kind}, whole numbers give the class that the checkpoint gives in floats for {agreement.SameTop1}",
            ]);
    }

    private static string About(ExportJob job)
    {
        var metadata = job.Metadata();
        var pixels = job.Images.Normalization is null ? "" : $"; pixels of 0 to 1 minus {metadata["lathe.mean"]}, divided by {metadata["lathe.standardDeviation"]}";
        return $"{job.Checkpoint.Graph.Name}, checkpoint {job.Sha256}{pixels}";
    }
}
