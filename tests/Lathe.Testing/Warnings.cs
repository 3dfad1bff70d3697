using Microsoft.Extensions.Logging;

namespace Lathe.Testing;

/// <summary>Keeps what was warned of.</summary>
public sealed class Warnings : ILogger
{
    public List<string> Messages { get; } = [];

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => true;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        if (logLevel == LogLevel.Warning) Messages.Add(formatter(state, exception));
    }
}
