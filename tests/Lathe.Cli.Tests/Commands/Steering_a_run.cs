namespace Lathe.Cli.Tests.Commands;

/// <summary>A <c>lathe run</c> in one terminal, and orders in another.</summary>
public sealed class Steering_a_run : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("lathe-test-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task A_run_obeys_and_a_retry_goes_on_with_what_it_left()
    {
        Assert.SkipUnless(Directory.Exists("/usr/share/datasets/fashion-mnist"), "dataset-fashion-mnist is not installed");
        File.WriteAllText(Path.Combine(_folder, "s.yaml"), "model: lenet5\ndataset: fashion-mnist\nseed: 1\nthreads: 1\nstages:\n  - train: { epochs: 1000 }\n  - evaluate\n");

        await using (var run = CliProcess.Start(_folder, "run", "s.yaml"))
        {
            await run.SaysAsync("train: started");
            Assert.StartsWith("sweep s is cancelled, 2 executions with it: ", await OrderAsync("cancel", "s"));
            Assert.Equal(3, await run.EndAsync());
            Assert.Contains("lathe: the sweep was cancelled; lathe retry s goes on with it", run.Text);
            Assert.DoesNotContain("   at ", run.Text);
        }

        Assert.NotEmpty(Directory.GetFiles(Path.Combine(_folder, ".lathe", "checkpoints", "states"), "*", SearchOption.AllDirectories));
        Assert.Contains("cancelled", await OrderAsync("status", "s"));

        await using var retry = CliProcess.Start(_folder, "retry", "s");
        await retry.SaysAsync("train: started");
        Assert.StartsWith("sweep s is paused, 2 executions with it: ", await OrderAsync("pause", "s"));
        await retry.SaysAsync("train: paused");
        Assert.Equal("sweep s goes on with 2 executions. Watch it with: lathe status s\n", await OrderAsync("resume", "s"));
        await retry.SaysAsync("train: started", times: 2);
        // Its coordinator is this process: nobody else may run it.
        Assert.StartsWith("sweep s was not paused; lathe status s --all", await OrderAsync("resume", "s"));
        await OrderAsync("cancel", "s");
        Assert.Equal(3, await retry.EndAsync());
        Assert.Contains("is deleted", await OrderAsync("delete", "s", "--yes"));
        Assert.StartsWith("no sweeps yet", await OrderAsync("status"));
    }

    private async Task<string> OrderAsync(params string[] arguments)
    {
        await using var order = CliProcess.Start(_folder, arguments);
        var code = await order.EndAsync();
        Assert.True(code == 0, order.Text);
        return order.Text;
    }
}
