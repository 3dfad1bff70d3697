using System.Collections.Concurrent;
using System.Diagnostics;
using System.Diagnostics.Metrics;
using Lathe.Contracts.Messages;

namespace Lathe.Hosting.Tests;

public sealed class TelemetryTests
{
    private const string Parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    [Fact]
    public async Task An_execution_is_a_child_of_the_span_that_made_its_input_and_a_look_up_names_the_same_span()
    {
        var spans = new ConcurrentQueue<Activity>();
        using var listener = new ActivityListener
        {
            ShouldListenTo = source => source.Name == LatheTelemetry.Stages,
            Sample = (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllDataAndRecorded,
            ActivityStopped = spans.Enqueue,
        };
        ActivitySource.AddActivityListener(listener);
        await using var workshop = await new Workshop().StartAsync();
        var command = workshop.Command(new ToyCounting(), seed: 4711);
        await workshop.Sender.SendAsync(command, Parent);
        var completed = await workshop.Completed(command);
        var span = Assert.Single(spans, s => (string?)s.GetTagItem(LatheTelemetry.ExecutionKey) == command.Key);
        Assert.Equal(("stage toy", Parent), (span.OperationName, span.ParentId));
        Assert.Equal(span.Id, workshop.Inbox.TraceParentOf(completed));
        Assert.Equal(
            (command.SweepId.ToString(), "toy", completed.Output.Sha256),
            ((string?)span.GetTagItem(LatheTelemetry.SweepId), (string?)span.GetTagItem(LatheTelemetry.Stage), (string?)span.GetTagItem(LatheTelemetry.CheckpointSha256)));

        var again = command with { ExecutionId = Guid.NewGuid(), SweepId = Guid.NewGuid() };
        await workshop.Sender.SendAsync(again, null);
        Assert.Equal(span.Id, workshop.Inbox.TraceParentOf(await workshop.Completed(again)));
    }

    [Fact]
    public async Task Every_name_that_is_emitted_is_in_the_schema_and_every_metric_of_the_schema_is_emitted()
    {
        var names = new ConcurrentDictionary<string, bool>();
        var metrics = new ConcurrentDictionary<string, bool>();
        using var spans = new ActivityListener
        {
            ShouldListenTo = source => source.Name.StartsWith("Lathe.", StringComparison.Ordinal),
            Sample = (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllDataAndRecorded,
            ActivityStopped = span =>
            {
                foreach (var tag in span.TagObjects) names[tag.Key] = true;
            },
        };
        ActivitySource.AddActivityListener(spans);
        using var meters = new MeterListener
        {
            InstrumentPublished = (instrument, own) =>
            {
                if (instrument.Meter.Name.StartsWith("Lathe.", StringComparison.Ordinal)) own.EnableMeasurementEvents(instrument);
            },
        };
        void Keep(Instrument instrument, ReadOnlySpan<KeyValuePair<string, object?>> tags)
        {
            metrics[instrument.Name] = true;
            foreach (var tag in tags) names[tag.Key] = true;
        }

        meters.SetMeasurementEventCallback<double>((instrument, _, tags, _) => Keep(instrument, tags));
        meters.SetMeasurementEventCallback<long>((instrument, _, tags, _) => Keep(instrument, tags));
        meters.Start();
        await using (var workshop = await new Workshop().StartAsync())
        {
            var command = workshop.Command(new ToyCounting());
            await workshop.Sender.SendAsync(command, null);
            await workshop.Completed(command);
        }

        var schema = Schema();
        Assert.Empty(names.Keys.Concat(metrics.Keys).Except(schema));
        Assert.Equal(
            ["lathe.images", "lathe.queue.wait", "lathe.stage.duration", "lathe.training.images_per_second"], metrics.Keys.Order());
    }

    /// <summary>The names that the schema file declares.</summary>
    private static IEnumerable<string> Schema()
    {
        using var stream = typeof(LatheTelemetry).Assembly.GetManifestResourceStream("telemetry-schema.yaml")!;
        using var reader = new StreamReader(stream);
        return [.. reader.ReadToEnd().Split('\n')
            .Select(line => line.Trim())
            .Where(line => line.StartsWith("- name: ", StringComparison.Ordinal))
            .Select(line => line["- name: ".Length..])];
    }
}
