using Lathe.Cli.Output;
using Microsoft.Extensions.Logging;

namespace Lathe.Cli.Tests.Output;

public sealed class LogFileTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("lathe-test-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void A_message_that_an_interruption_cancelled_is_no_fault()
    {
        var lines = Lines(log =>
        {
            log("MassTransit.ReceiveTransport", "R-FAULT", new TaskCanceledException());
            log("MassTransit.ReceiveTransport", "T-FAULT", new OperationCanceledException());
            log("Lathe.Hosting.StageExecutor", "train is interrupted", null);
        });
        Assert.EndsWith("Lathe.Hosting.StageExecutor: train is interrupted", Assert.Single(lines));
    }

    [Fact]
    public void Every_other_fault_is_there_with_its_exception()
    {
        var lines = Lines(log =>
        {
            log("MassTransit.ReceiveTransport", "R-FAULT", new InvalidOperationException("broken"));
            log("Lathe.Hosting.StageExecutor", "cancelled", new OperationCanceledException("stopped"));
        });
        Assert.EndsWith("Error MassTransit.ReceiveTransport: R-FAULT", lines[0]);
        Assert.Equal("System.InvalidOperationException: broken", lines[1]);
        Assert.EndsWith("Error Lathe.Hosting.StageExecutor: cancelled", lines[2]);
        Assert.Equal("System.OperationCanceledException: stopped", lines[3]);
    }

    private string[] Lines(Action<Action<string, string, Exception?>> write)
    {
        using var log = new LogFile(_folder, "test", TimeProvider.System);
        write((category, message, exception) => log.CreateLogger(category).Log(LogLevel.Error, exception, "{Message}", message));
        log.Dispose();
        return File.ReadAllLines(log.Path);
    }
}
