using Lathe.Contracts.Messages;
using Lathe.Hosting;

namespace Lathe.Coordinator.Tests;

/// <summary>A bus without workers: keeps what it is given, and loses it where told to.</summary>
internal sealed class RecordingBus : IStageBus
{
    private readonly Lock _lock = new();
    private readonly List<(ExecuteStage Command, string? TraceParent)> _sent = [];

    public long? Depth { get; set; }

    /// <summary>Workers of every stage; counts where the depth is known.</summary>
    public long Workers { get; set; } = 1;

    public bool IsDown { get; set; }

    public Func<Task>? OnAsked { get; set; }

    public IReadOnlyList<(ExecuteStage Command, string? TraceParent)> Sent
    {
        get
        {
            lock (_lock) return [.. _sent];
        }
    }

    /// <summary>What was sent since the last look.</summary>
    public IReadOnlyList<ExecuteStage> Take()
    {
        lock (_lock)
        {
            var taken = _sent.Skip(_taken).Select(s => s.Command).ToList();
            _taken = _sent.Count;
            return taken;
        }
    }

    private int _taken;

    public Task SendAsync(ExecuteStage command, string? pool, string? traceParent, CancellationToken stop)
    {
        if (IsDown) throw new IOException("the broker is away");
        lock (_lock)
        {
            _sent.Add((command, traceParent));
            Pools[command.ExecutionId] = pool;
        }

        return Task.CompletedTask;
    }

    /// <summary>Pool that each execution was sent to last; null: none.</summary>
    public Dictionary<Guid, string?> Pools { get; } = [];

    /// <summary>What was cancelled.</summary>
    public List<CancelledExecution> Cancelled { get; } = [];

    public Task CancelAsync(CancelExecutions executions, CancellationToken stop)
    {
        if (IsDown) throw new IOException("the broker is away");
        lock (_lock) Cancelled.AddRange(executions.Executions);
        return Task.CompletedTask;
    }

    public Task<StageQueue?> QueueAsync(WorkQueue queue, CancellationToken stop) =>
        IsDown ? throw new IOException("the broker is away") : Task.FromResult(Depth is { } waiting ? new StageQueue(waiting, Workers) : null);

    /// <summary>What a stage says to a question; by default nothing.</summary>
    public Func<CheckStage, StageQuestion, StageForecast> OnChecked { get; set; } = (_, _) => StageForecast.Unknown;

    /// <summary>What was asked.</summary>
    public List<CheckStage> Asked { get; } = [];

    public Task<StageChecked> CheckAsync(CheckStage request, TimeSpan patience, CancellationToken stop)
    {
        Asked.Add(request);
        return Task.FromResult(new StageChecked([.. request.Questions.Select(question => OnChecked(request, question))]));
    }

    public Task AskForStagesAsync(string replyTo, CancellationToken stop) => OnAsked?.Invoke() ?? Task.CompletedTask;
}
