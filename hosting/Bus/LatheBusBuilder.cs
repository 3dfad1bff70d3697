using System.Data.Common;
using System.Net.Sockets;
using System.Text.Json;
using Lathe.Contracts;
using Lathe.Contracts.Messages;
using MassTransit;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Lathe.Hosting;

/// <summary>What a process hosts on its bus.</summary>
public sealed class LatheBusBuilder
{
    // Waiting in this process costs nothing; one that is taken in turn is then at hand.
    private const int LeastReports = 32;

    private readonly List<StageEntry> _stages = [];
    private readonly List<ReportEntry> _reports = [];
    private readonly List<ICheckpointExporter> _exporters = [];

    internal IReadOnlyList<StageEntry> Stages => _stages;

    /// <summary>False in a process that only announces its stages.</summary>
    internal bool TakesWork { get; private set; } = true;

    internal IEnumerable<string> ReportQueues => _reports.Select(r => r.Queue);

    /// <summary>Takes executions of a stage: from a broker one at a time, without one as many as there are compute slots.</summary>
    /// <exception cref="LatheException">Its manifest cannot be served.</exception>
    public LatheBusBuilder AddStage<TStage, TParameters>()
        where TStage : class, IStage<TParameters>, new()
    {
        var manifest = Manifests.Of<TStage, TParameters>();
        ManifestCheck.ThrowUnlessSound(manifest);
        _stages.Add(new StageEntry(manifest, parameters =>
        {
            var record = ParametersSchema.Read<TParameters>(manifest.Name, parameters);
            return run => new TStage().Run(run, record);
        }, StageCheck.Ask<TStage, TParameters>));
        return this;
    }

    /// <summary>Exports checkpoints for coordinators, beside the stages of this process.</summary>
    public LatheBusBuilder AddExporter(ICheckpointExporter exporter)
    {
        _exporters.Add(exporter);
        return this;
    }

    internal IReadOnlyList<ICheckpointExporter> Exporters => _exporters;

    /// <summary>Announces a stage without taking its executions.</summary>
    internal void AnnounceOnly<TStage, TParameters>()
        where TStage : class, IStage<TParameters>, new()
    {
        AddStage<TStage, TParameters>();
        TakesWork = false;
    }

