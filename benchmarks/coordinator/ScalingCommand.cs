using System.Collections.Concurrent;
using System.Globalization;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Lathe.Contracts;
using Lathe.Contracts.Messages;
using Lathe.Contracts.Panels;
using Lathe.Hosting;
using Lathe.Reports.Drawings;
using Lathe.Reports.Pictures;
using Lathe.Testing;
using RabbitMQ.Client;
using RabbitMQ.Client.Events;

namespace Lathe.Benchmarks.Coordinator;

/// <summary>
/// A burst of executions that KEDA's ScaledJob scales, without a cluster: coordinator, broker and database are real, and the queue's length is read every 10 s at the broker's
/// management address, as KEDA does. New jobs = min(ceil(length / value), maxReplicaCount) less jobs that are not finished: KEDA's strategy <c>default</c>. A job is a worker that
/// starts after a while, takes one message at a time and ends when nothing came for 60 s. Some workers are preempted: half of them are told and put their message back with what
/// was done, half of them vanish and lose what was done since the last epoch. Their job starts them again, since <c>podFailurePolicy</c> ignores disruptions.
/// </summary>
internal sealed class ScalingCommand(ScalingOptions options) : IAsyncDisposable
{
    private readonly ConcurrentDictionary<string, double> _done = new();
    private readonly Random _random = new(options.Seed);
    private readonly Lock _lock = new();
    private readonly List<Task> _jobs = [];
    private readonly List<Sample> _samples = [];
    private IConnection _connection = null!;
    private int _unfinished, _working, _completed, _preempted, _created;
    private double _repeated;

    public static async Task RunAsync(ScalingOptions options)
    {
        await using var command = new ScalingCommand(options);
        await command.RunAsync();
    }

    public async ValueTask DisposeAsync()
    {
        if (_connection is not null) await _connection.DisposeAsync();
    }

    private async Task RunAsync()
    {
        var broker = new RabbitMqBroker { ManagementPort = PrivateServer.FreePort() };
        var server = new PostgreSqlServer { IsDurable = true };
        await Task.WhenAll(broker.InitializeAsync().AsTask(), server.InitializeAsync().AsTask());
        var home = Directory.CreateTempSubdirectory("lathe-scaling-").FullName;
        try
        {
            var http = $"http://127.0.0.1:{PrivateServer.FreePort()}";
            using var coordinator = await Part.StartAsync(["coordinator", broker.Address, home, http], new() { ["LATHE_DATABASE"] = await server.CreateDatabaseAsync() });
            using var client = new HttpClient { BaseAddress = new Uri(http + "/") };
            using var management = new HttpClient { BaseAddress = new Uri($"http://127.0.0.1:{broker.ManagementPort}/") };
            management.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Basic", Convert.ToBase64String(Encoding.ASCII.GetBytes("guest:guest")));
            await using var declaring = new BrokerClient(BrokerAddress.Parse(broker.Address));
            await declaring.DeclareStageAsync(StubWorker.First.Name, StubWorker.First.Version, default);
            _connection = await new ConnectionFactory { Uri = new Uri(broker.Address), RequestedChannelMax = 2047 }.CreateConnectionAsync();
            await using (var channel = await _connection.CreateChannelAsync()) await StubWorker.SendAsync(channel, new StageAnnounced(StubWorker.First, "announce"));
            var sweep = await Sweeps.SubmitAsync(client, new SweepSubmission(Sweeps.Of("burst", 0, options.Executions, hasSecond: false), Fresh: true));
            await ScaleAsync(management, client, sweep);
        }
        finally
        {
            await broker.DisposeAsync();
            await server.DisposeAsync();
            Directory.Delete(home, recursive: true);
        }

        Write();
    }

