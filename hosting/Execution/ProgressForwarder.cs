using Lathe.Contracts;
using Microsoft.Extensions.Logging;

namespace Lathe.Hosting;

/// <summary>
/// Passes a stage's progress on at a pace for people, and repeats the last word while there is nothing new. Epochs are passed on all of them: of those that end
/// faster than that, several go with one report.
/// </summary>
internal sealed class ProgressForwarder : IProgress<StageProgress>, IAsyncDisposable
{
    /// <summary>Least time between two reports within one process, where a person looks on.</summary>
    public static readonly TimeSpan Near = TimeSpan.FromMilliseconds(500);

    /// <summary>Least time between two reports over a broker, where each costs the coordinator work for each of many workers.</summary>
    public static readonly TimeSpan Far = TimeSpan.FromSeconds(2);

    /// <summary>No report says nothing for longer, and none is tried for longer.</summary>
    public static readonly TimeSpan Heartbeat = TimeSpan.FromSeconds(4);

    // A stage that ends more of them in two seconds leaves the first ones out.
    private const int MostEpochs = 500;

    private readonly TimeSpan _pace;
    private readonly Func<StageProgress, CancellationToken, Task> _send;
    private readonly ILogger _logger;
    private readonly TimeProvider _time;
    private readonly CancellationTokenSource _stop = new();
    private readonly Task _loop;
    private readonly Lock _lock = new();
    private List<EpochFigures> _ended = [];
    private EpochFigures? _lastEpoch;
    private StageProgress _last;

    public ProgressForwarder(StageProgress first, TimeSpan pace, Func<StageProgress, CancellationToken, Task> send, TimeProvider time, ILogger logger)
    {
        (_last, _pace, _send, _time, _logger) = (first, pace, send, time, logger);
        _loop = Task.Run(ForwardAsync);
    }

    public void Report(StageProgress value)
    {
        lock (_lock)
        {
            if (value.LastEpoch is { } epoch && epoch.Epoch != _lastEpoch?.Epoch)
            {
                _lastEpoch = epoch;
                if (_ended.Count < MostEpochs) _ended.Add(epoch);
            }
        }

        Volatile.Write(ref _last, value);
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _loop;
        _stop.Dispose();
        // What ended since the last report would be lost with it.
        if (_ended.Count > 0) await SendAsync(_last, CancellationToken.None);
    }

    private async Task ForwardAsync()
    {
        StageProgress? sent = null;
        var sentAt = 0L;
        using var timer = new PeriodicTimer(_pace, _time);
        try
        {
            do
            {
                var last = Volatile.Read(ref _last);
                if (ReferenceEquals(last, sent) && _time.GetElapsedTime(sentAt) < Heartbeat) continue;
                await SendAsync(last, _stop.Token);
                (sent, sentAt) = (last, _time.GetTimestamp());
            }
            while (await timer.WaitForNextTickAsync(_stop.Token));
        }
        catch (OperationCanceledException)
        {
            // The execution has ended, and its result or failure replaces its progress.
        }
    }

    private async Task SendAsync(StageProgress progress, CancellationToken stop)
    {
        List<EpochFigures> ended;
        lock (_lock) (ended, _ended) = (_ended, []);
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(stop);
        patience.CancelAfter(Heartbeat);
        try
        {
            await _send(ended.Count == 0 ? progress : progress with { Ended = ended }, patience.Token);
        }
#pragma warning disable CA1031 // Progress is worth nothing later: whatever the bus says, the execution goes on.
        catch (Exception e)
#pragma warning restore CA1031
        {
            lock (_lock) _ended = [.. ended, .. _ended];
            if (stop.IsCancellationRequested) throw;
            _logger.LogDebug(e, "progress could not be sent");
        }
    }
}
