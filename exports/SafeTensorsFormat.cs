using Lathe.Contracts;
using Lathe.NN.Checkpoints;
using Lathe.Reports;

namespace Lathe.Exports;

/// <summary>Plain float32 tensors under PyTorch's names, as Python's safetensors reads them.</summary>
internal static class SafeTensorsFormat
{
    public static ExportFormat Format { get; } = new("safetensors", ".safetensors", "float32 tensors under PyTorch's names, for load_state_dict in Python", Make);

    private static Exported Make(ExportJob job)
    {
        // transformers and others ask for "format".
        var metadata = new Dictionary<string, string>(job.Metadata()) { ["format"] = "pt" };
        using var file = new MemoryStream();
        SafeTensorsFile.Write(file, job.Checkpoint.Tensors, metadata);
        Verify(job, file);
        return new Exported(
            [new ExportedFile(job.Out, file.ToArray())],
            [
                $"{job.Out}: {job.Checkpoint.Graph.Name} as {job.Checkpoint.Tensors.Count} float32 tensors, {Figures.Size(file.Length)}",
                "read back: every tensor is the checkpoint's to the bit",
            ]);
    }

    private static void Verify(ExportJob job, MemoryStream file)
    {
        file.Position = 0;
        using var read = SafeTensorsFile.Read(file, job.Out);
        foreach (var (name, tensor) in job.Checkpoint.Tensors)
        {
            if (!read.Tensors.TryGetValue(name, out var copy) || !copy.shape.SequenceEqual(tensor.shape) || !copy.bytes.SequenceEqual(tensor.contiguous().bytes))
                throw new LatheException($"--out {job.Out}: not written, because tensor '{name}' did not read back as it was");
        }
    }
}
