using Lathe.Contracts.Messages;
using Lathe.Testing;
using Microsoft.Extensions.Hosting;

namespace Lathe.Hosting.Tests;

/// <summary>A worker in the middle of a run, behind a network that fails on demand.</summary>
public sealed class LossyWorker : IAsyncDisposable
{
    private readonly List<int> _steps = [];
    private readonly ManualResetEventSlim _reached = new();

    private LossyWorker(Workshop workshop, TcpRelay relay) => (Workshop, Relay) = (workshop, relay);

    public Workshop Workshop { get; }

    public TcpRelay Relay { get; }

    public IHost Worker { get; private set; } = null!;

    public ExecuteStage Command { get; private set; } = null!;

    /// <summary>Lets the run go on.</summary>
    public ManualResetEventSlim Proceed { get; } = new();

    /// <summary>Steps taken, by whatever worker.</summary>
    public IReadOnlyList<int> Steps
    {
        get
        {
            lock (_steps) return [.. _steps];
        }
    }

    /// <summary>Starts it, and returns once its run has reached a step, where it waits for <see cref="Proceed"/>.</summary>
    public static async Task<LossyWorker> StartAsync(RabbitMqBroker broker, ToyCounting counting, int from = 0)
    {
        var relay = new TcpRelay(broker.Port);
        var lossy = new LossyWorker(await new Workshop(broker.Address).StartAsync(), relay);
        var hook = Guid.NewGuid().ToString("N");
        ToyStage.Hooks[hook] = (step, stop) =>
        {
            lock (lossy._steps) lossy._steps.Add(step);
            if (step < from) return;
            lossy._reached.Set();
            lossy.Proceed.Wait(stop);
        };
        lossy.Worker = await lossy.Workshop.WorkerAsync(s => s with { Broker = BrokerAddress.Parse($"amqp://guest:guest@127.0.0.1:{relay.Port}/") });
        lossy.Command = lossy.Workshop.Command(counting with { Hook = hook });
        await lossy.Workshop.Sender.SendAsync(lossy.Command, null);
        Assert.True(lossy._reached.Wait(TimeSpan.FromSeconds(20)));
        return lossy;
    }

    /// <summary>Cuts the connection, keeps new ones out, and returns once the broker has put the message back.</summary>
    public async Task LoseConnectionAsync()
    {
        Relay.IsOpen = false;
        Relay.CutAll();
        await Eventually.True(() => Waiting == 1, "the message is back in its queue");
    }

    /// <summary>Lets connections through again, and returns once the worker has one and the message with it.</summary>
    public async Task RegainConnectionAsync()
    {
        Relay.IsOpen = true;
        await Eventually.True(() => Relay.Connections > 0 && Waiting == 0, "the worker connects again and gets the message again");
    }

    public async ValueTask DisposeAsync()
    {
        Proceed.Set();
        await Workshop.DisposeAsync();
        await Relay.DisposeAsync();
        _reached.Dispose();
        Proceed.Dispose();
    }

    private long? Waiting => Workshop.Sender.QueueDepthAsync("toy", "1").GetAwaiter().GetResult();
}
