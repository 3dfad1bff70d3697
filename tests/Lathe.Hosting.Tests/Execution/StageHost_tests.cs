using System.Diagnostics;
using System.Net;
using Lathe.Contracts;
using Lathe.Contracts.Messages;
using Lathe.Testing;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Lathe.Hosting.Tests;

[Collection(BrokerTests.Name)]
public sealed class StageHostTests(RabbitMqBroker broker)
{
    private static async Task<(int Status, string Errors)> RunAsync(params string[] args)
    {
        var before = Console.Error;
        using var errors = new StringWriter();
        Console.SetError(errors);
        try
        {
            return (await StageHost.RunAsync<ToyStage, ToyCounting>(args), errors.ToString());
        }
        finally
        {
            Console.SetError(before);
        }
    }

    [Fact]
    public async Task Without_a_broker_setting_a_worker_ends_with_one_line()
    {
        var (status, errors) = await RunAsync();
        Assert.Equal(2, status);
        Assert.Equal(
            "lathe worker toy: a worker needs a broker to take work from: set LATHE_BROKER or --broker to amqp://user:password@host:port/vhost",
            errors.TrimEnd());
    }

    [Fact]
    public async Task A_broker_that_is_not_there_is_named_within_ten_seconds()
    {
        var waited = Stopwatch.StartNew();
        var (status, errors) = await RunAsync("--broker", "amqp://me:secret@127.0.0.1:1/");
        // Not the code of a wrong setting: it may come up, and then another start helps.
        Assert.Equal(StageHost.Away, status);
        Assert.Equal(
            "lathe worker toy: no broker answers at amqp://me@127.0.0.1:1/: start one, or name another",
            errors.TrimEnd());
        Assert.InRange(waited.Elapsed.TotalSeconds, 0, 12);
    }

    [Fact]
    public async Task A_wrong_password_and_a_wrong_virtual_host_are_told_apart_from_a_missing_broker()
    {
        foreach (var address in (string[])[$"amqp://guest:wrong@127.0.0.1:{broker.Port}/", $"amqp://guest:guest@127.0.0.1:{broker.Port}/nowhere"])
        {
            var (status, errors) = await RunAsync("--broker", address);
            Assert.Equal(2, status);
            Assert.StartsWith($"lathe worker toy: the broker at {BrokerAddress.Parse(address)} refuses user 'guest'", errors, StringComparison.Ordinal);
            Assert.Single(errors.TrimEnd().Split('\n'));
        }
    }

    [Fact]
    public async Task A_worker_that_drains_does_the_work_there_is_and_ends()
    {
        await using var workshop = await new Workshop(broker.Address).StartAsync();
        var commands = Enumerable.Range(1, 3).Select(seed => workshop.Command(new ToyCounting(), seed)).ToList();
        foreach (var command in commands) await workshop.Sender.SendAsync(command, null);
        var status = await StageHost.RunAsync<ToyStage, ToyCounting>(workshop.Settings with { Drain = TimeSpan.FromSeconds(0.5) })
            .WaitAsync(TimeSpan.FromSeconds(60));
        Assert.Equal(0, status);
        foreach (var command in commands) await workshop.Completed(command);
        Assert.Equal(0, await workshop.Sender.QueueDepthAsync("toy", "1"));
    }

