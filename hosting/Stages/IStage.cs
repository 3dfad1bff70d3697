using System.Text.Json;
using Lathe.Contracts;

namespace Lathe.Hosting;

/// <summary>All that an author of a stage writes: what it is called, what it takes, what it does.</summary>
/// <typeparam name="TParameters">
/// Record of the stage's parameters; its defaults, <c>[Range]</c>, <c>[AllowedValues]</c> and <c>[Description]</c> become the schema that
/// sweeps are checked against.
/// </typeparam>
public interface IStage<TParameters>
{
    /// <summary>Name, version, input and output. The schema stays null: the host derives it from <typeparamref name="TParameters"/>.</summary>
    static abstract StageManifest Manifest { get; }

    /// <summary>Runs the stage from start to end, on a thread of its own; one call for each execution, on a new instance.</summary>
    /// <param name="run">Input, data, seed, saved state and everything else the host provides.</param>
    /// <param name="parameters">Checked parameters.</param>
    /// <param name="stop">
    /// Set when the worker has to go: save the state to <see cref="StageRun.State"/> and throw <see cref="OperationCanceledException"/>.
    /// </param>
    /// <exception cref="LatheException">The stage cannot do what was asked; the message reaches the sweep's author.</exception>
    StageOutcome Run(StageRun run, TParameters parameters, CancellationToken stop);
}

/// <summary>What a stage made.</summary>
/// <param name="Output">The checkpoint written; for a stage that only measures, its input.</param>
/// <param name="Metrics">Named figures.</param>
/// <param name="Records">
/// More than figures can say, in a form of its own, for pictures and tables; null: nothing. It is kept with the result in the store and
/// does not travel on the bus. A stage that writes a checkpoint puts its records into the lineage instead.
/// </param>
public sealed record StageOutcome(CheckpointRef Output, IReadOnlyDictionary<string, double> Metrics, JsonElement? Records = null);

/// <summary>A stage's manifest with the schema that its parameters record gives.</summary>
public static class Manifests
{
    public static StageManifest Of<TStage, TParameters>()
        where TStage : IStage<TParameters> =>
        TStage.Manifest with { ParametersSchema = ParametersSchema.For<TParameters>() };
}
