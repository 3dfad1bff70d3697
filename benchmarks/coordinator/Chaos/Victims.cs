using System.Diagnostics;
using System.Globalization;
using Lathe.Contracts;
using Lathe.Testing;

namespace Lathe.Benchmarks.Coordinator;

/// <summary>Something that can be killed with SIGKILL and started again.</summary>
internal abstract class Victim(string kind, string name)
{
    public string Kind { get; } = kind;

    public string Name { get; } = name;

    /// <summary>Processes that it consists of.</summary>
    public abstract IReadOnlyList<int> Processes { get; }

    public abstract Task KillAsync();

    /// <summary>Starts it, and waits until it says that it is up.</summary>
    public abstract Task StartAsync();

    /// <summary>Resident memory of its processes in MiB, pages that they share counted once; 0 while it is down.</summary>
    public double Memory
    {
        get
        {
            try
            {
                return Processes.Sum(Proportional) / 1024;
            }
            catch (Exception e) when (e is InvalidOperationException or ArgumentException or FormatException or IOException)
            {
                // It is being killed or started at this moment.
                return 0;
            }
        }
    }

    private static double Proportional(int process)
    {
        try
        {
            var line = File.ReadLines($"/proc/{process}/smaps_rollup").FirstOrDefault(l => l.StartsWith("Pss:", StringComparison.Ordinal));
            return line is null ? 0 : double.Parse(line[4..].Replace("kB", "", StringComparison.Ordinal), CultureInfo.InvariantCulture);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return 0;
        }
    }
}

internal sealed class BrokerVictim(RabbitMqBroker broker) : Victim("broker", "broker")
{
    public override IReadOnlyList<int> Processes => broker.Process is { } id ? [id] : [];

    public override Task KillAsync() => broker.KillAsync();

    public override Task StartAsync() => broker.StartAsync();
}

/// <summary>All connections to the broker, which the broker closes.</summary>
internal sealed class ConnectionsVictim(RabbitMqBroker broker) : Victim("connections", "all connections to the broker")
{
    public override IReadOnlyList<int> Processes => [];

    public override Task KillAsync() => broker.ControlAsync("close_all_connections", "by a measurement");

    public override Task StartAsync() => Task.CompletedTask;
}

internal sealed class DatabaseVictim(PostgreSqlServer server) : Victim("PostgreSQL", "PostgreSQL")
{
    public override IReadOnlyList<int> Processes => server.Processes;

    public override Task KillAsync() => server.KillAsync();

    public override Task StartAsync() => server.StartAsync();
}

/// <summary>This program again as a coordinator or worker. What it writes to standard error goes to a file.</summary>
internal sealed class PartVictim(string kind, string name, Func<int, string[]> arguments, Dictionary<string, string> environment, string log) : Victim(kind, name)
{
    private Process? _process;

    /// <summary>Number of times that it was started.</summary>
    public int Starts { get; private set; }

    public override IReadOnlyList<int> Processes => _process is { HasExited: false } process ? [process.Id] : [];

    /// <summary>MiB that are left on its heap after a full collection.</summary>
    public async Task<double> KeptAsync()
    {
        await _process!.StandardInput.WriteLineAsync("");
        await _process.StandardInput.FlushAsync();
        return long.Parse((await _process.StandardOutput.ReadLineAsync())!, CultureInfo.InvariantCulture) / 1024.0 / 1024;
    }

    public override async Task KillAsync()
    {
        _process!.Kill();
        await _process.WaitForExitAsync();
        _process.Dispose();
        _process = null;
    }

    public override async Task StartAsync()
    {
        Starts++;
        var start = new ProcessStartInfo(Environment.ProcessPath!, arguments(Starts)) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (var (variable, value) in environment) start.Environment[variable] = value;
        var process = _process = Process.Start(start)!;
        process.ErrorDataReceived += (_, line) =>
        {
            if (line.Data is null) return;
            lock (log) File.AppendAllText(log, $"{Name} {line.Data}\n");
        };
        process.BeginErrorReadLine();
        if (await process.StandardOutput.ReadLineAsync() != "ready") throw new LatheException($"{Name} did not start; see {log}");
    }
}
