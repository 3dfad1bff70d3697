using System.Diagnostics;
using Lathe.Testing;

namespace Lathe.EndToEnd.Tests;

/// <summary>The commands that docs/cluster.md shows for five processes by hand, pasted as one block, with this machine's addresses in place of the examples'.</summary>
public sealed class The_cluster_guide(RabbitMqBroker broker) : IClassFixture<RabbitMqBroker>
{
    [Fact]
    public async Task Shows_a_block_of_commands_that_runs_a_sweep_over_five_processes()
    {
        using var scene = new Scene();
        var port = PrivateServer.FreePort();
        var block = Replaced(
            Block(),
            ("amqp://user:password@host:5672/", broker.Address), ("LATHE_HOME=/shared/lathe", $"LATHE_HOME={scene.Home}"), ("LATHE_DATA=/data", $"LATHE_DATA={scene.Environment["LATHE_DATA"]}"),
            ("LATHE_THREADS=4", "LATHE_THREADS=1"), ("127.0.0.1:5080/", $"127.0.0.1:{port}/"), ("sweep.yaml", scene.SweepFile));
        var start = new ProcessStartInfo("bash", ["-c", $"trap 'kill $(jobs -p); wait' EXIT\n{block}\nended=$?\nlathe status\nexit $ended"])
        {
            WorkingDirectory = scene.Root,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        LatheProcess.AddTo(start.Environment);
        foreach (var name in new[] { "LATHE_COORDINATOR", "LATHE_DATABASE", "LATHE_STORE" }) start.Environment.Remove(name);
        start.Environment["LATHE_HTTP"] = $"http://127.0.0.1:{port}";
        start.Environment["TMPDIR"] = scene.Environment["TMPDIR"];
        using var shell = Process.Start(start)!;
        var (output, errors) = (shell.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken), shell.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken));
        using var limit = new CancellationTokenSource(Scene.Limit);
        try
        {
            await shell.WaitForExitAsync(limit.Token);
        }
        catch (OperationCanceledException)
        {
            shell.Kill(entireProcessTree: true);
        }

        Assert.True(shell.ExitCode == 0, $"{block}\nended with {shell.ExitCode}:\n{await output}\n{await errors}");
        Assert.Contains("small", await output, StringComparison.Ordinal);
    }

    /// <summary>The guide's first block of commands.</summary>
    private static string Block() =>
        string.Join('\n', File.ReadLines(Path.Combine(Checkout.Root, "docs", "cluster.md")).SkipWhile(line => line != "```sh").Skip(1).TakeWhile(line => line != "```"));

    private static string Replaced(string block, params (string Shown, string Here)[] replacements)
    {
        foreach (var (shown, here) in replacements)
        {
            Assert.Contains(shown, block, StringComparison.Ordinal);
            block = block.Replace(shown, here, StringComparison.Ordinal);
        }

        return block;
    }
}