    /// <summary>The part of KEDA: until the sweep is over and all workers have gone.</summary>
    private async Task ScaleAsync(HttpClient management, HttpClient client, Guid sweep)
    {
        var began = DateTime.UtcNow;
        for (;;)
        {
            var queue = await management.GetFromJsonNodeAsync($"api/queues/%2F/{Queues.Stage(StubWorker.First.Name, StubWorker.First.Version)}");
            // Both kinds: excludeUnacknowledged is "false".
            var length = queue?["messages"]?.GetValue<int>() ?? 0;
            var most = Math.Min(length, options.Replicas);
            for (var i = Math.Max(0, most - Volatile.Read(ref _unfinished)); i > 0; i--)
            {
                Interlocked.Increment(ref _unfinished);
                _created++;
                _jobs.Add(Task.Run(JobAsync));
            }

            _samples.Add(new Sample((DateTime.UtcNow - began).TotalSeconds, length, Volatile.Read(ref _unfinished), Volatile.Read(ref _working), Volatile.Read(ref _completed)));
            var state = (await Sweeps.StatusAsync(client, sweep)).State;
            if (state is not (SweepState.Running or SweepState.Preparing) && Volatile.Read(ref _unfinished) == 0) break;
            await Task.Delay(options.Poll);
        }

        await Task.WhenAll(_jobs);
    }

    private async Task JobAsync()
    {
        try
        {
            while (true)
            {
                await Task.Delay(options.Start);
                if (!await WorkAsync()) return;
                Interlocked.Increment(ref _preempted);
            }
        }
        finally
        {
            Interlocked.Decrement(ref _unfinished);
        }
    }

    /// <returns>True where the worker was preempted.</returns>
    private async Task<bool> WorkAsync()
    {
        double life;
        bool isTold;
        lock (_lock) (life, isTold) = (-options.MeanLife.TotalSeconds * Math.Log(1 - _random.NextDouble()), _random.Next(2) == 0);
        using var preemption = new CancellationTokenSource(TimeSpan.FromSeconds(Math.Min(life, 1e6)));
        await using var channel = await _connection.CreateChannelAsync();
        await channel.BasicQosAsync(0, 1, false);
        var lastWork = DateTime.UtcNow;
        var isBusy = 0;
        var ended = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var consumer = new AsyncEventingBasicConsumer(channel);
        consumer.ReceivedAsync += async (_, delivery) =>
        {
            Interlocked.Increment(ref isBusy);
            Interlocked.Increment(ref _working);
            var command = JsonNode.Parse(delivery.Body.Span)!["data"]!;
            var (id, attempt, key) = (command["executionId"]!.GetValue<Guid>(), command["attempt"]!.GetValue<int>(), command["key"]!.GetValue<string>());
            var before = _done.GetValueOrDefault(key);
            var start = DateTime.UtcNow;
            try
            {
                await StubWorker.SendAsync(channel, new StageStarted(id, attempt, key, StubWorker.First.Name, "simulated", 0));
                await Task.Delay(TimeSpan.FromSeconds(Math.Max(0, options.Seconds - before)), preemption.Token);
                var output = Convert.ToHexStringLower(SHA256.HashData(Encoding.ASCII.GetBytes(key)));
                await StubWorker.SendAsync(channel, new StageCompleted(
                    id, attempt, key, StubWorker.First.Name, new CheckpointRef(output, 100),
                    new Dictionary<string, double> { ["top1"] = 0.9, ["loss"] = 0.3, ["parameters"] = 44426, ["multiplications"] = 281640, ["bytes"] = 12000 }, options.Seconds));
                await channel.BasicAckAsync(delivery.DeliveryTag, false);
                Interlocked.Increment(ref _completed);
            }
            catch (OperationCanceledException)
            {
                var reached = before + (DateTime.UtcNow - start).TotalSeconds;
                var epoch = options.Seconds / options.Epochs;
                var kept = isTold ? reached : Math.Floor(reached / epoch) * epoch;
                _done[key] = kept;
                lock (_lock) _repeated += reached - kept;
                if (isTold)
                {
                    // First no more messages, or the broker gives it the same one again.
                    await channel.BasicCancelAsync(consumer.ConsumerTags[0]);
                    await channel.BasicNackAsync(delivery.DeliveryTag, false, requeue: true);
                }
            }
            finally
            {
                Interlocked.Decrement(ref _working);
                lastWork = DateTime.UtcNow;
                Interlocked.Decrement(ref isBusy);
                // Whoever closes the channel waits for this.
                if (preemption.IsCancellationRequested) ended.TrySetResult();
            }
        };
        await channel.BasicConsumeAsync(Queues.Stage(StubWorker.First.Name, StubWorker.First.Version), false, consumer);
        while (true)
        {
            await Task.Delay(200);
            if (preemption.IsCancellationRequested)
            {
                if (Volatile.Read(ref isBusy) > 0) await ended.Task;
                return true;
            }

            if (Volatile.Read(ref isBusy) == 0 && DateTime.UtcNow - lastWork > options.Drain) return false;
        }
    }

