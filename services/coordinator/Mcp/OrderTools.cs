using System.ComponentModel;
using System.Text.Json;
using Lathe.Contracts;
using ModelContextProtocol.Protocol;
using ModelContextProtocol.Server;

namespace Lathe.Coordinator;

/// <summary>Tools that change what runs. Those that throw something away ask first.</summary>
[McpServerToolType]
internal sealed class OrderTools(ControlRoutes orders, SweepQueries queries, SweepTargets targets)
{
    private const string Sweep = "The sweep: its id, a unique start of it, or its name.";
    private const string Stage = "Only this stage of it; none: all.";
    private const string Execution = "Only this execution, by its index; none: all.";
    private const string Confirm = "The words that the tool asked for, once the person agreed; none: the tool does nothing and says what it would do.";

    [McpServerTool(Name = "pause_sweep", Title = "Pause", Destructive = false, Idempotent = true, OpenWorld = false)]
    [Needs(ApiScope.Submit)]
    [Description("Pauses a sweep, a stage of it or one execution. What runs stops within a batch and keeps its training state.")]
    public async Task<string> PauseAsync([Description(Sweep)] string sweep, [Description(Stage)] string? stage = null, [Description(Execution)] int? execution = null) =>
        McpEndpoint.Text((await orders.PauseAsync(sweep, stage, execution)).Value);

    [McpServerTool(Name = "resume_sweep", Title = "Resume", Destructive = false, Idempotent = true, OpenWorld = false)]
    [Needs(ApiScope.Submit)]
    [Description("Goes on with what was paused, from its training state.")]
    public async Task<string> ResumeAsync([Description(Sweep)] string sweep, [Description(Stage)] string? stage = null, [Description(Execution)] int? execution = null) =>
        McpEndpoint.Text((await orders.ResumeAsync(sweep, stage, execution)).Value);

    [McpServerTool(Name = "retry_sweep", Title = "Retry", Destructive = false, OpenWorld = false)]
    [Needs(ApiScope.Submit)]
    [Description("Runs again what failed or was cancelled, with other parameters on request. What is done stays.")]
    public async Task<string> RetryAsync(
        [Description(Sweep)] string sweep, [Description(Stage)] string? stage = null, [Description(Execution)] int? execution = null,
        [Description("Parameters to change, by stage: {\"prune\": {\"multiplications\": 0.4}}; none: the same again.")] IReadOnlyDictionary<string, JsonElement>? set = null) =>
        McpEndpoint.Text((await orders.RetryAsync(sweep, stage, execution, new RetryOrder(set))).Value);

    [McpServerTool(Name = "cancel_sweep", Title = "Cancel", Destructive = true, Idempotent = true, OpenWorld = false)]
    [Needs(ApiScope.Submit)]
    [Description("Cancels what of a sweep has not finished. Finished results are kept, and retry_sweep goes on from them. Asks for confirmation.")]
    public async Task<string> CancelAsync(
        RequestContext<CallToolRequestParams> call, [Description(Sweep)] string sweep, [Description(Stage)] string? stage = null, [Description(Execution)] int? execution = null,
        [Description(Confirm)] string? confirm = null, CancellationToken stop = default)
    {
        var target = await targets.FindAsync(sweep, stage, execution, stop);
        var status = await queries.StatusAsync(target.Sweep.ToString(), 0, stop);
        var part = execution is { } index ? $"execution {index} of " : stage is null ? "" : $"stage {stage} of ";
        var open = status.Steps!.Where(s => stage is null || s.Stage == stage).Sum(s => s.In(ExecutionState.Waiting) + s.In(ExecutionState.Ready) + s.In(ExecutionState.Queued) + s.In(ExecutionState.Running) + s.In(ExecutionState.Paused));
        var what = $"Cancels {part}the sweep {status.Name} ({Short(status)}){(execution is null ? $", of which {open} executions have not finished" : "")}.";
        return Confirmation.Of(call, what, $"cancel {part}{Short(status)}", confirm) ?? McpEndpoint.Text((await orders.CancelAsync(target.Sweep.ToString(), stage, execution)).Value);
    }

    [McpServerTool(Name = "delete_sweep", Title = "Delete", Destructive = true, Idempotent = true, OpenWorld = false)]
    [Needs(ApiScope.Admin)]
    [Description("Forgets a sweep that is over. Its results stay in the store until they are collected. Asks for confirmation.")]
    public async Task<string> DeleteAsync(RequestContext<CallToolRequestParams> call, [Description(Sweep)] string sweep, [Description(Confirm)] string? confirm = null, CancellationToken stop = default)
    {
        var status = await queries.StatusAsync((await targets.IdAsync(sweep, stop)).ToString(), 0, stop);
        if (Confirmation.Of(call, $"Forgets the sweep {status.Name} ({Short(status)}) with its {status.Size} executions. Nobody can bring it back.", $"delete {Short(status)}", confirm) is { } answer) return answer;
        await orders.DeleteAsync(status.Id.ToString());
        return $"the sweep {status.Name} ({Short(status)}) is forgotten";
    }

    private static string Short(SweepStatus status) => status.Id.ToString()[..8];
}
