using System.ComponentModel;
using Lathe.Contracts;
using Lathe.Hosting;
using ModelContextProtocol.Server;

namespace Lathe.Coordinator;

/// <summary>Tools that read, plan and submit sweeps.</summary>
[McpServerToolType]
internal sealed class SweepTools(Orchestrator orchestrator, StageCatalog stages, SweepQueries queries, ExecutionQueries executions, SweepTargets targets, CoordinatorStore store, ExecutionLogs logs, TimeProvider time)
{
    private const int UsualList = 20;
    private const int MostList = 200;
    private const int LogLines = 40;
    private const double LongestWatch = 300;

    // Another coordinator may have written something, of which nobody tells this process.
    private static readonly TimeSpan Poll = TimeSpan.FromSeconds(1);

    [McpServerTool(Name = "list_stages", Title = "Stages", ReadOnly = true, OpenWorld = false)]
    [Description("Lists the stages that workers offer, each with what it does and the figures that it measures; of one stage also the JSON Schema of its parameters.")]
    public string Stages([Description("Name of the stage whose parameters are wanted; none: all stages, without them.")] string? stage = null)
    {
        var known = stages.Manifests;
        if (stage is null) return McpEndpoint.Text(known.Values.OrderBy(m => m.Name, StringComparer.Ordinal).Select(m => new { m.Name, m.Version, m.Summary, Metrics = m.Metrics?.Select(x => new { x.Name, x.Title, x.Better }) }));
        return known.TryGetValue(stage, out var manifest) ? McpEndpoint.Text(manifest)
            : throw ApiFault.NotFound($"there is no stage '{stage}'; there {(known.Count == 0 ? "is none, since no worker is up" : $"are {string.Join(", ", known.Keys.Order(StringComparer.Ordinal))}")}");
    }

    [McpServerTool(Name = "list_models_and_datasets", Title = "Models and data sets", ReadOnly = true, OpenWorld = false)]
    [Description("Lists the networks and the data sets that a sweep may name.")]
    public static string Models(HostingSettings settings) => McpEndpoint.Text(new { Models = ReadingRoutes.Models().Value, Datasets = ReadingRoutes.Datasets(settings).Value });

    [McpServerTool(Name = "list_sweeps", Title = "Sweeps", ReadOnly = true, OpenWorld = false)]
    [Description("Lists sweeps, latest first, with their state and how many executions are done, run and failed.")]
    public async Task<string> SweepsAsync(
        [Description("Text in their name; none: any.")] string? search = null, [Description("The most of them, 1 to 200.")] int limit = UsualList, CancellationToken stop = default)
    {
        Check(nameof(limit), limit, 1, MostList);
        return McpEndpoint.Text(await queries.ListAsync(limit, null, null, string.IsNullOrEmpty(search) ? null : search, stop));
    }

    [McpServerTool(Name = "plan_sweep", Title = "Plan a sweep", ReadOnly = true, OpenWorld = false)]
    [Description("Says what a sweep would do: what is wrong with it, with line and column, or its executions, what is cached, sizes and time. Runs and records nothing.")]
    public async Task<string> PlanAsync(
        [Description("Text of the sweep file, YAML: name, model, dataset, stages. A list in place of a value is an axis of the grid.")] string yaml,
        [Description("True: says too what differs from the nearest earlier execution, so that nothing could be reused.")] bool why = false,
        [Description("The most executions that are listed, 1 to 200.")] int limit = UsualList, CancellationToken stop = default)
    {
        Check(nameof(limit), limit, 1, MostList);
        var sent = Read(yaml, null);
        if (sent.Problems.Count > 0) return McpEndpoint.Text(SweepForecast.Refused(new SweepVerdict(sent.Placed(sent.Problems), [])));
        var forecast = await orchestrator.ForecastAsync(sent.Submission, limit, why, stop);
        return McpEndpoint.Text(forecast with { Problems = [.. sent.Placed(SubmissionTerms.Problems(sent.Submission)), .. sent.Placed(forecast.Problems)] });
    }

    [McpServerTool(Name = "submit_sweep", Title = "Submit a sweep", Destructive = false, OpenWorld = false)]
    [Needs(ApiScope.Submit)]
    [Description("Records a sweep and starts it. It takes computing time, so plan it first. Answers with its id.")]
    public async Task<string> SubmitAsync(
        [Description("Text of the sweep file, YAML.")] string yaml,
        [Description("A name of your own for this request, 1 to 200 characters: the same one again gives the sweep that was recorded, and no second one.")] string requestId,
        CancellationToken stop = default)
    {
        var sent = Read(yaml, requestId);
        if (sent.Problems.Count > 0) throw ApiFault.Unacceptable(sent.Placed(sent.Problems));
        var outcome = await orchestrator.SubmitAsync(sent.Submission, null, stop);
        return outcome.Id is { } id ? McpEndpoint.Text(new SubmissionAnswer(id, outcome.Notes)) : throw ApiFault.Unacceptable(sent.Placed(outcome.Problems), outcome.Notes);
    }

