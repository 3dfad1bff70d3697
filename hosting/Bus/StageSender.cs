using System.Collections.Concurrent;
using Lathe.Contracts;
using Lathe.Contracts.Messages;
using MassTransit;
using Microsoft.Extensions.DependencyInjection;
using Headers = Lathe.Contracts.Messages.Headers;

namespace Lathe.Hosting;

/// <summary>The queue of a stage, as the broker sees it.</summary>
/// <param name="Waiting">Messages that no worker has taken.</param>
/// <param name="Workers">Workers that take messages from it, busy or not.</param>
internal sealed record StageQueue(long Waiting, long Workers);

/// <summary>A coordinator's way to the stages.</summary>
internal sealed class StageSender
{
    // Keeps messages short: a sweep may have a hundred thousand executions.
    private const int CancelledAtOnce = 1000;

    private readonly IBus _bus;
    private readonly BrokerClient? _broker;
    private readonly LatheBusBuilder _parts;
    private readonly HostingSettings _settings;
    private readonly ExportDesk _desk;
    private readonly WorkerShutdown _shutdown;
    private readonly ConcurrentDictionary<string, bool> _declared = new();

    public StageSender(IBus bus, IServiceProvider services)
    {
        _bus = bus;
        _broker = services.GetService<BrokerClient>();
        _parts = services.GetRequiredService<LatheBusBuilder>();
        _settings = services.GetRequiredService<HostingSettings>();
        _desk = services.GetRequiredService<ExportDesk>();
        _shutdown = services.GetRequiredService<WorkerShutdown>();
    }

    /// <summary>Sends an execution to its stage's queue, which is made first where it is missing: nothing is dropped.</summary>
    /// <param name="command">The execution.</param>
    /// <param name="traceParent">W3C trace context of the span that made the input, or null.</param>
    /// <param name="stop">Gives up; with a broker that is away, the send waits for it.</param>
    public Task SendAsync(ExecuteStage command, string? traceParent, CancellationToken stop = default) => SendAsync(command, null, traceParent, stop);

    /// <summary>The same to a pool of the stage's workers; null: to those that are in none.</summary>
    public async Task SendAsync(ExecuteStage command, string? pool, string? traceParent, CancellationToken stop)
    {
        // Without a broker this process computes everything.
        var queue = Queues.Stage(command.Stage, command.Version, _broker is null ? null : pool);
        try
        {
            await SendOnceAsync(command, queue, traceParent, stop);
        }
        catch (MessageReturnedException)
        {
            // Somebody deleted the queue since it was declared.
            _declared.TryRemove(queue, out _);
            await SendOnceAsync(command, queue, traceParent, stop);
        }
    }

    /// <summary>Asks every worker that is up to announce itself.</summary>
    /// <param name="replyTo">Queue of the coordinator that asks.</param>
    /// <param name="stop">Gives up.</param>
    public Task AskForStagesAsync(string replyTo, CancellationToken stop = default) => _bus.Publish(new AnnounceStages(replyTo), stop);

    /// <summary>Tells every worker that is up to stop executions. A worker that gets the message of one later answers it at once.</summary>
    /// <param name="executions">What to stop.</param>
    /// <param name="stop">Gives up; with a broker that is away, the call waits for it.</param>
    public async Task CancelAsync(CancelExecutions executions, CancellationToken stop = default)
    {
        foreach (var some in executions.Executions.Chunk(CancelledAtOnce)) await _bus.Publish(new CancelExecutions(some), stop);
    }

    /// <summary>The queue of one version of a stage; null where there is none or nothing is known of it, as on the in-memory bus.</summary>
    public Task<StageQueue?> QueueAsync(string stage, string version, CancellationToken stop = default) => QueueAsync(stage, version, null, stop);

    /// <summary>The same for a pool of its workers.</summary>
    public async Task<StageQueue?> QueueAsync(string stage, string version, string? pool, CancellationToken stop) =>
        _broker is null ? null : await _broker.QueueAsync(Queues.Stage(stage, version, pool), stop);

    /// <summary>Executions of one version of a stage that wait for a worker; null where unknown.</summary>
    public async Task<long?> QueueDepthAsync(string stage, string version, CancellationToken stop = default) => (await QueueAsync(stage, version, stop))?.Waiting;

