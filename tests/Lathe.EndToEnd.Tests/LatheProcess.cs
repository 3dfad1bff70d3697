using System.Collections.Concurrent;
using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text;

namespace Lathe.EndToEnd.Tests;

/// <summary>A real Lathe program, started as a user or a container would start it.</summary>
public sealed class LatheProcess : IAsyncDisposable
{
    private readonly Process _process;
    private readonly StringBuilder _output = new();
    private readonly ConcurrentQueue<(Func<string, bool> Match, TaskCompletionSource<string> Found)> _waiting = new();
    private readonly Lock _gate = new();
    private readonly List<string> _lines = [];

    private LatheProcess(Process process) => _process = process;

    public int Id => _process.Id;

    public string Output
    {
        get
        {
            lock (_gate) return _output.ToString();
        }
    }

    /// <summary>Where the build put <c>lathe</c> and every service's own executable.</summary>
    private static string Folder { get; } = Path.GetFullPath(Path.Combine(
        AppContext.BaseDirectory, "..", "..", "Lathe.Cli", Path.GetFileName(AppContext.BaseDirectory.TrimEnd(Path.DirectorySeparatorChar))));

    /// <summary>Lets a shell find <c>lathe</c>, and <c>lathe</c> find .NET, which the executables otherwise look for where it is usually installed.</summary>
    public static void AddTo(IDictionary<string, string?> environment)
    {
        environment["PATH"] = $"{Folder}:{Environment.GetEnvironmentVariable("PATH")}";
        environment["DOTNET_ROOT"] = Path.GetFullPath(Path.Combine(RuntimeEnvironment.GetRuntimeDirectory(), "..", "..", ".."));
    }

    /// <summary>Starts the program of a room: <c>lathe</c> or a service's own executable.</summary>
    /// <param name="program">Executable name.</param>
    /// <param name="arguments">Its arguments.</param>
    /// <param name="environment">Variables added to those of the tests.</param>
    public static LatheProcess Start(string program, IEnumerable<string> arguments, IReadOnlyDictionary<string, string> environment)
    {
        var start = new ProcessStartInfo(Path.Combine(Folder, program), arguments)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            RedirectStandardInput = true,
        };
        AddTo(start.Environment);
        foreach (var (name, value) in environment) start.Environment[name] = value;
        var process = Process.Start(start) ?? throw new InvalidOperationException($"{program} did not start");
        var lathe = new LatheProcess(process);
        process.OutputDataReceived += (_, line) => lathe.Take(line.Data);
        process.ErrorDataReceived += (_, line) => lathe.Take(line.Data);
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        process.StandardInput.Close();
        return lathe;
    }

    /// <summary>Runs the program to its end.</summary>
    public static async Task<(int ExitCode, string Output)> RunAsync(
        string program, IEnumerable<string> arguments, IReadOnlyDictionary<string, string> environment, TimeSpan limit)
    {
        await using var process = Start(program, arguments, environment);
        var code = await process.WaitForExitAsync(limit);
        return (code, process.Output);
    }

    /// <summary>Waits for the end and returns the exit code.</summary>
    public async Task<int> WaitForExitAsync(TimeSpan limit)
    {
        using var timeout = new CancellationTokenSource(limit);
        try
        {
            await _process.WaitForExitAsync(timeout.Token);
        }
        catch (OperationCanceledException)
        {
            throw new TimeoutException($"process {Id} did not end within {limit}; it printed:\n{Output}");
        }

        return _process.ExitCode;
    }

    /// <summary>Waits for a line of output. A program that ends without it fails at once.</summary>
    public async Task<string> WaitForLineAsync(Func<string, bool> match, TimeSpan limit)
    {
        var found = new TaskCompletionSource<string>(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_gate)
        {
            if (_lines.FirstOrDefault(match) is { } line) return line;
            _waiting.Enqueue((match, found));
        }

        try
        {
            // The end is complete only once all output was read.
            using var end = new CancellationTokenSource(limit);
            await Task.WhenAny(found.Task, _process.WaitForExitAsync(end.Token));
            if (found.Task.IsCompletedSuccessfully) return await found.Task;
            if (!end.IsCancellationRequested) throw new InvalidOperationException($"process {Id} ended without such a line; it printed:\n{Output}");
            throw new TimeoutException();
        }
        catch (TimeoutException)
        {
            throw new TimeoutException($"process {Id} printed no such line within {limit}; it printed:\n{Output}");
        }
    }

    /// <summary>SIGKILL: no chance to save anything.</summary>
    public void Kill() => _process.Kill(entireProcessTree: true);

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited) Kill();
        await _process.WaitForExitAsync();
        _process.Dispose();
    }

    private void Take(string? line)
    {
        if (line is null) return;
        lock (_gate)
        {
            _output.AppendLine(line);
            _lines.Add(line);
            foreach (var (match, found) in _waiting)
            {
                if (match(line)) found.TrySetResult(line);
            }
        }
    }
}
