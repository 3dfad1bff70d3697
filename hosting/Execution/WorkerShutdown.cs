using Microsoft.Extensions.Hosting;

namespace Lathe.Hosting;

/// <summary>Tells running stages that the worker has to go.</summary>
internal sealed class WorkerShutdown(IHostApplicationLifetime lifetime)
{
    /// <summary>Executions whose threads stand still (<see cref="NativeExceptions"/>) before a worker ends to free what they hold.</summary>
    public const int MostStanding = 10;

    public CancellationToken Stopping => lifetime.ApplicationStopping;

    /// <summary>Ends the worker as SIGTERM does.</summary>
    public void Stop() => lifetime.StopApplication();
}

/// <summary>Whether this process works on something, and since when not.</summary>
internal sealed class WorkerActivity
{
    private readonly Lock _lock = new();
    private readonly TimeProvider _time;
    private int _running;
    private long _idleSince;

    public WorkerActivity(TimeProvider time)
    {
        _time = time;
        _idleSince = time.GetTimestamp();
    }

    /// <summary>Time since the last execution ended; zero while one runs.</summary>
    public TimeSpan Idle
    {
        get
        {
            lock (_lock) return _running > 0 ? TimeSpan.Zero : _time.GetElapsedTime(_idleSince);
        }
    }

    /// <summary>Counts an execution until disposed.</summary>
    public IDisposable Begin()
    {
        lock (_lock) _running++;
        return new Running(this);
    }

    private sealed class Running(WorkerActivity activity) : IDisposable
    {
        public void Dispose()
        {
            lock (activity._lock)
            {
                activity._running--;
                activity._idleSince = activity._time.GetTimestamp();
            }
        }
    }
}
