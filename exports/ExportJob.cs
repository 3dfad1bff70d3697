using Lathe.Graph.Onnx;
using Lathe.NN.Checkpoints;
using Lathe.NN.Execution;
using Lathe.NN.Onnx;

namespace Lathe.Exports;

/// <summary>An export: the checkpoint and the target.</summary>
/// <param name="Checkpoint">The checkpoint, its weights unpacked.</param>
/// <param name="Sha256">Digest of its file.</param>
/// <param name="Out">Path of the file, as the user gave it.</param>
/// <param name="Weights">Type of whole-number weights; null: not given.</param>
/// <param name="Images">Images to verify the export on.</param>
/// <param name="Threads">CPU threads to compute with.</param>
internal sealed record ExportJob(
    Checkpoint Checkpoint, string Sha256, string Out, OnnxWeightType? Weights, VerificationImages Images, int Threads)
{
    /// <summary>The checkpoint's network, ready to run on the CPU. The caller disposes it.</summary>
    public GraphModule Network() => GraphModule.FromTensors(Checkpoint.Graph, Checkpoint.Tensors);

    /// <summary>Origin and input of the network, for the description inside the file.</summary>
    public IReadOnlyDictionary<string, string> Metadata()
    {
        var metadata = new Dictionary<string, string>(OnnxExport.Metadata(Checkpoint, Sha256));
        if (Images.Normalization is { } pixels)
        {
            metadata["lathe.mean"] = Numbers(pixels.Mean);
            metadata["lathe.standardDeviation"] = Numbers(pixels.StandardDeviation);
        }

        return metadata;
    }

    private static string Numbers(IEnumerable<double> numbers) => string.Join(' ', numbers.Select(n => n.ToString("R", System.Globalization.CultureInfo.InvariantCulture)));
}