    [McpServerTool(Name = "sweep_status", Title = "State of a sweep", ReadOnly = true, OpenWorld = false)]
    [Description("Says how a sweep stands: counts for each stage, time left, why executions failed, and those that run, that failed last, and the first others.")]
    public async Task<string> StatusAsync(
        [Description("The sweep: its id, a unique start of it, or its name.")] string sweep, [Description("The most executions that are listed, 0 to 200.")] int limit = UsualList, CancellationToken stop = default)
    {
        Check(nameof(limit), limit, 0, MostList);
        return McpEndpoint.Text(await queries.StatusAsync((await targets.IdAsync(sweep, stop)).ToString(), limit, stop));
    }

    [McpServerTool(Name = "watch_sweep", Title = "Watch a sweep", ReadOnly = true, OpenWorld = false)]
    [Description("Waits until a sweep no longer runs, or the time is over, and says how it stands then. Call it again to wait longer.")]
    public async Task<string> WatchAsync(
        [Description("The sweep.")] string sweep, [Description("The most seconds to wait, 1 to 300.")] double seconds = 30, CancellationToken stop = default)
    {
        if (seconds is not (>= 1 and <= LongestWatch)) throw Bad(nameof(seconds), $"{seconds:0.###}", $"1 to {LongestWatch:0}");
        var id = (await targets.IdAsync(sweep, stop)).ToString();
        var woken = new Signal();
        orchestrator.Happened += woken.Set;
        try
        {
            for (var began = time.GetTimestamp(); ;)
            {
                var status = await queries.StatusAsync(id, UsualList, stop);
                if (status.State is not (SweepState.Running or SweepState.Preparing) || time.GetElapsedTime(began).TotalSeconds >= seconds) return McpEndpoint.Text(status);
                await woken.WaitAsync(Poll, time, stop);
                // One event seldom comes alone.
                await Task.Delay(Poll / 4, time, stop);
            }
        }
        finally
        {
            orchestrator.Happened -= woken.Set;
        }
    }

    [McpServerTool(Name = "best_results", Title = "Best results", ReadOnly = true, OpenWorld = false)]
    [Description("The results of a sweep that no other result beats: the Pareto front of accuracy against each cost, best first.")]
    public async Task<string> BestAsync(
        [Description("The sweep.")] string sweep, [Description("The most results, 1 to 200.")] int limit = UsualList, CancellationToken stop = default)
    {
        Check(nameof(limit), limit, 1, MostList);
        return McpEndpoint.Text(await queries.BestAsync((await targets.IdAsync(sweep, stop)).ToString(), limit, stop));
    }

    [McpServerTool(Name = "explain_execution", Title = "Explain an execution", ReadOnly = true, OpenWorld = false)]
    [Description("Says all that is known of one execution: why it failed or why it was computed again, its parameters, attempts and worker, and the last lines of its log.")]
    public async Task<string> ExplainAsync([Description("The execution: SWEEP:INDEX, its id, or its key. sweep_status names failed ones.")] string execution, CancellationToken stop = default)
    {
        var (sweep, index) = await targets.ExecutionAsync(execution, stop);
        var detail = await executions.DetailAsync(sweep, index, why: true, stop);
        var page = await LogRoutes.PageAsync($"{sweep}:{index}", 0, ExecutionLogs.MostLines, targets, store, logs, stop);
        return McpEndpoint.Text(new { detail.Execution, detail.Attempt, detail.Failures, detail.StartedAt, detail.FinishedAt, detail.Trace, detail.ComputedIn, detail.Nearest, Log = page.Lines.TakeLast(LogLines).Select(l => l.Text) });
    }

    private SentSweep Read(string yaml, string? requestId) => SentSweep.Of(yaml, new SweepSubmission(null!, RequestId: requestId), stages);

    private static void Check(string name, int value, int least, int most)
    {
        if (value < least || value > most) throw Bad(name, $"{value}", $"{least} to {most}");
    }

    private static ApiFault Bad(string name, string value, string expected) => new(StatusCodes.Status400BadRequest, $"{name} is {value}, expected {expected}");
}