    /// <summary>Takes what workers report and announce.</summary>
    /// <typeparam name="TConsumer">Consumer of <see cref="StageAnnounced"/> and of the reports (<see cref="IStageReport"/>).</typeparam>
    /// <param name="queue">
    /// <see cref="Queues.Coordinator"/> lasts; any other name is a queue that is gone with this process.
    /// </param>
    /// <param name="atATime">
    /// Messages that the consumer gets at the same time, at least 1. With 1 it gets them in order; with more it may commit many together, and a
    /// message is acknowledged as soon as its own call returns.
    /// </param>
    internal LatheBusBuilder AddReports<TConsumer>(string queue = Queues.Coordinator, int atATime = 1)
        where TConsumer : class, IConsumer
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(atATime, 1);
        _reports.Add(new ReportEntry(
            queue, atATime, bus => bus.AddConsumer<TConsumer>(), (context, endpoint) => endpoint.ConfigureConsumer<TConsumer>(context)));
        return this;
    }

    /// <summary>Whether a queue brings the executions of a stage that this process hosts.</summary>
    /// <param name="queue">Name of the queue.</param>
    /// <param name="pool">Pool of this process's workers; null: none.</param>
    internal bool IsStageQueue(string queue, string? pool) => _stages.Any(stage => stage.QueueIn(pool) == queue);

    internal void Register(IBusRegistrationConfigurator bus)
    {
        foreach (var reports in _reports) reports.Register(bus);
    }

    internal void Configure(IBusRegistrationContext context, int executions, Action<string, QueueKind, Action<IReceiveEndpointConfigurator>> receive)
    {
        foreach (var stage in TakesWork ? _stages : [])
        {
            var work = stage.QueueIn(context.GetRequiredService<HostingSettings>().Pool);
            receive(work, QueueKind.Lasting, endpoint =>
            {
                Take(endpoint, prefetch: executions, atATime: executions);
                // An execution that could not end here goes back to its queue, not to a queue of errors.
                if (!Guard(context, endpoint, work, e => e.TryGetPayload<UnderstoodMessage>(out _)))
                {
                    endpoint.RethrowFaultedMessages();
                    endpoint.ThrowOnSkippedMessages();
                }

                endpoint.PublishFaults = false;
                endpoint.Handler<ExecuteStage>(message => context.GetRequiredService<StageExecutor>().Take(stage, message));
            });
            receive(Queues.Check(stage.Manifest.Name, stage.Manifest.Version), QueueKind.Served, endpoint =>
            {
                Take(endpoint, prefetch: 2, atATime: 2);
                endpoint.PublishFaults = false;
                // Whoever asked hears of the fault, and asks again.
                endpoint.DiscardFaultedMessages();
                endpoint.DiscardSkippedMessages();
                endpoint.Handler<CheckStage>(async message => await message.RespondAsync(
                    await stage.AnswerAsync(message.Message, context.GetRequiredService<HostingSettings>())));
            });
        }

        foreach (var format in TakesWork ? _exporters.SelectMany(e => e.Formats).DistinctBy(f => f.Name) : [])
        {
            receive(Queues.Export(format.Name), QueueKind.Served, endpoint =>
            {
                Take(endpoint, prefetch: 1, atATime: 1);
                endpoint.PublishFaults = false;
                endpoint.DiscardFaultedMessages();
                endpoint.DiscardSkippedMessages();
                endpoint.Handler<ExportCheckpoint>(async message => await message.RespondAsync(
                    await context.GetRequiredService<ExportDesk>().AnswerAsync(message.Message, context.GetRequiredService<WorkerShutdown>().Stopping)));
            });
        }

        foreach (var reports in _reports)
        {
            receive(reports.Queue, BusAddress.KindOfReports(reports.Queue), endpoint =>
            {
                Take(endpoint, prefetch: Math.Max(LeastReports, reports.AtATime), atATime: reports.AtATime);
                Guard(context, endpoint, reports.Queue, e => Passes(e.Exception));
                endpoint.UseMessageRetry(retry =>
                {
                    retry.Ignore<MalformedMessageException>();
                    retry.Exponential(5, TimeSpan.FromMilliseconds(100), TimeSpan.FromSeconds(5), TimeSpan.FromMilliseconds(200));
                });
                reports.Configure(context, endpoint);
            });
        }

        if (_stages.Count == 0 || !TakesWork) return;
        var queue = $"lathe.worker.{Environment.MachineName}.{Environment.ProcessId}.{Guid.NewGuid():N}";
        receive(queue, QueueKind.Temporary, endpoint =>
        {
            endpoint.PublishFaults = false;
            Guard(context, endpoint, queue, _ => false);
            endpoint.Handler<AnnounceStages>(message => context.GetRequiredService<Announcer>().Announce(message.Message.ReplyTo, message.CancellationToken));
            endpoint.Handler<CancelExecutions>(message => context.GetRequiredService<OngoingExecutions>().CancelAsync(message.Message.Executions));
        });
    }

    /// <summary>Sends what cannot be read to the dead letters; false without a broker, which has none and whose senders are this process.</summary>
    private static bool Guard(IServiceProvider services, IReceiveEndpointConfigurator endpoint, string queue, Func<ExceptionReceiveContext, bool> comesAgain)
    {
        if (services.GetService<BrokerClient>() is not { } broker) return false;
        new PoisonMessages(queue, broker, comesAgain, services.GetRequiredService<ILogger<PoisonMessages>>()).Guard(endpoint);
        return true;
    }

    /// <summary>A report whose consumer failed over something that passes, such as a database that is away, goes back to its queue.</summary>
    private static bool Passes(Exception? e) =>
        e is not null && (e is LatheException { Kind: not FailureKind.Permanent } or DbException or IOException or SocketException or TimeoutException || Passes(e.InnerException));

    private static void Take(IReceiveEndpointConfigurator endpoint, int prefetch, int atATime)
    {
        endpoint.ConfigureConsumeTopology = false;
        endpoint.PrefetchCount = prefetch;
        endpoint.ConcurrentMessageLimit = atATime;
    }

    private sealed record ReportEntry(
        string Queue,
        int AtATime,
        Action<IBusRegistrationConfigurator> Register,
        Action<IBusRegistrationContext, IReceiveEndpointConfigurator> Configure);
}

/// <summary>A stage that this process hosts.</summary>
/// <param name="Manifest">With the schema.</param>
/// <param name="Prepare">Checks parameters and gives what runs the stage.</param>
/// <param name="Check">Says what the stage says to parameters before anything runs.</param>
internal sealed record StageEntry(
    StageManifest Manifest, Func<JsonElement, Func<StageRun, StageOutcome>> Prepare, Func<JsonElement, StageCheck, StageForecast> Check)
{
    /// <summary>The queue that brings executions of this version of the stage to a pool; null: to the workers that are in none.</summary>
    public string QueueIn(string? pool) => Queues.Stage(Manifest.Name, Manifest.Version, pool);

    // One of them may read a header or list a folder of images; all together they leave the machine to those who compute.
    private const int AtATime = 4;

    /// <summary>Answers a coordinator.</summary>
    /// <param name="request">Questions to this version of the stage.</param>
    /// <param name="settings">Where store and data lie.</param>
    public async Task<StageChecked> AnswerAsync(CheckStage request, HostingSettings settings)
    {
        var forecasts = new StageForecast[request.Questions.Count];
        await Parallel.ForAsync(0, forecasts.Length, new ParallelOptions { MaxDegreeOfParallelism = AtATime }, (i, _) =>
        {
            var question = request.Questions[i];
            var input = question.Input is { } index ? request.Inputs[index] : null;
            forecasts[i] = Ask(question.Parameters, new StageCheck(question.Dataset, input, settings));
            return ValueTask.CompletedTask;
        });
        return new StageChecked(forecasts);
    }

    private StageForecast Ask(JsonElement parameters, StageCheck context)
    {
        try
        {
            return Check(parameters, context);
        }
        catch (Exception e) when (e is not (LatheException or OutOfMemoryException))
        {
            // A check that breaks down says nothing about the parameters.
            throw new LatheException($"the check of stage {Manifest.Name} ended with {e.GetType().Name}: {e.Message}", inner: e);
        }
    }
}
