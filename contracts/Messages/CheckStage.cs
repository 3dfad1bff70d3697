using System.Text.Json;

namespace Lathe.Contracts.Messages;

/// <summary>
/// Request: what does the stage say to these parameters, before anything runs? Sent to the queue <see cref="Queues.Check"/>, which the
/// stage's workers serve beside their work.
/// </summary>
/// <param name="Stage">Stage name.</param>
/// <param name="Version">Version that the sweep is planned for.</param>
/// <param name="Inputs">Networks that enter; questions name them by index, so that many questions about one network stay short.</param>
/// <param name="Questions">At least one.</param>
public sealed record CheckStage(string Stage, string Version, IReadOnlyList<NetworkForm> Inputs, IReadOnlyList<StageQuestion> Questions);

/// <summary>One execution that a sweep would have.</summary>
/// <param name="Parameters">Every parameter of the stage, defaults filled in.</param>
/// <param name="Input">Index of the network that enters; null where it is unknown or there is none.</param>
/// <param name="Dataset">Data set name.</param>
public sealed record StageQuestion(JsonElement Parameters, int? Input, string Dataset);

/// <summary>Answer to <see cref="CheckStage"/>: one forecast for each question, in order.</summary>
/// <param name="Forecasts">As many as there were questions.</param>
public sealed record StageChecked(IReadOnlyList<StageForecast> Forecasts);

/// <summary>What a stage says of an execution before it runs.</summary>
/// <param name="Problems">Why it could not run; empty where nothing is known against it.</param>
/// <param name="Form">The network that would leave the stage; null: unknown.</param>
public sealed record StageForecast(IReadOnlyList<ParameterProblem> Problems, NetworkForm? Form)
{
    /// <summary>Nothing is known, good or bad.</summary>
    public static StageForecast Unknown { get; } = new([], null);
}
