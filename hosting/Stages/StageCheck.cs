using System.Text.Json;
using Lathe.Contracts;
using Lathe.Contracts.Messages;

namespace Lathe.Hosting;

/// <summary>What a stage may look at when it is asked about parameters before anything runs.</summary>
/// <param name="dataset">Data set name.</param>
/// <param name="input">The network that enters; null: unknown, or there is none.</param>
/// <param name="settings">Where store and data lie on this machine.</param>
public sealed class StageCheck(string dataset, NetworkForm? input, HostingSettings settings)
{
    private readonly Lazy<CheckpointStore> _store = new(() => new CheckpointStore(settings));

    /// <summary>The network that enters; null: unknown, or there is none.</summary>
    public NetworkForm? Input => input;

    /// <summary>Data set name.</summary>
    public string Dataset => dataset;

    /// <summary>Where the data set lies on this machine; null where it is not here.</summary>
    public DataPlace? FindData()
    {
        try
        {
            return DataPlaces.Find(dataset, settings);
        }
        catch (LatheException)
        {
            return null;
        }
    }

    /// <summary>Verified file of a checkpoint, or of weights, that a parameter names by its digest.</summary>
    /// <param name="sha256">64 hexadecimal characters, or a unique start of them.</param>
    /// <exception cref="LatheException">Not a digest, not in the store, or damaged.</exception>
    public string PathOf(string sha256) => _store.Value.PathOf(_store.Value.Find(sha256));

    /// <summary>Runs something that refuses by an exception; what it says becomes a problem with a parameter.</summary>
    /// <param name="parameter">Name of the parameter that is to blame.</param>
    /// <param name="look">Throws <see cref="LatheException"/> where something is wrong.</param>
    public static IEnumerable<ParameterProblem> Try(string parameter, Action look)
    {
        try
        {
            look();
            return [];
        }
        catch (LatheException refusal)
        {
            return [ParameterProblem.Of(parameter, refusal.Message)];
        }
    }

    /// <summary>Asks a stage in this process.</summary>
    /// <param name="parameters">Every parameter, defaults filled in.</param>
    /// <param name="context">What it may look at.</param>
    public static StageForecast Ask<TStage, TParameters>(JsonElement parameters, StageCheck context)
        where TStage : IStage<TParameters>
    {
        var problems = ParametersSchema.Validate<TParameters>(parameters);
        if (problems.Count > 0) return new StageForecast(problems, null);
        var record = ParametersSchema.ReadValid<TParameters>(TStage.Manifest.Name, parameters);
        return new StageForecast(Problems<TStage, TParameters>(record, context), Form<TStage, TParameters>(record, context));
    }

    private static IReadOnlyList<ParameterProblem> Problems<TStage, TParameters>(TParameters parameters, StageCheck context)
        where TStage : IStage<TParameters>
    {
        try
        {
            return TStage.Check(parameters, context);
        }
        catch (LatheException refusal)
        {
            return [new ParameterProblem("", refusal.Message)];
        }
    }

    /// <summary>What a stage cannot predict, its check has refused, or it is found when the stage runs.</summary>
    private static NetworkForm? Form<TStage, TParameters>(TParameters parameters, StageCheck context)
        where TStage : IStage<TParameters>
    {
        try
        {
            return TStage.Predict(parameters, context);
        }
        catch (LatheException)
        {
            return null;
        }
    }
}
