using System.Text.Json;
using Lathe.Contracts;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Lathe.Hosting;

/// <summary>
/// Training states of executions that have not ended, <c>states/&lt;key&gt;.state</c>, each with a record of its attempts.
/// A fresh execution uses a slot of its own sweep, so it never resumes from the state of another sweep.
/// </summary>
/// <param name="blobs">Folder or bucket that holds them.</param>
internal sealed class TrainingStateStore(IBlobs blobs)
{
    /// <summary>Attempts in a row that may end without progress; the next one is refused.</summary>
    public const int AttemptsWithoutProgress = 5;

    public TrainingStateStore(HostingSettings settings)
        : this(Blobs.Of(settings, "states"))
    {
    }

    /// <summary>Starts an attempt and counts it until it makes progress.</summary>
    /// <param name="key">Execution key.</param>
    /// <param name="freshFor">The sweep that wants no other's state, or null.</param>
    /// <param name="time">Measures the seconds of this attempt.</param>
    /// <param name="logger">Told of a state that is damaged; null: nobody is.</param>
    /// <exception cref="LatheException">
    /// <see cref="AttemptsWithoutProgress"/> attempts ended without progress. The record is cleared, so that a user can run it again.
    /// </exception>
    public TrainingAttempt Begin(string key, Guid? freshFor, TimeProvider time, ILogger? logger = null)
    {
        var slot = StoreKey.Checked(key) + (freshFor is { } sweep ? $"-{sweep:N}" : "");
        var attempt = new TrainingAttempt(blobs, slot, time, logger ?? NullLogger.Instance);
        attempt.Begin();
        return attempt;
    }

    /// <summary>Deletes the states of executions that nobody will ask for again, those of fresh sweeps too.</summary>
    /// <param name="keys">Execution keys.</param>
    public void Forget(IReadOnlyCollection<string> keys)
    {
        if (keys.Count == 0) return;
        var gone = keys.ToHashSet();
        foreach (var (name, _) in blobs.List("").Where(b => gone.Contains(b.Name.Split('.', '-')[0]))) blobs.Delete(name);
    }
}

/// <summary>One attempt at an execution: its training state, and the time and tries spent on it so far.</summary>
internal sealed class TrainingAttempt : ITrainingState
{
    private readonly IBlobs _blobs;
    private readonly string _state;
    private readonly string _record;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly Lock _lock = new();
    private long _startedAt;
    private double _secondsBefore;
    private int _attempts;

    internal TrainingAttempt(IBlobs blobs, string slot, TimeProvider time, ILogger logger)
    {
        _blobs = blobs;
        _state = slot + ".state";
        _record = slot + ".attempts.json";
        _time = time;
        _logger = logger;
    }

    /// <summary>Seconds spent on the execution, this attempt and the earlier ones whose work counts.</summary>
    public double Seconds => _secondsBefore + _time.GetElapsedTime(_startedAt).TotalSeconds;

    /// <inheritdoc/>
    public Stream? Open() => _blobs.Open(_state);

    /// <inheritdoc/>
    public void Save(Action<Stream> write)
    {
        _blobs.Write(stream =>
        {
            write(stream);
            return _state;
        });
        Record(attempts: 0);
    }

    /// <inheritdoc/>
    public void Damaged(string how)
    {
        _logger.LogWarning("{File} is damaged: {How}. The stage starts over from its beginning", _blobs.PlaceOf(_state), how);
        // The progress of earlier attempts no longer counts.
        _secondsBefore = 0;
        Record(_attempts);
    }

    /// <summary>The worker outlived the attempt, called off or failed with a report: it does not count as one without progress.</summary>
    internal void CalledOff() => Record(Math.Max(0, _attempts - 1));

    /// <summary>The result is committed: nothing is left to resume.</summary>
    internal void Finished() => Clear();

    internal void Begin()
    {
        _startedAt = _time.GetTimestamp();
        var earlier = ReadRecord();
        _secondsBefore = earlier.Seconds;
        _attempts = earlier.Attempts + 1;
        if (_attempts > TrainingStateStore.AttemptsWithoutProgress)
        {
            Clear();
            throw new LatheException(
                $"{earlier.Attempts} attempts in a row ended without progress, the last one on {earlier.Machine}: the worker died each time "
                + "before it saved a state: it was killed, ran out of memory, or native code ended it. "
                + "See the worker's log and its memory limit; the next sweep that asks for this execution starts it again");
        }

        if (earlier.Attempts > 0)
        {
            _logger.LogWarning(
                "a worker on {Machine} died while it computed this, before it saved a state; that makes {Attempts}, and after {Most} the execution fails",
                earlier.Machine, earlier.Attempts, TrainingStateStore.AttemptsWithoutProgress);
        }

        Record(_attempts);
    }

    private AttemptRecord ReadRecord()
    {
        try
        {
            using var record = _blobs.Open(_record);
            return record is null ? AttemptRecord.None : JsonSerializer.Deserialize<AttemptRecord>(record, LatheJson.Options) ?? AttemptRecord.None;
        }
        catch (JsonException)
        {
            return AttemptRecord.None;
        }
    }

    private void Record(int attempts)
    {
        lock (_lock)
        {
            _attempts = attempts;
            _blobs.Write(stream =>
            {
                JsonSerializer.Serialize(stream, new AttemptRecord(attempts, Seconds, Environment.MachineName), LatheJson.Options);
                return _record;
            });
        }
    }

    private void Clear()
    {
        _blobs.Delete(_state);
        _blobs.Delete(_record);
    }

    private sealed record AttemptRecord(int Attempts, double Seconds, string Machine)
    {
        public static AttemptRecord None { get; } = new(0, 0, "");
    }
}
