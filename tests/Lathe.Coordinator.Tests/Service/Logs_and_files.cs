using System.Text;
using Lathe.Contracts;
using Lathe.Hosting;
using Lathe.Testing;

namespace Lathe.Coordinator.Tests;

/// <summary>What a worker writes about an execution, and what can be taken away of it.</summary>
public sealed class Logs_and_files
{
    [Fact]
    public async Task The_log_of_an_execution_is_there_while_it_runs_and_after_a_failure()
    {
        await using var bench = await HttpBench.StartAsync();
        var id = await bench.SubmitAsync(HttpBench.Held("logged"));
        await bench.RunsAsync(id);
        LogPage page = new([], 0, true);
        await Eventually.True(() => (page = bench.GetAsync<LogPage>($"/executions/{id}:0/logs").GetAwaiter().GetResult()).Lines.Any(l => l.Text == "holding"), "the running execution's log is in the store");
        Assert.True(page.IsOpen);
        Assert.Contains("epoch 1 of 2: loss 0.5000, training accuracy 75.00 %", page.Lines.Select(l => l.Text));
        Assert.Equal(Enumerable.Range(1, page.Lines.Count), page.Lines.Select(l => (int)l.Line));
        Assert.All(page.Lines, l => Assert.EndsWith(":hold", l.Worker));

        HoldStage.Release("logged");
        await bench.EndedAsync(id);
        var rest = await bench.GetAsync<LogPage>($"/executions/{id}:0/logs?after={page.Next}");
        Assert.StartsWith("made ", Assert.Single(rest.Lines).Text);
        Assert.False(rest.IsOpen);

        var failed = await bench.SubmitAsync(HttpBench.Held("failing", """{"share": 0.25}""", "failing"));
        await bench.EndedAsync(failed);
        var error = Assert.Single((await bench.GetAsync<LogPage>($"/executions/{failed}:0/logs")).Lines, l => l.Level == "error");
        Assert.Equal("the share is too small", error.Text);
        await HttpBench.ProblemAsync(await bench.Client.GetAsync($"/executions/{failed}:0/logs?limit=0"), 400);
        await HttpBench.ProblemAsync(await bench.Client.GetAsync($"/executions/{failed}:7/logs"), 404);
    }

    [Fact]
    public async Task The_log_of_what_was_paused_is_still_there()
    {
        await using var bench = await HttpBench.StartAsync();
        var id = await bench.SubmitAsync(HttpBench.Held("paused"));
        await bench.RunsAsync(id);
        LogPage Page() => bench.GetAsync<LogPage>($"/executions/{id}:0/logs").GetAwaiter().GetResult();
        await Eventually.True(() => Page().Lines.Any(l => l.Text == "holding"), "the running execution's log is in the store");

        Assert.True((await bench.PostAsync($"/sweeps/{id}/pause")).IsSuccessStatusCode);
        await Eventually.True(() => bench.GetAsync<SweepStatus>($"/sweeps/{id}").GetAwaiter().GetResult().State == SweepState.Paused, "it is paused");
        var page = Page();
        Assert.Contains("holding", page.Lines.Select(l => l.Text));
        Assert.True(page.IsOpen);
    }

