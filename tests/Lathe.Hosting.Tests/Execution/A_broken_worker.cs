using System.Net;
using Lathe.Contracts;
using Lathe.Contracts.Messages;
using Lathe.Testing;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Time.Testing;
using RabbitMQ.Client;

namespace Lathe.Hosting.Tests;

[Collection(BrokerTests.Name)]
public sealed class ABrokenWorker(RabbitMqBroker broker)
{
    [Fact]
    public async Task It_stops_taking_work_for_a_while_and_longer_each_time_until_it_succeeds()
    {
        await using var workshop = await new Workshop(broker.Address).StartAsync();
        using var elsewhere = new TemporaryFolder();
        var time = new FakeTimeProvider(DateTimeOffset.UtcNow);
        using var worker = Worker(workshop.Settings with { Home = elsewhere.Path }, time);
        await worker.StartAsync();
        for (var seed = 1; seed <= 5; seed++) await workshop.Sender.SendAsync(workshop.Command(new ToyCounting(), seed), null);

        await Failures(3, waiting: 2);
        await Readers(0);
        Assert.All(workshop.Inbox.All<StageFailed>(), failed => Assert.Equal(FailureKind.Elsewhere, failed.Kind));
        var health = await Health();
        Assert.Equal(HealthStatus.Unhealthy, health.Status);
        Assert.StartsWith("takes no work: 3 executions in a row failed for a reason of this worker, the last one: data set mnist", health.Description, StringComparison.Ordinal);

        // After the first pause it tries one more.
        time.Advance(WorkerFitness.FirstPause);
        await Failures(4, waiting: 1);
        Assert.Equal(HealthStatus.Unhealthy, (await Health()).Status);

        // The second pause is twice as long. Meanwhile somebody brings the data.
        var data = Path.Combine(elsewhere.Path, "data");
        Directory.CreateDirectory(data);
        Directory.Move(Path.Combine(workshop.Settings.Home, "data", "mnist"), Path.Combine(data, "mnist"));
        time.Advance(WorkerFitness.FirstPause);
        Assert.Equal(HealthStatus.Unhealthy, (await Health()).Status);
        Assert.Empty(workshop.Inbox.All<StageCompleted>());
        time.Advance(WorkerFitness.FirstPause);
        await Eventually.True(() => workshop.Inbox.All<StageCompleted>().Count == 1, "the last one is computed");
        Assert.Equal(HealthStatus.Healthy, (await Health()).Status);
        Assert.Equal(4, workshop.Inbox.All<StageFailed>().Count);
        await Readers(1);
        await worker.StopAsync();
        await Readers(0);

        Task Failures(int count, int waiting) => Eventually.True(
            () => workshop.Inbox.All<StageFailed>().Count == count && Waiting() == waiting,
            $"{count} failures, and {waiting} messages wait");

        Task Readers(int count) => Eventually.True(() => workshop.Sender.QueueAsync("toy", "1").GetAwaiter().GetResult()?.Workers == count, $"{count} workers take messages");

        long? Waiting() => workshop.Sender.QueueDepthAsync("toy", "1").GetAwaiter().GetResult();

        Task<HealthCheckResult> Health() => worker.Services.GetRequiredService<WorkerFitness>().CheckHealthAsync(new HealthCheckContext());
    }

    [Fact]
    public async Task It_leaves_the_work_to_a_good_one_and_its_health_says_why()
    {
        await using var workshop = await new Workshop(broker.Address).StartAsync();
        using var elsewhere = new TemporaryFolder();
        var bad = (WebApplication)await workshop.WorkerAsync(settings => settings with { Home = elsewhere.Path, HealthPort = 0 });
        var commands = Enumerable.Range(1, 6).Select(seed => workshop.Command(new ToyCounting(), seed)).ToList();
        foreach (var command in commands) await workshop.Sender.SendAsync(command, null);
        await Eventually.True(() => workshop.Inbox.All<StageFailed>().Count == 3, "three failures");
        await workshop.WorkerAsync();
        // As a coordinator does.
        foreach (var failed in workshop.Inbox.All<StageFailed>())
            await workshop.Sender.SendAsync(commands.Single(c => c.ExecutionId == failed.ExecutionId) with { Attempt = 2 }, null);
        await Eventually.True(() => workshop.Inbox.All<StageCompleted>().Count == 6, "everything is computed");
        Assert.Equal(3, workshop.Inbox.All<StageFailed>().Count);

        using var http = new HttpClient { BaseAddress = new Uri(bad.Urls.Single().Replace("[::]", "127.0.0.1", StringComparison.Ordinal)) };
        using var ready = await http.GetAsync("/health/ready");
        Assert.Equal(HttpStatusCode.ServiceUnavailable, ready.StatusCode);
        Assert.Contains("worker: takes no work: 3 executions in a row failed", await ready.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        using var live = await http.GetAsync("/health/live");
        Assert.Equal(HttpStatusCode.OK, live.StatusCode);
    }

    [Fact]
    public async Task Work_for_another_device_does_not_make_a_worker_pause()
    {
        await using var workshop = await new Workshop(broker.Address).StartAsync();
        await workshop.WorkerAsync(s => s with { Device = new ComputeDevice(DeviceKind.Cpu) });
        for (var seed = 1; seed <= 4; seed++) await workshop.Sender.SendAsync(workshop.Command(new ToyCounting(), seed, device: DeviceKind.Cuda), null);
        var own = workshop.Command(new ToyCounting());
        await workshop.Sender.SendAsync(own, null);
        await workshop.Completed(own);
        Assert.Equal(4, workshop.Inbox.All<StageFailed>().Count(failed => failed.Kind == FailureKind.Elsewhere));
    }

    [Fact]
    public async Task An_execution_whose_start_cannot_be_reported_is_computed_all_the_same()
    {
        await using var workshop = await new Workshop(broker.Address).StartAsync();
        var queue = $"lathe.test.{Guid.NewGuid():N}";
        var connection = await new ConnectionFactory { Uri = new Uri(broker.Address) }.CreateConnectionAsync();
        await using (connection)
        {
            await using var channel = await connection.CreateChannelAsync();
            // Not what a worker expects of a coordinator's exchange: the broker refuses its report.
            await channel.ExchangeDeclareAsync(queue, ExchangeType.Direct, durable: true);
            var hook = Guid.NewGuid().ToString("N");
            var runs = 0;
            ToyStage.Hooks[hook] = (step, _) =>
            {
                if (step != 0) return;
                runs++;
                channel.ExchangeDeleteAsync(queue, cancellationToken: CancellationToken.None).GetAwaiter().GetResult();
            };
            await workshop.WorkerAsync();
            var command = workshop.Command(new ToyCounting(2, hook)) with { ReplyTo = queue };
            await workshop.Sender.SendAsync(command, null);
            await Eventually.True(() => new ResultStore(workshop.Settings).Find(command.Key) is not null, "a result");
            Assert.Equal(1, runs);
        }
    }

    private static IHost Worker(HostingSettings settings, TimeProvider time)
    {
        var builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings());
        builder.Services.AddSingleton(time);
        builder.Services.AddLatheBus(settings, bus => bus.AddStage<ToyStage, ToyCounting>());
        return builder.Build();
    }
}
