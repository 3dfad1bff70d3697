using System.Collections.Concurrent;
using System.Globalization;
using Lathe.Contracts;
using Lathe.Hosting;
using Microsoft.Extensions.Logging;

namespace Lathe.Cli.Output;

/// <summary>Services' logs of one command in a file, so that they do not write into a live table; warnings are kept to be told afterwards.</summary>
internal sealed class LogFile : ILoggerProvider
{
    private const int MostWarnings = 20;
    private readonly Lock _gate = new();
    private readonly StreamWriter _writer;
    private readonly ConcurrentQueue<string> _warnings = new();
    private readonly TimeProvider _time;

    /// <param name="home">The file goes to <c>logs</c> in here.</param>
    /// <param name="command">First word of the file's name.</param>
    /// <param name="time">Clock for the lines.</param>
    public LogFile(string home, string command, TimeProvider time)
    {
        _time = time;
        var folder = System.IO.Path.Combine(home, "logs");
        var moment = time.GetUtcNow().ToString("yyyyMMdd'T'HHmmss", CultureInfo.InvariantCulture);
        Path = System.IO.Path.Combine(folder, $"{command}-{moment}-{Environment.ProcessId}.log");
        try
        {
            Directory.CreateDirectory(folder);
            _writer = new StreamWriter(new FileStream(Path, FileMode.Append, FileAccess.Write, FileShare.Read)) { AutoFlush = true };
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new LatheException($"{folder} cannot be written: {e.Message} Name another home with --home or {HostingSettings.HomeVariable}", inner: e);
        }
    }

    public string Path { get; }

    /// <summary>Warnings and errors so far, the same text once.</summary>
    public IReadOnlyList<string> Warnings => [.. _warnings.Distinct()];

    public ILogger CreateLogger(string categoryName) => new Category(this, categoryName);

    public void Dispose()
    {
        lock (_gate)
        {
            try
            {
                _writer.Dispose();
            }
            catch (IOException)
            {
                // A full disk again: Write has told it.
            }
        }
    }

    private void Write(LogLevel level, string category, string message, Exception? exception)
    {
        if (level >= LogLevel.Warning && category.StartsWith("Lathe", StringComparison.Ordinal) && _warnings.Count < MostWarnings) _warnings.Enqueue(message);
        lock (_gate)
        {
            if (_writer.BaseStream is not { CanWrite: true }) return;
            try
            {
                WriteLines();
            }
            catch (IOException e)
            {
                // A disk that is full must not end what the log is about.
                _warnings.Enqueue($"the log {Path} is not complete: {e.Message}");
            }
        }

        void WriteLines()
        {
            _writer.WriteLine($"{_time.GetUtcNow().ToString("O", CultureInfo.InvariantCulture)} {level} {category}: {message}");
            if (exception is not null) _writer.WriteLine(exception);
        }
    }

    /// <summary>
    /// True where the bus calls a cancelled message a fault. The message went back to its queue because the command was interrupted, which
    /// the stage's own line says.
    /// </summary>
    private static bool IsInterruption(string category, Exception? exception) =>
        exception is MassTransit.ConsumerCanceledException or OperationCanceledException && category.StartsWith("MassTransit", StringComparison.Ordinal);

    private sealed class Category(LogFile file, string name) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => logLevel >= LogLevel.Information;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (IsEnabled(logLevel) && !IsInterruption(name, exception)) file.Write(logLevel, name, formatter(state, exception), exception);
        }
    }
}