    [Fact]
    public async Task Exports_are_made_once_by_whoever_can_and_then_downloaded()
    {
        var exporter = new TextExporter();
        await using var bench = await HttpBench.StartAsync(
            stages: bus => bus.AddStage<MakeStage, MakeParameters>().AddStage<NetworkStage, MakeParameters>().AddStage<MeasureStage, MeasureParameters>().AddExporter(exporter));
        var id = await bench.SubmitAsync("""{"spec": {"name": "net", "models": ["lenet5"], "datasets": ["mnist"], "seeds": [0], "stages": [{"stage": "network", "parameters": {}}]}}""");
        await bench.EndedAsync(id);
        var files = $"/executions/{id}:0/files";

        var listed = await bench.GetAsync<FilesAnswer>(files);
        Assert.Equal(["checkpoint.safetensors", "graph.json", "lineage.json"], listed.Files.Select(f => f.Name));
        Assert.Equal("text", Assert.Single(listed.Formats).Name);
        Assert.Equal(listed.Files[0].Bytes, (await bench.Client.GetByteArrayAsync(listed.Files[0].Url)).Length);
        Assert.Contains("conv2d", await bench.Client.GetStringAsync(listed.Files[1].Url));

        var made = await ReadAsync<ExportAnswer>(await bench.PostAsync($"/executions/{id}:0/exports", """{"format": "text", "options": {"case": "upper"}}"""));
        await ReadAsync<ExportAnswer>(await bench.PostAsync($"/executions/{id}:0/exports", """{"format": "text", "options": {"case": "upper"}}"""));
        Assert.Equal(1, exporter.Calls);
        Assert.Equal("made of a network", Assert.Single(made.Lines));
        var file = Assert.Single(made.Files);
        Assert.Matches("^lenet5-[0-9a-f]{8}-upper[.]txt$", file.Name);
        var answer = await bench.Client.GetAsync(file.Url);
        Assert.Equal(("NETWORK", file.Name), (await answer.Content.ReadAsStringAsync(), answer.Content.Headers.ContentDisposition!.FileName));
        Assert.Contains(file.Name, (await bench.GetAsync<FilesAnswer>(files)).Files.Select(f => f.Name));

        await HttpBench.ProblemAsync(await bench.PostAsync($"/executions/{id}:0/exports", """{"format": "tar"}"""), 422);
        await HttpBench.ProblemAsync(await bench.PostAsync($"/executions/{id}:0/exports", """{"format": "text", "options": {"case": "odd"}}"""), 422);
        Assert.Contains("cannot be written backwards", (await HttpBench.ProblemAsync(await bench.PostAsync($"/executions/{id}:0/exports", """{"format": "text", "options": {"case": "backwards"}}"""), 422)).Detail);
        await HttpBench.ProblemAsync(await bench.Client.GetAsync(files + "/other.txt"), 404);
        await HttpBench.ProblemAsync(await bench.Client.GetAsync(files + "/..%2Fexport.json"), 404);
    }

    [Fact]
    public async Task Where_no_worker_can_export_or_it_takes_too_long_the_answer_says_so()
    {
        await using var bench = await HttpBench.StartAsync(
            stages: bus => bus.AddStage<MakeStage, MakeParameters>().AddStage<NetworkStage, MakeParameters>().AddStage<MeasureStage, MeasureParameters>());
        var id = await SubmitAsync(bench);
        Assert.Contains("no worker that exports", (await HttpBench.ProblemAsync(await bench.PostAsync($"/executions/{id}:0/exports", """{"format": "text"}"""), 503)).Detail);
        Assert.Contains("no worker that exports checkpoints is up", (await bench.GetAsync<FilesAnswer>($"/executions/{id}:0/files")).Notes);

        var slow = new TextExporter { Gate = new TaskCompletionSource() };
        await using var other = await HttpBench.StartAsync(
            stages: bus => bus.AddStage<MakeStage, MakeParameters>().AddStage<NetworkStage, MakeParameters>().AddStage<MeasureStage, MeasureParameters>().AddExporter(slow),
            options: o => o with { ExportPatience = TimeSpan.FromSeconds(1) });
        var late = await SubmitAsync(other);
        Assert.Contains("ask again", (await HttpBench.ProblemAsync(await other.PostAsync($"/executions/{late}:0/exports", """{"format": "text"}"""), 504)).Detail);
        slow.Gate.SetResult();
        await ReadAsync<ExportAnswer>(await other.PostAsync($"/executions/{late}:0/exports", """{"format": "text"}"""));
        Assert.Equal(1, slow.Calls);

        static async Task<Guid> SubmitAsync(HttpBench to)
        {
            var id = await to.SubmitAsync("""{"spec": {"name": "net", "models": ["lenet5"], "datasets": ["mnist"], "seeds": [0], "stages": [{"stage": "network", "parameters": {}}]}}""");
            await to.EndedAsync(id);
            return id;
        }
    }

