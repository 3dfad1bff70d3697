using System.Text.Json;
using Lathe.Contracts;
using Lathe.Contracts.Panels;

namespace Lathe.Hosting;

/// <summary>All that an author of a stage writes: what it is called, what it takes, what it refuses, what it does.</summary>
/// <typeparam name="TParameters">
/// Record of the stage's parameters; its defaults, <c>[Range]</c>, <c>[AllowedValues]</c> and <c>[Description]</c> become the schema that
/// sweeps are checked against.
/// </typeparam>
public interface IStage<TParameters>
{
    /// <summary>
    /// Name, version, input, output and metrics. The schema stays null: the host derives it from <typeparamref name="TParameters"/>.
    /// </summary>
    static abstract StageManifest Manifest { get; }

    /// <summary>
    /// Says what is wrong with parameters before anything runs, beyond what the schema refuses. It must be quick: a sweep asks for each
    /// of its executions, and nobody waits longer than some seconds.
    /// </summary>
    /// <param name="parameters">Parameters that fit the schema.</param>
    /// <param name="context">What is known of the network that enters and of the data set.</param>
    /// <returns>Empty where nothing is known against them.</returns>
    static virtual IReadOnlyList<ParameterProblem> Check(TParameters parameters, StageCheck context) => [];

    /// <summary>
    /// Says what is known of the network that leaves the stage, for the checks of the stages after it. It is asked also where
    /// <see cref="Check"/> has found problems. A stage that only measures is never asked: the stages after it get what it got.
    /// </summary>
    /// <param name="parameters">Parameters that fit the schema.</param>
    /// <param name="context">What is known of the network that enters and of the data set.</param>
    /// <returns>Null: nothing is known.</returns>
    static virtual NetworkForm? Predict(TParameters parameters, StageCheck context) => null;

    /// <summary>Runs the stage from start to end, on a thread of its own; one call for each execution, on a new instance.</summary>
    /// <param name="run">
    /// Input, data, seed, saved state and everything else the host provides. When <see cref="StageRun.Stop"/> is set, save the state to
    /// <see cref="StageRun.State"/> and throw <see cref="OperationCanceledException"/>.
    /// </param>
    /// <param name="parameters">Checked parameters.</param>
    /// <exception cref="LatheException">The stage cannot do what was asked; the message reaches the sweep's author.</exception>
    StageOutcome Run(StageRun run, TParameters parameters);
}

/// <summary>What a stage made.</summary>
/// <param name="Output">The checkpoint written; for a stage that only measures, its input.</param>
/// <param name="Metrics">Named figures.</param>
/// <param name="Records">
/// More than figures can say, in a form of its own, for pictures and tables; null: nothing. It is kept with the result in the store and
/// does not travel on the bus. A stage that writes a checkpoint puts its records into the lineage instead.
/// </param>
/// <param name="Panels">Pictures and tables of the result, as data; null: none. They are kept with the result and do not travel on the bus.</param>
public sealed record StageOutcome(
    CheckpointRef Output, IReadOnlyDictionary<string, double> Metrics, JsonElement? Records = null, IReadOnlyList<Panel>? Panels = null);

/// <summary>A stage's manifest with the schema that its parameters record gives.</summary>
public static class Manifests
{
    /// <summary>The manifest of a stage, its schema filled in.</summary>
    /// <exception cref="LatheException">There is none, or the record of the parameters has no schema.</exception>
    public static StageManifest Of<TStage, TParameters>()
        where TStage : IStage<TParameters> =>
        (TStage.Manifest ?? throw new LatheException($"{typeof(TStage).Name}.Manifest is null; expected new StageManifest(name, version, summary, input, output, ...)"))
            with { ParametersSchema = ParametersSchema.For<TParameters>() };
}
