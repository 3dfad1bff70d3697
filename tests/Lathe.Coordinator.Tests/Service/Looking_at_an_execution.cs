using System.Xml.Linq;
using Lathe.Contracts;
using Lathe.Contracts.Panels;
using Lathe.Hosting;

namespace Lathe.Coordinator.Tests;

/// <summary>All that is known of one execution.</summary>
public sealed class Looking_at_an_execution
{
    [Fact]
    public async Task It_says_where_it_comes_from_what_starts_from_it_and_which_sweeps_have_it()
    {
        await using var bench = await HttpBench.StartAsync(api: a => a with { TraceUrl = "http://jaeger/trace/{traceId}" });
        var first = await bench.SubmitAsync(HttpBench.Quick("[1, 2]", "one"));
        await bench.EndedAsync(first);
        var second = await bench.SubmitAsync(HttpBench.Quick("2", "two"));
        await bench.EndedAsync(second);

        var made = await bench.GetAsync<ExecutionDetail>($"/executions/{first}:2?why=true");
        var measured = await bench.GetAsync<ExecutionDetail>($"/executions/{first}:3");
        var cached = await bench.GetAsync<ExecutionDetail>($"/executions/two:0?why=true");

        Assert.Equal((first, "one", 2, "make", "1"), (made.Sweep.Id, made.Sweep.Name, made.Execution.Index, made.Execution.Stage, made.Version));
        Assert.Equal(2, made.Execution.Parameters.GetProperty("epochs").GetInt32());
        Assert.Empty(made.Ancestors);
        Assert.Equal([(3, "measure", ExecutionState.Completed)], made.Children.Select(c => (c.Index, c.Stage, c.State)));
        Assert.Equal([(2, "make")], measured.Ancestors.Select(a => (a.Index, a.Stage)));
        Assert.Equal(made.Execution.Output, measured.Input);
        Assert.Equal([new ExecutionPlace(second, "two", 0), new ExecutionPlace(first, "one", 2)], made.Places);
        Assert.Null(made.ComputedIn);
        Assert.Equal(["bytes", "top1"], measured.Metrics.Select(m => m.Name));
        Assert.Equal((ExecutionState.Cached, new ExecutionPlace(first, "one", 2), null), (cached.Execution.State, cached.ComputedIn, cached.Nearest));
        Assert.True(made.StartedAt <= made.FinishedAt && made.ReadyAt <= made.StartedAt);
        Assert.Matches("^[0-9a-f]{32}$", made.Trace!.Id);
        Assert.Equal($"http://jaeger/trace/{made.Trace.Id}", made.Trace.Url);
        foreach (var same in (string[])[$"{made.Id}", made.Execution.Key!, $"one:2"]) Assert.Equal(2, (await bench.GetAsync<ExecutionDetail>($"/executions/{same}")).Execution.Index);
    }

    [Fact]
    public async Task One_that_was_computed_says_what_differs_from_the_nearest_of_before()
    {
        await using var bench = await HttpBench.StartAsync();
        await bench.EndedAsync(await bench.SubmitAsync(HttpBench.Quick("3", "before")));
        var now = await bench.SubmitAsync(HttpBench.Quick("4", "now"));
        await bench.EndedAsync(now);
        await bench.EndedAsync(await bench.SubmitAsync(HttpBench.Quick("[4, 5]", "after")));

        var nearest = (await bench.GetAsync<ExecutionDetail>($"/executions/{now}:0?why=true")).Nearest!;

        Assert.Equal(("before", 0), (nearest.SweepName, nearest.Index));
        Assert.Equal([new KeyDifference("epochs", "3", "4")], nearest.Differences);
        Assert.Null((await bench.GetAsync<ExecutionDetail>($"/executions/{now}:0")).Nearest);
        Assert.Null((await bench.GetAsync<ExecutionDetail>("/executions/before:0?why=true")).Nearest);
    }

    [Fact]
    public async Task Panels_come_as_data_and_drawn()
    {
        await using var bench = await HttpBench.StartAsync(
            stages: bus => bus.AddStage<PanelStage, MakeParameters>().AddStage<HoldStage, HoldParameters>().AddStage<MeasureStage, MeasureParameters>());
        var id = await bench.SubmitAsync("""{"spec": {"name": "drawn", "models": ["tiny"], "datasets": ["mnist"], "seeds": [0], "stages": [{"stage": "panel", "parameters": {}}]}}""");
        await bench.EndedAsync(id);

        var panels = (await bench.GetAsync<ExecutionPanels>($"/executions/{id}:0/panels")).Panels;
        var chart = Assert.IsType<BarChart>(Assert.Single(panels));
        Assert.Equal(["a", "b"], chart.Categories);
        var drawn = await bench.Client.GetAsync($"/executions/{id}:0/panels/bars.svg?theme=dark");
        Assert.Equal("image/svg+xml", drawn.Content.Headers.ContentType!.MediaType);
        var svg = XDocument.Parse(await drawn.Content.ReadAsStringAsync());
        Assert.Equal("svg", svg.Root!.Name.LocalName);
        Assert.Contains("Widths", svg.ToString());
        var (dark, light) = (await Style("?theme=dark"), await Style("?theme=light"));
        Assert.NotEqual(dark, light);

        await HttpBench.ProblemAsync(await bench.Client.GetAsync($"/executions/{id}:0/panels/none.svg"), 404);
        await HttpBench.ProblemAsync(await bench.Client.GetAsync($"/executions/{id}:0/panels/bars.svg?theme=pink"), 400);

        async Task<string> Style(string query) => XDocument.Parse(await bench.Client.GetStringAsync($"/executions/{id}:0/panels/bars.svg{query}")).Root!.Elements().First().Value;
    }

    [Theory]
    [InlineData("nothing", 400)]
    [InlineData("nothing:0", 404)]
    [InlineData("named:99", 404)]
    [InlineData("0198a7e2-0000-7000-8000-000000000000", 404)]
    [InlineData("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 404)]
    public async Task What_names_no_execution_is_told(string reference, int status)
    {
        await using var bench = await HttpBench.StartAsync();
        await bench.SubmitAsync(HttpBench.Quick("1", "named"));
        foreach (var below in (string[])["", "/panels", "/panels/x.svg"]) await HttpBench.ProblemAsync(await bench.Client.GetAsync($"/executions/{reference}{below}"), status);
    }

    /// <summary>Leaves a chart.</summary>
    public sealed class PanelStage : IStage<MakeParameters>
    {
        public static StageManifest Manifest { get; } = new("panel", "1", "Draws.", StageInput.Model, Contracts.StageOutput.Checkpoint);

        public StageOutcome Run(StageRun run, MakeParameters parameters) => new(
            run.Write(to => to.Write("panel"u8)), new Dictionary<string, double>(),
            Panels: [new BarChart("bars", "Widths", "channels", ["a", "b"], [new BarSeries("now", [1, 2])])]);
    }
}
