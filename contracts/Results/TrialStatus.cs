using System.Text.Json;
using System.Text.Json.Serialization;

namespace Lathe.Contracts;

/// <summary>How a search stands.</summary>
/// <param name="Strategy">How trials are chosen.</param>
/// <param name="Trials">Number of trials that are computed at most; null: all of the grid.</param>
/// <param name="Counts">Trials by state: open, done, failed, stopped (early, with the training state kept) and pruned (never computed).</param>
public sealed record SearchStatus(string Strategy, int? Trials, IReadOnlyDictionary<string, int> Counts)
{
    /// <summary>What the search is to reach; null: a coordinator of before does not say.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<SearchObjective>? Objectives { get; init; }
}

/// <summary>A trial of a search.</summary>
/// <param name="Number">Place in the search, from 0.</param>
/// <param name="State">open, done, failed, stopped or pruned.</param>
/// <param name="Values">What was chosen, by name.</param>
/// <param name="Figures">The objectives by name; empty unless it is done.</param>
/// <param name="Violation">How far it breaks the constraints, as far as known; 0: it keeps them.</param>
/// <param name="Executions">Indices of its executions from the first stage to the last, one list for each seed.</param>
/// <param name="Epochs">Epochs that early stopping has seen of it; null: none.</param>
/// <param name="Reason">Why it failed or was not computed; null: neither.</param>
public sealed record TrialStatus(
    int Number,
    string State,
    IReadOnlyDictionary<string, JsonElement> Values,
    IReadOnlyDictionary<string, double> Figures,
    double Violation,
    IReadOnlyList<IReadOnlyList<int>> Executions,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] int? Epochs,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? Reason);