    [Fact]
    public async Task A_worker_of_a_pool_takes_what_is_given_to_its_pool_alone()
    {
        await using var workshop = await new Workshop(broker.Address).StartAsync();
        var (pooled, free) = (workshop.Command(new ToyCounting(), 11), workshop.Command(new ToyCounting(), 12));
        await workshop.Sender.SendAsync(free, null);
        await workshop.Sender.SendAsync(pooled, "large", null, default);
        Assert.Equal((1, 1), (await Waiting(null), await Waiting("large")));
        var drains = workshop.Settings with { Drain = TimeSpan.FromSeconds(0.5) };
        Assert.Equal(0, await StageHost.RunAsync<ToyStage, ToyCounting>(drains with { Pool = "large" }).WaitAsync(TimeSpan.FromSeconds(60)));
        await workshop.Completed(pooled);
        Assert.Equal((1, 0), (await Waiting(null), await Waiting("large")));
        Assert.Equal(0, await StageHost.RunAsync<ToyStage, ToyCounting>(drains).WaitAsync(TimeSpan.FromSeconds(60)));
        await workshop.Completed(free);

        async Task<long?> Waiting(string? pool) => (await workshop.Sender.QueueAsync("toy", "1", pool, default))?.Waiting;
    }

    [Fact]
    public async Task Announcing_makes_the_coordinators_queue_and_takes_no_work()
    {
        await using var client = new BrokerClient(BrokerAddress.Parse(broker.Address));
        await using var workshop = await new Workshop(broker.Address).StartAsync();
        await workshop.Sender.SendAsync(workshop.Command(new ToyCounting()), null);
        var before = await client.ReadyMessagesAsync(Queues.Coordinator, default) ?? 0;
        Assert.Equal(0, await StageHost.RunAsync<ToyStage, ToyCounting>(workshop.Settings with { AnnounceOnly = true }));
        await Eventually.True(
            () => client.ReadyMessagesAsync(Queues.Coordinator, default).GetAwaiter().GetResult() == before + 1, "one announcement");
        Assert.Equal(1, await workshop.Sender.QueueDepthAsync("toy", "1"));
        await StageHost.RunAsync<ToyStage, ToyCounting>(workshop.Settings with { Drain = TimeSpan.FromSeconds(0.5) });
    }

    [Fact]
    public async Task Health_is_answered_over_HTTP()
    {
        await using var workshop = await new Workshop(broker.Address).StartAsync();
        var worker = (WebApplication)await workshop.WorkerAsync(settings => settings with { HealthPort = 0 });
        using var http = new HttpClient { BaseAddress = new Uri(worker.Urls.Single().Replace("[::]", "127.0.0.1", StringComparison.Ordinal)) };
        Assert.Equal(HttpStatusCode.OK, await Status("/health/live"));
        Assert.Equal(HttpStatusCode.OK, await Status("/health/ready"));
        Assert.Equal(HttpStatusCode.NotFound, await Status("/else"));

        await worker.Services.GetRequiredService<MassTransit.IBusControl>().StopAsync();
        Assert.Equal(HttpStatusCode.OK, await Status("/health/live"));
        Assert.Equal(HttpStatusCode.ServiceUnavailable, await Status("/health/ready"));

        async Task<HttpStatusCode> Status(string path)
        {
            using var answer = await http.GetAsync(path);
            return answer.StatusCode;
        }
    }

    [Fact]
    public async Task The_doctor_finds_what_is_wrong()
    {
        using var folder = new TemporaryFolder();
        var well = HostingSettings.In(folder.Path) with { Broker = BrokerAddress.Parse(broker.Address), Threads = 1 };
        // What other tests left there.
        await using (var client = new BrokerClient(well.Broker!)) await new DeadLetters(client).DropAsync(null);
        Assert.All(await Doctor.CheckAsync(well), check => Assert.True(check.Ok, check.Message));
        var file = Path.Combine(folder.Path, "file");
        File.WriteAllText(file, "");
        var ill = well with
        {
            Store = Path.Combine(file, "store"),
            Threads = 4096,
            Broker = BrokerAddress.Parse("amqp://127.0.0.1:1/"),
        };
        var checks = (await Doctor.CheckAsync(ill)).ToDictionary(check => check.Name);
        Assert.True(checks["home"].Ok);
        Assert.False(checks["store"].Ok);
        Assert.False(checks["processors"].Ok);
        Assert.Contains("no broker answers", checks["broker"].Message, StringComparison.Ordinal);
    }
}
