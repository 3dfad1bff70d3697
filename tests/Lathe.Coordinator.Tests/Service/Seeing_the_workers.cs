using Lathe.Contracts.Messages;
using Microsoft.EntityFrameworkCore;

namespace Lathe.Coordinator.Tests;

/// <summary>Who is there, what each does, and what waits.</summary>
public sealed class Seeing_the_workers
{
    [Fact]
    public async Task Each_says_what_it_computes_and_since_when()
    {
        await using var bench = await HttpBench.StartAsync(options: o => o with { LeastBacklog = 1, Backlog = 1 });
        var id = await bench.SubmitAsync(HttpBench.Held("busy"));
        await bench.RunsAsync(id);

        var workers = await bench.GetAsync<List<WorkerAnswer>>("/workers");
        var queues = await bench.GetAsync<List<QueueAnswer>>("/queues");

        Assert.Equal(["hold", "make", "measure"], workers.Select(w => w.Stage));
        Assert.All(workers, w => Assert.True(w is { IsCurrent: true, About: { Threads: 1, Lathe: "0.1.0" } } && w.About.StartedAt < w.HeardAt));
        var busy = Assert.Single(workers[0].Executions);
        Assert.Equal((id, "held", 0, "holding"), (busy.Sweep, busy.Name, busy.Index, busy.Progress!.Phase));
        Assert.NotNull(busy.StartedAt);
        Assert.Empty(workers[1].Executions);
        Assert.Equal([new QueueAnswer("hold", "1", true, 1, null, 0, 0, 0, 1), new QueueAnswer("make", "1", true, 1, null, 0, 0, 0, 0), new QueueAnswer("measure", "1", true, 1, null, 0, 0, 0, 0)], queues);
    }

    [Fact]
    public async Task One_that_does_not_answer_any_more_is_left_out()
    {
        await using var bench = await HttpBench.StartAsync();
        await bench.Service<WorkerRoster>().HearAsync(new StageAnnounced(HoldStage.Manifest with { Version = "0" }, "gone:1:hold"));
        await using (var database = bench.Service<CoordinatorStore>().Open())
            await database.Workers.Where(w => w.Name == "gone:1:hold").ExecuteUpdateAsync(s => s.SetProperty(w => w.HeardAt, DateTimeOffset.UtcNow.AddMinutes(-5)));
        await bench.Service<WorkerRoster>().HearAsync(new StageAnnounced(MakeStage.Manifest with { Version = "0" }, "new:1:make"));

        var workers = await bench.GetAsync<List<WorkerAnswer>>("/workers");

        Assert.DoesNotContain(workers, w => w.Name == "gone:1:hold");
        Assert.Equal((false, null), Assert.Single(workers, w => w.Name == "new:1:make") is var other ? (other.IsCurrent, other.About) : default);
        Assert.Contains(new QueueAnswer("make", "0", false, 1, null, 0, 0, 0, 0), await bench.GetAsync<List<QueueAnswer>>("/queues"));
    }
}
