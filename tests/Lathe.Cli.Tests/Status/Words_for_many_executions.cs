using System.Globalization;
using Lathe.Cli.Output;
using Lathe.Cli.Sources;
using Lathe.Cli.Tests.Output;
using Lathe.Contracts;
using Lathe.Coordinator;
using Lathe.Reports.Terminals;

namespace Lathe.Cli.Tests.Status;

/// <summary>A sweep of 2,130 executions in the middle of its run.</summary>
public sealed class Words_for_many_executions : IAsyncLifetime
{
    private const int Seeds = 30;
    private readonly string _home = Directory.CreateTempSubdirectory("lathe-test-").FullName;
    private DatabaseReader _reader = null!;
    private SweepStatus _sweep = null!;

    public async ValueTask InitializeAsync()
    {
        await ManyExecutions.MakeAsync(DatabaseAddress.In(_home), Seeds);
        _reader = new DatabaseReader(new SweepQueries(new CoordinatorStore(DatabaseAddress.In(_home)), TimeProvider.System));
        _sweep = await _reader.StatusAsync("many", Stop);
    }

    public ValueTask DisposeAsync()
    {
        Microsoft.Data.Sqlite.SqliteConnection.ClearAllPools();
        Directory.Delete(_home, recursive: true);
        return ValueTask.CompletedTask;
    }

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(80, 24)]
    [InlineData(160, 50)]
    public void The_overview_fits_the_terminal(int width, int height)
    {
        var lines = Samples.Draw(SweepOverview.Screen(_sweep, _sweep.SubmittedAt.AddSeconds(90), width, height), width);
        Assert.True(lines.Length <= height, string.Join('\n', lines));
        Assert.All(lines, line => Assert.True(line.Length <= width, line));
        Assert.Matches(@"^stage +waiting +ready +queued +running +done +failed +skipped +all$", lines[0]);
        Assert.Matches(@"^quantize .* 900$", lines[3]);
        Assert.Contains(lines, line => line.Contains("running ", StringComparison.Ordinal) && line.Contains("worker", StringComparison.Ordinal));
        Assert.Contains(lines, line => line.Contains("out of memory: the worker has 8.0 GiB", StringComparison.Ordinal));
        Assert.Matches(@"^1,\d{3} of 2,130 finished, 16 failed, 1:30 so far, about .* left$", lines[^1]);
    }

    [Fact]
    public void Reasons_that_differ_in_numbers_alone_are_one_reason()
    {
        Assert.All(_sweep.Failures!.GroupBy(f => (f.Stage, f.Error[..8])), same => Assert.Single(same));
        Assert.Equal(_sweep.Steps!.Sum(s => s.In(ExecutionState.Failed)), _sweep.Failures!.Sum(f => f.Count));
        Assert.Equal(_sweep.Failures!.OrderByDescending(f => f.Count), _sweep.Failures!);
    }

    [Fact]
    public void A_stage_that_waits_for_a_worker_says_which()
    {
        Assert.Empty(SweepOverview.Missing(_sweep));
        var without = _sweep with
        {
            // Evaluations wait for their inputs, and for no worker.
            Steps = [.. _sweep.Steps!.Select(s => s with
            {
                HasWorker = s.Stage is "train" or "quantize",
                Counts = s.Stage == "evaluate" ? new Dictionary<ExecutionState, int> { [ExecutionState.Waiting] = 900 } : s.Counts,
            })],
        };
        var prune = _sweep.Steps!.Single(s => s.Stage == "prune");
        Assert.Equal([$"no worker of prune version {prune.Version} is up; start one with: lathe worker prune"], SweepOverview.Missing(without));
    }

    [Fact]
    public async Task Pages_of_each_state_have_exactly_the_executions_that_are_counted()
    {
        foreach (var state in Enum.GetValues<ExecutionState>())
        {
            var seen = new List<ExecutionStatus>();
            int? after = null;
            do
            {
                var page = await _reader.PageAsync("many", new PageRequest(after, 97, state), Stop);
                Assert.All(page.Executions, e => Assert.Equal(state, e.State));
                seen.AddRange(page.Executions);
                after = page.Next;
            }
            while (after is not null);
            Assert.Equal(_sweep.Steps!.Sum(s => s.In(state)), seen.Count);
            Assert.Equal(seen.Select(e => e.Index).Distinct().Order(), seen.Select(e => e.Index));
        }
    }

    [Fact]
    public async Task A_line_of_a_page_names_the_whole_way()
    {
        var page = await _reader.PageAsync("many", new PageRequest(90, 3, ExecutionState.Failed), Stop);
        Assert.Equal(97, page.Executions[0].Index);
        var lines = Samples.Draw(ExecutionList.Render(page, 160), 160);
        Assert.Matches(@"^ *97 seed=2: prune multiplications=0\.25 > quantize bits=4 > evaluate +failed", lines[1]);
        Assert.All(Samples.Draw(ExecutionList.Render(page, 80), 80), line => Assert.InRange(line.Length, 1, 80));
        Assert.Equal("97 failed: out of memory: the worker has 8.0 GiB", ExecutionList.Failures(page).First());
    }

    [Fact]
    public async Task The_best_results_are_those_that_no_other_beats()
    {
        var all = await _reader.ResultsAsync("many", Stop);
        var done = all.Leaves.Where(l => l.State == ExecutionState.Completed).ToList();
        var costs = all.Metrics.Where(m => m is { IsColumn: true, Better: Better.Lower }).Select(m => m.Name).ToList();
        var expected = done.Where(one => costs.Exists(cost => one.Figure(cost) > 0 && !done.Exists(other => Beats(other, one, cost)))).OrderByDescending(l => l.Figure("top1")).ToList();

        var best = await _reader.BestAsync("many", 1000, Stop);
        Assert.NotEmpty(costs);
        Assert.Equal(expected.Select(l => l.Stages[^1].Key), best.Results.Leaves.Select(l => l.Stages[^1].Key));
        Assert.Equal((expected.Count, done.Count, all.Leaves.Count), (best.Fronts, best.Done, best.All));

        // Some from everywhere, both ends included.
        var some = await _reader.BestAsync("many", 5, Stop);
        Assert.Equal(5, some.Results.Leaves.Count);
        Assert.Equal(expected.Count, some.Fronts);
        Assert.Equal([expected[0].Stages[^1].Key, expected[^1].Stages[^1].Key], [some.Results.Leaves[0].Stages[^1].Key, some.Results.Leaves[^1].Stages[^1].Key]);

        static bool Beats(LeafResult other, LeafResult one, string cost) =>
            other.Figure(cost) <= one.Figure(cost) && other.Figure("top1") >= one.Figure("top1") && (other.Figure(cost) < one.Figure(cost) || other.Figure("top1") > one.Figure("top1"));
    }

    [Fact]
    public void A_log_gets_a_line_for_each_hundredth_and_each_new_reason()
    {
        var lines = new List<string>();
        var progress = new ProgressLines(lines.Add);
        progress.Show(_sweep, _sweep.SubmittedAt.AddSeconds(90));
        var reasons = _sweep.Failures!.Count;
        Assert.Equal(reasons + 1, lines.Count);
        Assert.Contains(lines, line => line.StartsWith("[1:30] quantize failed (execution ", StringComparison.Ordinal));
        Assert.Matches(@"^\[1:30\] running: 1,\d{3} of 2,130 finished, \d+ running, 16 failed, about .* left$", lines[^1]);

        progress.Show(Finished(20), _sweep.SubmittedAt.AddSeconds(91));
        Assert.Equal(reasons + 1, lines.Count);
        progress.Show(Finished(22), _sweep.SubmittedAt.AddSeconds(92));
        Assert.Equal(reasons + 2, lines.Count);
        progress.Show(Finished(23), _sweep.SubmittedAt.AddSeconds(153));
        Assert.Equal(reasons + 3, lines.Count);

        SweepStatus Finished(int more) => _sweep with
        {
            Steps = [.. _sweep.Steps!.Select((s, i) => i > 0 ? s : s with { Counts = new Dictionary<ExecutionState, int>(s.Counts) { [ExecutionState.Completed] = s.In(ExecutionState.Completed) + more } })],
        };
    }

    [Fact]
    public async Task The_list_of_sweeps_says_how_many_run_and_failed()
    {
        var summary = Assert.Single(await _reader.ListAsync(20, Stop));
        Assert.Equal((_sweep.Steps!.Sum(s => s.In(ExecutionState.Running)), 16, 2130), (summary.Running, summary.Failed, summary.Executions));
    }
}