    /// <summary>Asks a stage about executions: in this process where it lives here, otherwise one of its workers, busy or not.</summary>
    /// <param name="request">The questions.</param>
    /// <param name="patience">How long a worker has to answer.</param>
    /// <param name="stop">Gives up.</param>
    /// <exception cref="LatheException">No worker answers.</exception>
    public async Task<StageChecked> CheckAsync(CheckStage request, TimeSpan patience, CancellationToken stop = default)
    {
        if (_parts.Stages.FirstOrDefault(s => s.Manifest.Name == request.Stage && s.Manifest.Version == request.Version) is { } here)
            return await Task.Run(() => here.AnswerAsync(request, _settings), stop);
        var who = $"worker of stage {request.Stage} version {request.Version}";
        return await AskAsync<CheckStage, StageChecked>(BusAddress.Check(request.Stage, request.Version), request, who, "check", patience, stop);
    }

    /// <summary>Has a checkpoint exported: in this process where it can, otherwise by a worker, busy or not.</summary>
    /// <param name="request">What to export.</param>
    /// <param name="patience">How long it may take. A worker that takes longer goes on, and the store has the export then.</param>
    /// <param name="stop">Gives up.</param>
    /// <exception cref="LatheException">No worker can, or none answers in time (<see cref="TimeoutException"/> inside).</exception>
    public async Task<CheckpointExported> ExportAsync(ExportCheckpoint request, TimeSpan patience, CancellationToken stop = default)
    {
        if (!_desk.Offers(request.Format))
            return await AskAsync<ExportCheckpoint, CheckpointExported>(BusAddress.Export(request.Format), request, $"worker that exports as {request.Format}", "export", patience, stop);
        try
        {
            return await _desk.AnswerAsync(request, _shutdown.Stopping).WaitAsync(patience, stop);
        }
        catch (TimeoutException e)
        {
            throw Late($"worker that exports as {request.Format}", patience, e);
        }
    }

    private async Task<TAnswer> AskAsync<TRequest, TAnswer>(Uri address, TRequest request, string who, string what, TimeSpan patience, CancellationToken stop)
        where TRequest : class
        where TAnswer : class
    {
        if (_broker is null) throw new LatheException($"no {who} is up", FailureKind.Transient);
        try
        {
            using var handle = _bus.CreateRequestClient<TRequest>(address, patience).Create(request, stop);
            handle.UseExecute(context =>
            {
                if (context.TryGetPayload<RabbitMqSendContext>(out var rabbit)) rabbit.Mandatory = true;
            });
            return (await handle.GetResponse<TAnswer>()).Message;
        }
        catch (RequestException e) when (e.InnerException is MessageReturnedException)
        {
            throw new LatheException($"no {who} is up", FailureKind.Transient);
        }
        catch (RequestTimeoutException e)
        {
            throw Late(who, patience, new TimeoutException(e.Message, e));
        }
        catch (RequestFaultException e)
        {
            throw new LatheException($"its {what} ended with a fault: {(e.Fault?.Exceptions is [var first, ..] ? first.Message : e.Message)}", FailureKind.Transient, e);
        }
        catch (RequestException e)
        {
            throw new LatheException($"the bus did not take the question: {e.GetBaseException().Message}", FailureKind.Transient, e);
        }
    }

    private static LatheException Late(string who, TimeSpan patience, TimeoutException e) => new($"no {who} answers within {patience.TotalSeconds:0} s", FailureKind.Transient, e);

    private async Task SendOnceAsync(ExecuteStage command, string queue, string? traceParent, CancellationToken stop)
    {
        if (_broker is not null && !_declared.ContainsKey(queue))
        {
            await _broker.DeclareStageAsync(queue, stop);
            _declared[queue] = true;
        }

        var endpoint = await _bus.GetSendEndpoint(BusAddress.Stage(queue, inMemory: _broker is null));
        await endpoint.Send(
            command,
            context =>
            {
                if (traceParent is not null) context.Headers.Set(Headers.TraceParent, traceParent);
                if (context.TryGetPayload<RabbitMqSendContext>(out var rabbit)) rabbit.Mandatory = true;
            },
            stop);
    }
}
