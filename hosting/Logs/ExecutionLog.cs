using System.Globalization;
using Lathe.Contracts;
using Microsoft.Extensions.Logging;

namespace Lathe.Hosting;

/// <summary>
/// The log of one execution while it runs here: what its stage logs, its phases and epochs. It goes on after the lines of earlier attempts, and lies in the store
/// a moment later, so that anybody can read it wherever the worker is.
/// </summary>
internal sealed class ExecutionLog : ILogger, IProgress<StageProgress>, IAsyncDisposable
{
    private static readonly TimeSpan Near = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan Far = TimeSpan.FromSeconds(10);

    private readonly ExecutionLogs _store;
    private readonly string _key;
    private readonly string _worker;
    private readonly int _attempt;
    private readonly ILogger _logger;
    private readonly Secrets _secrets;
    private readonly TimeProvider _time;
    private readonly Lock _lock = new();
    private readonly Queue<LogLine> _lines = new();
    private readonly CancellationTokenSource _stop = new();
    private readonly Task _loop;
    private long _last;
    private bool _isChanged;
    private string? _phase;
    private int _epoch;

    public ExecutionLog(ExecutionLogs store, string key, string worker, int attempt, ILogger logger, Secrets secrets, TimeProvider time)
    {
        (_store, _key, _worker, _attempt, _logger, _secrets, _time) = (store, key, worker, attempt, logger, secrets, time);
        try
        {
            foreach (var line in store.Read(key)) Keep(line);
        }
        catch (Exception e) when (IsOfStore(e))
        {
            _logger.LogDebug(e, "the log of {Key} cannot be read", key);
        }

        _loop = Task.Run(WriteAsync);
    }

    /// <summary>Adds a line.</summary>
    public void Add(LogLevel level, string text)
    {
        text = _secrets.HiddenIn(text);
        if (text.Length > ExecutionLogs.MostCharacters) text = text[..(ExecutionLogs.MostCharacters - 3)] + "...";
        lock (_lock)
        {
            Keep(new LogLine(_last + 1, _time.GetUtcNow(), level >= LogLevel.Error ? "error" : level == LogLevel.Warning ? "warning" : "information", _attempt, _worker, text));
            _isChanged = true;
        }
    }

    /// <summary>Notes a phase when it begins, and each epoch when it ends.</summary>
    public void Report(StageProgress value)
    {
        lock (_lock)
        {
            if (value.Phase != _phase)
            {
                _phase = value.Phase;
                Add(LogLevel.Information, value.Phase);
            }

            if (value.LastEpoch is not { } epoch || epoch.Epoch == _epoch) return;
            _epoch = epoch.Epoch;
            Add(LogLevel.Information, string.Create(
                CultureInfo.InvariantCulture, $"epoch {epoch.Epoch}{(value.Epochs is { } all ? $" of {all}" : "")}: loss {epoch.Loss:0.0000}, training accuracy {epoch.Accuracy * 100:0.00} %"));
        }
    }

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => _logger.BeginScope(state);

    public bool IsEnabled(LogLevel logLevel) => logLevel >= LogLevel.Information || _logger.IsEnabled(logLevel);

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        _logger.Log(logLevel, eventId, state, exception, formatter);
        if (logLevel is >= LogLevel.Information and < LogLevel.None) Add(logLevel, formatter(state, exception) + (exception is null ? "" : $": {exception.Message}"));
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _loop;
        _stop.Dispose();
        Write();
    }

    private static bool IsOfStore(Exception e) => e is LatheException or IOException or UnauthorizedAccessException;

    private void Keep(LogLine line)
    {
        _lines.Enqueue(line);
        _last = line.Line;
        while (_lines.Count > ExecutionLogs.MostLines) _lines.Dequeue();
    }

    private async Task WriteAsync()
    {
        using var timer = new PeriodicTimer(_store.IsRemote ? Far : Near, _time);
        try
        {
            while (await timer.WaitForNextTickAsync(_stop.Token)) Write();
        }
        catch (OperationCanceledException)
        {
            // The last lines are written once the execution has ended.
        }
    }

    private void Write()
    {
        LogLine[] lines;
        lock (_lock)
        {
            if (!_isChanged) return;
            _isChanged = false;
            lines = [.. _lines];
        }

        try
        {
            _store.Write(_key, lines);
        }
        catch (Exception e) when (IsOfStore(e))
        {
            // No log is worth an execution. The next one tries again.
            _logger.LogDebug(e, "the log of {Key} cannot be written", _key);
            lock (_lock) _isChanged = true;
        }
    }
}