    [Fact]
    public async Task Over_a_broker_a_worker_of_another_process_exports()
    {
        await using var broker = new RabbitMqBroker();
        await broker.InitializeAsync();
        await using var bench = await HttpBench.StartAsync(broker: broker.Address);
        var exporter = new TextExporter();
        var worker = StageHost.Build<NetworkStage, MakeParameters>(bench.Service<HostingSettings>(), bus => bus.AddExporter(exporter));
        await worker.StartAsync(TestContext.Current.CancellationToken);
        var id = await bench.SubmitAsync("""{"spec": {"name": "net", "models": ["lenet5"], "datasets": ["mnist"], "seeds": [0], "stages": [{"stage": "network", "parameters": {}}]}}""");
        await bench.EndedAsync(id);

        Assert.Equal("text", Assert.Single(Assert.Single(await bench.GetAsync<List<WorkerAnswer>>("/workers"), w => w.Stage == "network").About!.Exports).Name);
        Assert.Equal(0, Assert.Single(await bench.GetAsync<List<QueueAnswer>>("/queues"), q => q.Stage == "network").Backlog);
        var made = await ReadAsync<ExportAnswer>(await bench.PostAsync($"/executions/{id}:0/exports", """{"format": "text"}"""));
        Assert.Equal("network", await bench.Client.GetStringAsync(made.Files[0].Url));
        Assert.Contains("cannot be written backwards", (await HttpBench.ProblemAsync(await bench.PostAsync($"/executions/{id}:0/exports", """{"format": "text", "options": {"case": "backwards"}}"""), 422)).Detail);
        Assert.Contains((await bench.GetAsync<LogPage>($"/executions/{id}:0/logs")).Lines, l => l.Text.StartsWith("made ", StringComparison.Ordinal));

        await worker.StopAsync(TestContext.Current.CancellationToken);
        worker.Dispose();
        Assert.Contains("no worker that exports as text is up", (await HttpBench.ProblemAsync(await bench.PostAsync($"/executions/{id}:0/exports", """{"format": "text", "options": {"case": "upper"}}"""), 503)).Detail);
        Assert.Equal("network", await bench.Client.GetStringAsync(made.Files[0].Url));
        Assert.Equal(1, exporter.Calls);
    }

    [Fact]
    public async Task Results_are_compared_side_by_side()
    {
        await using var bench = await HttpBench.StartAsync(
            stages: bus => bus.AddStage<MakeStage, MakeParameters>().AddStage<NetworkStage, MakeParameters>().AddStage<MeasureStage, MeasureParameters>());
        var id = await bench.SubmitAsync("""
            {"spec": {"name": "net", "models": ["lenet5"], "datasets": ["mnist"], "seeds": [0],
             "stages": [{"stage": "network", "parameters": {"epochs": [1, 2]}}, {"stage": "measure", "parameters": {}}]}}
            """);
        await bench.EndedAsync(id);

        var compared = await bench.GetAsync<Comparison>($"/compare?executions={id}:1,{id}:3");

        Assert.Equal([1, 3], compared.Executions.Select(e => e.Index));
        Assert.Equal(["network", "measure"], compared.Executions[0].Way.Select(w => w.Stage));
        Assert.Equal(0.75, compared.Executions[1].Figures["top1"]);
        Assert.Equal(["bytes", "top1"], compared.Metrics.Select(m => m.Name).Order(StringComparer.Ordinal));
        var layer = Assert.Single(compared.Layers, l => l.Name == "conv");
        Assert.Equal([2, 3], layer.Channels);
        Assert.Equal((NetworkStage.Weight, ("convolution", ComparedLayer.Bins)), (layer.Most!.Value, (layer.Kind, layer.Counts[0]!.Count)));
        Assert.Equal([18, 27], layer.Counts.Select(c => c!.Sum()));
        Assert.Equal(18, layer.Counts[0]![^1]);
        Assert.Equal("bars", Assert.Single(compared.Panels).Id);
        Assert.Equal(2, compared.Panels[0].Panels.Count(p => p is not null));
        Assert.StartsWith("<svg", await bench.Client.GetStringAsync(compared.Panels[0].Drawn[1]));

        foreach (var wrong in (string[])["", $"{id}:1", string.Join(',', Enumerable.Repeat($"{id}:1", 7))]) await HttpBench.ProblemAsync(await bench.Client.GetAsync($"/compare?executions={wrong}"), 400);
        await HttpBench.ProblemAsync(await bench.Client.GetAsync($"/compare?executions={id}:1,{id}:9"), 404);
    }

    private static async Task<T> ReadAsync<T>(HttpResponseMessage answer)
    {
        var text = await answer.Content.ReadAsStringAsync();
        Assert.True(answer.IsSuccessStatusCode, text);
        return System.Text.Json.JsonSerializer.Deserialize<T>(text, LatheJson.Options)!;
    }

    private sealed class TextExporter : ICheckpointExporter
    {
        public IReadOnlyList<OfferedExport> Formats { get; } = [new("text", "A word.", [new ExportOption("case", ["lower", "upper", "backwards"], "How it is written.")])];

        public int Calls { get; private set; }

        public TaskCompletionSource? Gate { get; init; }

        public ExportOutcome Export(ExportRequest request, CancellationToken stop)
        {
            Assert.True(File.Exists(request.Path));
            if (request.Options["case"] == "backwards") throw new LatheException("a network cannot be written backwards");
            Gate?.Task.Wait(stop);
            Calls++;
            return new ExportOutcome([(request.Name + ".txt", Encoding.UTF8.GetBytes(request.Options["case"] == "upper" ? "NETWORK" : "network"))], ["made of a network"]);
        }
    }
}
