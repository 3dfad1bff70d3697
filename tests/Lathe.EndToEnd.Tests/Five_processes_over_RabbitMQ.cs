using Lathe.Contracts;
using Lathe.EndToEnd.Tests.Otlp;
using Lathe.Testing;

namespace Lathe.EndToEnd.Tests;

/// <summary>The small sweep with coordinator and four workers as processes of their own.</summary>
public sealed class Five_processes_over_RabbitMQ(RabbitMqBroker broker) : IClassFixture<RabbitMqBroker>
{
    [Fact]
    public async Task Make_the_checkpoints_of_an_embedded_run_and_one_trace()
    {
        using var alone = new Scene();
        var (_, embedded) = await alone.RunEmbeddedAsync();

        using var scene = new Scene();
        await using var otlp = await OtlpReceiver.StartAsync();
        await using var cluster = await Cluster.StartAsync(scene, broker, otlp.Environment);
        await using var submit = cluster.Submit(scene);
        Assert.True(await submit.WaitForExitAsync(Scene.Limit) == 0, submit.Output + cluster.Output);

        var leaves = await cluster.ResultsAsync("small");
        Assert.Equal(Scene.Digests(Assert.Single(embedded)), Scene.Digests(Assert.Single(leaves)));
        Assert.Equal(embedded[0].Figure("top1"), leaves[0].Figure("top1"));

        await TraceIsOneTreeAsync(otlp, leaves[0]);
        await MetricsAndLogsArriveAsync(otlp);
    }

    [Fact]
    public async Task Survive_the_death_of_workers_that_prune_and_quantize()
    {
        // Long enough that a worker is still at it when its progress has come here.
        var longer = Scene.Sweep.Replace("epochs: 4", "epochs: 6", StringComparison.Ordinal).Replace("bits: 2, epochs: 2", "bits: 2, epochs: 6", StringComparison.Ordinal);
        using var alone = new Scene();
        await File.WriteAllTextAsync(alone.SweepFile, longer);
        var (_, undisturbed) = await alone.RunEmbeddedAsync();

        using var scene = new Scene();
        await File.WriteAllTextAsync(scene.SweepFile, longer);
        await using var cluster = await Cluster.StartAsync(scene, broker);
        await using var submit = cluster.Submit(scene);
        foreach (var stage in (string[])["prune", "quantize"])
        {
            await Eventually.True(
                () => cluster.StatusAsync("small").GetAwaiter().GetResult()?.Executions
                    .Any(e => e.Stage == stage && e is { State: ExecutionState.Running, Progress.Epoch: > 1.2 }) == true,
                "the worker is in its second epoch", Scene.Limit.TotalSeconds);
            cluster.Workers[stage].Kill();
            // What it goes on from: without this state the bits would be the same, and the time lost.
            Assert.Single(Directory.GetFiles(Path.Combine(scene.Home, "checkpoints", "states"), "*.state"));
            cluster.StartWorker(stage);
        }

        Assert.True(await submit.WaitForExitAsync(Scene.Limit) == 0, submit.Output + cluster.Output);
        var leaves = await cluster.ResultsAsync("small");
        Assert.Equal(Scene.Digests(Assert.Single(undisturbed)), Scene.Digests(Assert.Single(leaves)));
    }

    private static async Task TraceIsOneTreeAsync(OtlpReceiver otlp, LeafResult leaf)
    {
        string[] order = ["train", "prune", "quantize", "evaluate"];
        await Eventually.True(
            () => order.All(stage => otlp.Spans.Any(span => span.Name == $"stage {stage}")) && otlp.Spans.Any(span => span.Name == "sweep small"),
            "a span of the sweep and of every stage has arrived");
        var spans = otlp.Spans.ToList();
        var sweep = Assert.Single(spans, span => span.Name == "sweep small");
        Assert.Equal("lathe-coordinator", sweep.Service);
        var parent = sweep;
        foreach (var stage in order)
        {
            var span = Assert.Single(spans, s => s.Name == $"stage {stage}");
            Assert.Equal(parent.SpanId, span.ParentSpanId);
            Assert.Equal(sweep.TraceId, span.TraceId);
            var result = leaf.Stages.Single(s => s.Stage == stage);
            Assert.Equal(result.Key, span.Attributes["lathe.execution.key"]);
            Assert.Equal(result.Checkpoint!.Sha256, span.Attributes["lathe.checkpoint.sha256"]);
            Assert.Equal(stage, span.Attributes["lathe.stage"]);
            parent = span;
        }

        Assert.Equal(5, spans.Where(s => s.Name.StartsWith("stage ", StringComparison.Ordinal)).Append(sweep).Select(s => s.Service).Distinct().Count());
    }

    private static async Task MetricsAndLogsArriveAsync(OtlpReceiver otlp)
    {
        string[] metrics = ["lathe.stage.duration", "lathe.queue.wait", "lathe.images"];
        await Eventually.True(
            () => metrics.All(metric => otlp.Metrics.Keys.Any(m => m.Metric == metric)), "stage seconds, queue wait and images have arrived");
        await Eventually.True(
            () => otlp.Spans.First(s => s.Name == "stage prune").TraceId is var trace && otlp.Logs.Keys.Any(log => log.TraceId == trace),
            "a log record with the trace's id has arrived");
    }
}
