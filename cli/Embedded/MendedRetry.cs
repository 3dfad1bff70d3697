using System.Text.Json;
using Lathe.Contracts;
using Lathe.Coordinator;

namespace Lathe.Cli.Embedded;

/// <summary>A retry with other parameters, by a coordinator in this process.</summary>
internal static class MendedRetry
{
    /// <summary>Runs executions again, as <see cref="Orchestrator.RetryAsync"/> does, once their stages have found nothing wrong with the parameters.</summary>
    /// <param name="orchestrator">Does it.</param>
    /// <param name="target">What runs again.</param>
    /// <param name="set">Parameters by stage; null: they stay as they are.</param>
    /// <param name="stop">Gives up.</param>
    /// <exception cref="LatheException">A stage refuses the parameters; one line for each.</exception>
    public static async Task<OrderAnswer> RetryAsync(Orchestrator orchestrator, ControlTarget target, IReadOnlyDictionary<string, JsonElement>? set, CancellationToken stop)
    {
        if (set is null) return await orchestrator.RetryAsync(target, null, stop);
        var changes = await orchestrator.CheckRetryAsync(target, set, stop);
        if (changes.Problems.Count > 0)
            throw new LatheException(string.Join('\n', changes.Problems.Select(p => $"--set {string.Join('.', JsonPointer.Steps(p.Path).Skip(1))}: {p.Message}")));
        return await orchestrator.RetryAsync(target, changes.Parameters, stop);
    }
}
