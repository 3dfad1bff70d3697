using Lathe.Contracts;
using Lathe.Evaluator;
using Lathe.Hosting;
using Lathe.Pruner;
using Lathe.Quantizer;
using Lathe.Trainer;

namespace Lathe.Cli.Embedded;

/// <summary>A stage that comes with Lathe.</summary>
/// <param name="Manifest">With the schema of its parameters.</param>
/// <param name="AddTo">Has a bus host it.</param>
/// <param name="RunAsync">Runs it as a service of its own; gives the exit code.</param>
internal sealed record BuiltInStage(
    StageManifest Manifest, Action<LatheBusBuilder> AddTo, Func<HostingSettings, CancellationToken, Task<int>> RunAsync);

/// <summary>The stages that come with Lathe.</summary>
internal static class BuiltInStages
{
    public static IReadOnlyDictionary<string, BuiltInStage> ByName { get; } = ((BuiltInStage[])
        [
            Of<TrainStage, TrainParameters>(), Of<PruneStage, PruneParameters>(), Of<QuantizeStage, QuantizeParameters>(), Of<EvaluateStage, EvaluateParameters>(),
        ]).ToDictionary(s => s.Manifest.Name);

    public static IReadOnlyDictionary<string, StageManifest> Manifests { get; } = ByName.ToDictionary(s => s.Key, s => s.Value.Manifest);

    private static BuiltInStage Of<TStage, TParameters>()
        where TStage : class, IStage<TParameters>, new() =>
        new(Hosting.Manifests.Of<TStage, TParameters>(), bus => bus.AddStage<TStage, TParameters>(), StageHost.RunAsync<TStage, TParameters>);
}
