using Lathe.Contracts;
using Lathe.Testing;
using Microsoft.Extensions.Logging;
using Npgsql;
using static Lathe.Coordinator.Tests.Stages;

namespace Lathe.Coordinator.Tests;

public sealed class Waiting_for_the_database
{
    [Fact]
    public async Task A_report_waits_for_a_database_that_is_away()
    {
        var connection = new NpgsqlConnectionStringBuilder(await Workbench.PostgreSqlAsync());
        await using var relay = new TcpRelay(connection.Port);
        connection.Port = relay.Port;
        using var bench = await Workbench.StartAsync(DatabaseAddress.Parse(connection.ToString()));
        var sweep = await bench.SubmitAsync(Sweep(("train", "{}")));
        var report = bench.Work(bench.Bus.Take()[0]);
        var log = new Lines();
        using var inbox = new ReportInbox(bench.Orchestrator, bench.Options, bench.Time, log);
        await inbox.StartAsync(default);
        relay.IsOpen = false;
        relay.CutAll();
        var taken = inbox.AddAsync(report);
        await Eventually.True(() => log.Said.Any(l => l.StartsWith("Taking reports has to wait", StringComparison.Ordinal)), "the coordinator says that it waits");
        // A minute in which the database refuses every connection.
        for (var i = 0; i < 60; i++) bench.Time.Advance(TimeSpan.FromSeconds(1));
        Assert.False(taken.IsCompleted);
        relay.IsOpen = true;
        await Eventually.True(
            () =>
            {
                bench.Time.Advance(TimeSpan.FromSeconds(1));
                return taken.IsCompleted;
            },
            "the report is taken");
        await taken;
        Assert.Equal(["Taking reports works again"], log.Said.Skip(1));
        Assert.Equal(SweepState.Succeeded, (await bench.StatusAsync(sweep)).State);
        await inbox.StopAsync(default);
    }

    private sealed class Lines : ILogger<ReportInbox>
    {
        private readonly List<string> _lines = [];

        public IReadOnlyList<string> Said
        {
            get
            {
                lock (_lines) return [.. _lines];
            }
        }

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            lock (_lines) _lines.Add(formatter(state, exception));
        }
    }

    [Fact]
    public void A_database_that_goes_away_under_a_query_is_told_from_every_other_fault()
    {
        // As EF and Npgsql wrap it.
        Assert.True(Outage.IsOfDatabase(new InvalidOperationException("likely a transient failure", new Npgsql.NpgsqlException("reading", new IOException("reset")))));
        Assert.False(Outage.IsOfDatabase(new InvalidOperationException("wrong", new System.Net.Sockets.SocketException())));
        Assert.False(Outage.IsOfDatabase(new Npgsql.PostgresException("no such table", "ERROR", "ERROR", Npgsql.PostgresErrorCodes.UndefinedTable)));
    }
}