    private void Write()
    {
        var culture = CultureInfo.InvariantCulture;
        File.WriteAllLines(options.To + ".csv", _samples.Select(s => string.Create(culture, $"{s.Seconds:0},{s.Length},{s.Jobs},{s.Working},{s.Completed}")).Prepend("seconds,messages,jobs,working,completed"));
        Line Of(string name, Func<Sample, double> value) => new(name, [.. _samples.Select(s => s.Seconds / 60)], [.. _samples.Select(s => (double?)value(s))]);
        var chart = new LineChart(
            "scaling", $"{options.Executions:N0} prunings of {options.Seconds:0} s, at most {options.Replicas} workers", new AxisInfo("minutes"), new AxisInfo("", FromZero: true),
            [Of("messages in the queue, taken ones included", s => s.Length), Of("jobs that are not finished", s => s.Jobs), Of("workers that compute", s => s.Working)]);
        File.WriteAllText(options.To + ".svg", SvgPicture.File(PanelDrawing.Of(chart)!, chart.Title));
        var busy = _samples.TakeWhile(s => s.Completed < options.Executions).ToList();
        var full = busy.FirstOrDefault(s => s.Jobs >= options.Replicas);
        Console.WriteLine(string.Create(culture, $"""
            | executions | seconds each | most workers | all workers there after | work ended after | least possible | jobs that KEDA made | preemptions | work done again | last worker gone after |
            |---|---|---|---|---|---|---|---|---|---|
            | {options.Executions} | {options.Seconds:0} | {_samples.Max(s => s.Jobs)} | {full?.Seconds:0} s | {busy.Last().Seconds:0} s | {options.Executions * options.Seconds / options.Replicas:0} s | {_created} | {_preempted} | {_repeated:0} s | {_samples.Last().Seconds:0} s |
            """));
    }

    private sealed record Sample(double Seconds, int Length, int Jobs, int Working, int Completed);
}

/// <summary>A burst and what scales it.</summary>
/// <param name="Executions">How many there are.</param>
/// <param name="Seconds">Time that each takes.</param>
/// <param name="Replicas"><c>maxReplicaCount</c>.</param>
/// <param name="MeanLife">Mean time until a worker's node is taken away.</param>
/// <param name="Seed">Of the preemptions.</param>
/// <param name="To">Path without extension of the CSV and the SVG.</param>
internal sealed record ScalingOptions(int Executions, double Seconds, int Replicas, TimeSpan MeanLife, int Seed, string To)
{
    /// <summary><c>pollingInterval</c> of the manifests.</summary>
    public TimeSpan Poll { get; } = TimeSpan.FromSeconds(10);

    /// <summary>From a job to a worker that takes work.</summary>
    public TimeSpan Start { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary><c>LATHE_DRAIN</c> of the manifests.</summary>
    public TimeSpan Drain { get; } = TimeSpan.FromSeconds(60);

    /// <summary>Epochs of one execution: what a worker that vanishes loses is at most one of them.</summary>
    public int Epochs { get; } = 10;
}

internal static class JsonAnswers
{
    /// <summary>Null where there is no such thing yet.</summary>
    public static async Task<JsonNode?> GetFromJsonNodeAsync(this HttpClient client, string path)
    {
        using var answer = await client.GetAsync(path);
        return answer.IsSuccessStatusCode ? JsonNode.Parse(await answer.Content.ReadAsStringAsync()) : null;
    }
}
