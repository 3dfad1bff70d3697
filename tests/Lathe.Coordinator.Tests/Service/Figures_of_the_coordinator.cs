using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using Lathe.Contracts;
using Lathe.Hosting;
using static Lathe.Coordinator.Tests.Stages;

namespace Lathe.Coordinator.Tests;

public sealed class Figures_of_the_coordinator
{
    [Fact]
    public async Task Say_how_many_executions_are_where_what_failed_and_how_long_messages_wait()
    {
        // A name of its own: other tests measure at the same time.
        const string stage = "metered";
        var seen = new ConcurrentQueue<(string Name, double Value, string State, string Kind)>();
        using var listener = new MeterListener
        {
            InstrumentPublished = (instrument, it) =>
            {
                if (instrument.Meter.Name == CoordinatorTelemetry.Name) it.EnableMeasurementEvents(instrument);
            },
        };
        listener.SetMeasurementEventCallback<long>((instrument, value, tags, _) => Take(instrument, value, tags));
        listener.SetMeasurementEventCallback<double>((instrument, value, tags, _) => Take(instrument, value, tags));
        listener.Start();

        using var bench = await Workbench.StartAsync();
        await bench.Catalog.AddAsync(Train with { Name = stage });
        await bench.SubmitAsync(Sweep((stage, """{"epochs": [1, 2, 3]}""")));
        var commands = bench.Bus.Take();
        await bench.FinishAsync(commands[0]);
        await bench.HearAsync(commands[1]);
        await bench.FailAsync(commands[1], FailureKind.Transient);
        bench.Time.Advance(TimeSpan.FromSeconds(20));
        await bench.ReconcileAsync();
        await bench.ReconcileAsync();

        Assert.Equal(3, seen.Count(s => s.Name == "lathe.dispatch.latency"));
        Assert.All(seen.Where(s => s.Name == "lathe.dispatch.latency"), s => Assert.Equal(0, s.Value));
        Assert.Equal(("transient", 1.0), seen.Where(s => s.Name == "lathe.failures").Select(s => (s.Kind, s.Value)).Single());
        Assert.Equal(1, seen.Count(s => s.Name == "lathe.resends"));
        Assert.Equal((1, 2), (Last("finished"), Last("queued")));
        Assert.Equal(20, seen.Where(s => s.Name == "lathe.queue.age").Select(s => s.Value).Max());

        double Last(string state) => seen.Last(s => s.Name == "lathe.executions" && s.State == state).Value;

        void Take(Instrument instrument, double value, ReadOnlySpan<KeyValuePair<string, object?>> tags)
        {
            var all = tags.ToArray().ToDictionary(t => t.Key, t => t.Value?.ToString() ?? "");
            if (all.GetValueOrDefault(LatheTelemetry.Stage) != stage) return;
            seen.Enqueue((instrument.Name, value, all.GetValueOrDefault(CoordinatorTelemetry.State, ""), all.GetValueOrDefault(CoordinatorTelemetry.Kind, "")));
        }
    }
}
