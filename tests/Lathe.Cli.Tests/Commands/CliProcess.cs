using System.Collections.Concurrent;
using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Lathe.Cli.Tests.Commands;

/// <summary>A <c>lathe</c> in a process of its own.</summary>
internal sealed partial class CliProcess : IAsyncDisposable
{
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(3);

    private readonly ConcurrentQueue<string> _lines = new();
    private readonly Process _process;

    private CliProcess(Process process)
    {
        _process = process;
        process.StandardInput.Close();
        process.OutputDataReceived += (_, line) => Add(line.Data);
        process.ErrorDataReceived += (_, line) => Add(line.Data);
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
    }

    /// <summary>Starts <c>lathe</c> in a folder, without settings of this machine.</summary>
    public static CliProcess Start(string folder, params string[] arguments)
    {
        var start = new ProcessStartInfo("dotnet", [typeof(Lathe.Cli.Output.Terminal).Assembly.Location, .. arguments])
        {
            WorkingDirectory = folder,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            // Not waiting for other computations on this machine: the folder of their locks is another one.
            Environment = { ["TMPDIR"] = folder },
        };
        foreach (var name in start.Environment.Keys.Where(k => k.StartsWith("LATHE_", StringComparison.Ordinal) && k != "LATHE_TEST_RUN").ToList()) start.Environment.Remove(name);
        return new CliProcess(Process.Start(start)!);
    }

    /// <summary>Everything that it has printed.</summary>
    public string Text => string.Concat(_lines.Select(line => line + "\n"));

    /// <summary>Waits for a line that ends so.</summary>
    public async Task SaysAsync(string end, int times = 1)
    {
        var began = Stopwatch.StartNew();
        while (_lines.Count(line => line.EndsWith(end, StringComparison.Ordinal)) < times)
        {
            Assert.True(!_process.HasExited && began.Elapsed < Limit, $"no line ends with '{end}'; there were:\n{Text}");
            await Task.Delay(50);
        }
    }

    /// <summary>Presses Ctrl-C.</summary>
    public void Interrupt() => Assert.Equal(0, Kill(_process.Id, 2));

    /// <summary>Waits for its end; gives the exit code.</summary>
    public async Task<int> EndAsync()
    {
        using var limit = new CancellationTokenSource(Limit);
        await _process.WaitForExitAsync(limit.Token);
        return _process.ExitCode;
    }

    public ValueTask DisposeAsync()
    {
        if (!_process.HasExited) _process.Kill(entireProcessTree: true);
        _process.Dispose();
        return ValueTask.CompletedTask;
    }

    private void Add(string? line)
    {
        if (line is not null) _lines.Enqueue(line);
    }

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int Kill(int pid, int signal);
}
