using System.Collections.Concurrent;
using System.Diagnostics;
using System.Runtime.InteropServices;
using Lathe.Testing;

namespace Lathe.Cli.Tests.Commands;

/// <summary><c>lathe run --broker</c> where nobody else works, and what Ctrl-C does to it.</summary>
public sealed partial class BrokerRunTests(RabbitMqBroker broker) : IClassFixture<RabbitMqBroker>, IDisposable
{
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(3);
    private readonly string _folder = Directory.CreateTempSubdirectory("lathe-test-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task Stages_without_a_worker_run_here_and_an_interruption_says_how_to_go_on()
    {
        Assert.SkipUnless(Directory.Exists("/usr/share/datasets/fashion-mnist"), "dataset-fashion-mnist is not installed");
        File.WriteAllText(Path.Combine(_folder, "s.yaml"), "model: lenet5\ndataset: fashion-mnist\nseed: 1\nstages:\n  - train: { epochs: 1000 }\n  - evaluate\n");
        var lines = new ConcurrentQueue<string>();
        using var process = Start(lines, "run", "s.yaml", "--broker", broker.Address);
        try
        {
            await WaitForAsync(lines, process, line => line.EndsWith("train: started", StringComparison.Ordinal));
            Assert.Contains("lathe: no worker answered for train, evaluate: running them here", lines);

            Assert.Equal(0, Kill(process.Id, 2));
            using var limit = new CancellationTokenSource(Limit);
            await process.WaitForExitAsync(limit.Token);
        }
        finally
        {
            if (!process.HasExited) process.Kill(entireProcessTree: true);
        }

        var told = string.Join('\n', lines);
        Assert.True(process.ExitCode == 130, told);
        Assert.Contains("lathe: stopping at the next batch and saving the state; Ctrl-C again ends at once", told);
        Assert.Contains("The same command resumes from there", told);
        Assert.DoesNotContain("   at ", told);
        Assert.DoesNotContain("   at ", File.ReadAllText(Assert.Single(Directory.GetFiles(Path.Combine(_folder, ".lathe", "logs")))));
        Assert.NotEmpty(Directory.GetFiles(Path.Combine(_folder, ".lathe", "checkpoints", "states"), "*", SearchOption.AllDirectories));
    }

    private Process Start(ConcurrentQueue<string> lines, params string[] arguments)
    {
        var start = new ProcessStartInfo("dotnet", [typeof(Lathe.Cli.Output.Terminal).Assembly.Location, .. arguments])
        {
            WorkingDirectory = _folder,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            // Not waiting for other computations on this machine: the folder of their locks is another one.
            Environment = { ["TMPDIR"] = _folder },
        };
        foreach (var name in start.Environment.Keys.Where(k => k.StartsWith("LATHE_", StringComparison.Ordinal) && k != "LATHE_TEST_RUN").ToList()) start.Environment.Remove(name);
        var process = Process.Start(start)!;
        process.StandardInput.Close();
        process.OutputDataReceived += (_, line) => lines.Enqueue(line.Data ?? "");
        process.ErrorDataReceived += (_, line) => lines.Enqueue(line.Data ?? "");
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        return process;
    }

    private static async Task WaitForAsync(ConcurrentQueue<string> lines, Process process, Func<string, bool> match)
    {
        var began = Stopwatch.StartNew();
        while (!lines.Any(match))
        {
            Assert.True(!process.HasExited && began.Elapsed < Limit, $"no such line came; there were:\n{string.Join('\n', lines)}");
            await Task.Delay(50);
        }
    }

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int Kill(int pid, int signal);
}
