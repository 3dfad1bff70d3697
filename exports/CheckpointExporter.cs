using Lathe.Contracts;
using Lathe.Graph.Onnx;
using Lathe.Hosting;
using Lathe.NN.Checkpoints;
using Lathe.NN.Runtime;

namespace Lathe.Exports;

/// <summary>Makes the exports of <c>lathe export</c> in a worker, for whoever asks its coordinator.</summary>
public sealed class CheckpointExporter : ICheckpointExporter
{
    private const string Weights = "weights";

    // A worker computes something else meanwhile.
    private const int Threads = 1;
    private const int Images = 200;

    /// <inheritdoc/>
    public IReadOnlyList<OfferedExport> Formats { get; } =
    [
        .. ExportFormat.All.Select(f => new OfferedExport(
            f.Name, f.Summary, f.WeightTypes.Count > 0 ? [new ExportOption(Weights, [.. f.WeightTypes.Select(Word)], f.AboutWeights)] : []) { Needs = f.Needs }),
    ];

    /// <inheritdoc/>
    public ExportOutcome Export(ExportRequest request, CancellationToken stop)
    {
        var format = ExportFormat.All.First(f => f.Name == request.Format);
        var type = request.Options.TryGetValue(Weights, out var word) ? Enum.GetValues<OnnxWeightType>().First(t => Word(t) == word) : (OnnxWeightType?)null;
        TorchRuntime.Configure(Threads);
        using var checkpoint = CheckpointFile.Read(request.Path);
        var images = VerificationImages.For(checkpoint, request.Settings, isAsked: false, Images).Until(stop);
        var exported = format.Make(new ExportJob(checkpoint, request.Sha256, request.Name + format.Ending, type, images, Threads));
        return new ExportOutcome([.. exported.Files.Select(f => (Path.GetFileName(f.Path), f.Content))], exported.Lines);
    }

    private static string Word(OnnxWeightType type) => type.ToString().ToLowerInvariant();
}
