using System.Collections;
using Lathe.Contracts;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;

namespace Lathe.Hosting.Tests;

/// <summary>The bounded log of one execution.</summary>
public sealed class Logs_of_executions : IDisposable
{
    private static readonly string Key = new('a', 64);

    private readonly string _folder = Directory.CreateTempSubdirectory("lathe-logs-").FullName;
    private readonly ExecutionLogs _logs;

    public Logs_of_executions() => _logs = new ExecutionLogs(HostingSettings.In(_folder));

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task Keep_the_last_lines_and_go_on_after_those_of_an_earlier_attempt()
    {
        await using (var first = Log(1))
        {
            for (var i = 1; i <= ExecutionLogs.MostLines + 5; i++) first.LogInformation("line {Number}", i);
        }

        await using (var second = Log(2)) second.LogWarning("{Text}", new string('x', ExecutionLogs.MostCharacters + 1));

        var lines = _logs.Read(Key);
        Assert.Equal(ExecutionLogs.MostLines, lines.Count);
        Assert.Equal((7, "line 7"), (lines[0].Line, lines[0].Text));
        Assert.Equal((ExecutionLogs.MostLines + 6, 2, "warning", ExecutionLogs.MostCharacters), (lines[^1].Line, lines[^1].Attempt, lines[^1].Level, lines[^1].Text.Length));
    }

    [Fact]
    public async Task Say_each_phase_and_each_epoch_once()
    {
        await using (var log = Log(1))
        {
            foreach (var epoch in (int?[])[null, 1, 1, 2])
                log.Report(new StageProgress("training", epoch, 2, LastEpoch: epoch is { } e ? new EpochFigures(e, 0.5, 0.25) : null));
        }

        Assert.Equal(
            ["training", "epoch 1 of 2: loss 0.5000, training accuracy 25.00 %", "epoch 2 of 2: loss 0.5000, training accuracy 25.00 %"], _logs.Read(Key).Select(l => l.Text));
    }

    [Fact]
    public async Task Are_in_the_store_while_the_execution_runs()
    {
        var time = new FakeTimeProvider();
        await using var log = new ExecutionLog(_logs, Key, "w", 1, NullLogger.Instance, NoSecrets, time);
        log.LogInformation("first");
        Assert.Empty(_logs.Read(Key));
        await Lathe.Testing.Eventually.True(
            () =>
            {
                time.Advance(TimeSpan.FromSeconds(2));
                return _logs.Read(Key).Count == 1;
            },
            "the line is in the store");
    }

    [Fact]
    public async Task Have_no_secret_that_the_worker_knows()
    {
        var secrets = new Secrets(
            HostingSettings.In(_folder) with { Broker = BrokerAddress.Parse("amqp://anna:broker-secret@host/") },
            new Hashtable { ["AWS_SECRET_ACCESS_KEY"] = "s3-secret+/", ["LATHE_API_KEY"] = "lathe_0_key", ["HOME"] = "/home/anna", ["SOME_TOKEN"] = "abc" });
        await using (var log = new ExecutionLog(_logs, Key, "w", 1, NullLogger.Instance, secrets, TimeProvider.System))
        {
            log.LogError(new InvalidOperationException("amqp://anna:broker-secret@host/ and postgres://bob:pass@db/x"), "{What}", "s3-secret+/ s3-secret%2B%2F lathe_0_key /home/anna abc");
        }

        Assert.Equal("*** *** *** /home/anna abc: amqp://anna:***@host/ and postgres://bob:***@db/x", Assert.Single(_logs.Read(Key)).Text);
    }

    [Fact]
    public async Task Cost_no_execution_where_the_store_cannot_be_written()
    {
        File.WriteAllText(Path.Combine(_folder, "checkpoints"), "a file where the folder should be");
        await using (var log = Log(1)) log.LogInformation("lost");
        Assert.ThrowsAny<IOException>(() => _logs.Write(Key, []));
    }

    private static Secrets NoSecrets { get; } = new(HostingSettings.In("/nowhere"), new Hashtable());

    private ExecutionLog Log(int attempt) => new(_logs, Key, "w", attempt, NullLogger.Instance, NoSecrets, TimeProvider.System);
}
