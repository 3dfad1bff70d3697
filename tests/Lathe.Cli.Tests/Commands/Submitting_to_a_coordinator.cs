using System.Text.Json;
using Lathe.Cli.Embedded;
using Lathe.Coordinator;
using Lathe.Hosting;
using Lathe.Testing;

namespace Lathe.Cli.Tests.Commands;

/// <summary>A coordinator with a home of its own, and a command line that has another.</summary>
public sealed class Submitting_to_a_coordinator : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("lathe-test-").FullName;

    public void Dispose()
    {
        Microsoft.Data.Sqlite.SqliteConnection.ClearAllPools();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public async Task A_network_goes_along_and_a_sweep_outlives_the_terminal_that_waits_for_it()
    {
        Assert.SkipUnless(Directory.Exists("/usr/share/datasets/fashion-mnist"), "dataset-fashion-mnist is not installed");
        var stop = TestContext.Current.CancellationToken;
        await using var coordinator = CoordinatorHost.Build(
            HostingSettings.Load(["--home", Path.Combine(_folder, "far")], _ => null), DatabaseAddress.In(Path.Combine(_folder, "far")), $"http://127.0.0.1:{PrivateServer.FreePort()}",
            stages: bus =>
            {
                foreach (var stage in BuiltInStages.ByName.Values) stage.AddTo(bus);
            });
        await coordinator.StartAsync(stop);
        var url = coordinator.Urls.Single();

        File.WriteAllText(Path.Combine(_folder, "dense.yaml"), "model: lenet5\ndataset: fashion-mnist\nstages:\n  - train: { epochs: 0 }\n");
        Assert.Contains("dense", await OrderAsync("run", "dense.yaml"));
        var network = Directory.GetFiles(Path.Combine(_folder, ".lathe", "checkpoints"), "*.safetensors", SearchOption.AllDirectories).Single();
        File.Copy(network, Path.Combine(_folder, "net.safetensors"));
        File.WriteAllText(Path.Combine(_folder, "s.yaml"), "model: net.safetensors\ndataset: fashion-mnist\nthreads: 1\nstages:\n  - train: { epochs: 1000 }\n");

        string sweep;
        await using (var submit = CliProcess.Start(_folder, "submit", "s.yaml", "--wait", "--priority", "5", "--max-failures", "1", "--coordinator", url))
        {
            await submit.SaysAsync("train: started");
            submit.Interrupt();
            Assert.Equal(130, await submit.EndAsync());
            sweep = submit.Text.Split('\n').First(line => line.StartsWith("lathe: sweep ", StringComparison.Ordinal))["lathe: sweep ".Length..];
            Assert.Contains($"lathe: no longer waiting; the sweep goes on. Watch it with: lathe status {sweep} --coordinator {url}\n", submit.Text);
            Assert.Contains($"lathe: cancel it with: lathe cancel {sweep} --coordinator {url}\n", submit.Text);
        }

        Assert.Matches(@"(?s): running, .*, priority 5\n.*train +(taken|starting|training|running|waiting)", await OrderAsync("status", sweep, "--coordinator", url));
        Assert.Matches($"^sweep {sweep} is cancelled, [12] executions? with it: what runs stops", await OrderAsync("cancel", sweep, "--coordinator", url));
        Assert.Contains(": cancelled, ", await OrderAsync("status", sweep, "--coordinator", url));
        Assert.Contains("cancelled", await OrderAsync("results", sweep, "--coordinator", url));
        Assert.Equal("cancelled", JsonElement.Parse(await OrderAsync("status", sweep, "--json", "--coordinator", url)).GetProperty("state").GetString());
        Assert.Equal(sweep, JsonElement.Parse(await OrderAsync("status", "--json", "--coordinator", url))[0].GetProperty("id").GetString());
        Assert.Equal(0, JsonElement.Parse(await OrderAsync("status", sweep, "--json", "--state", "failed", "--coordinator", url)).GetProperty("executions").GetArrayLength());

        // The network was uploaded; a home that never had it finds it.
        var digest = Path.GetFileNameWithoutExtension(network);
        var told = $"lathe: checkpoint {digest[..12]} (";
        Assert.StartsWith(told, await OrderAsync("inspect", digest[..6], "--coordinator", url, "--home", "elsewhere"));
        Assert.DoesNotContain(told, await OrderAsync("inspect", digest[..6], "--coordinator", url, "--home", "elsewhere"));
        Assert.Contains(told, await OrderAsync("export", digest, "--out", "weights.safetensors", "--coordinator", url, "--home", "another"));
        await using var unknown = CliProcess.Start(_folder, "inspect", "0123456789", "--coordinator", url);
        Assert.Equal(2, await unknown.EndAsync());
        Assert.StartsWith($"lathe: the coordinator at {url}/ has no checkpoint 0123456789, and here no checkpoint in ", unknown.Text);
        await using var again = CliProcess.Start(_folder, "pause", sweep, "--coordinator", url);
        Assert.Equal(2, await again.EndAsync());
        Assert.Equal("lathe: sweep s is cancelled; there is nothing to pause\n", again.Text);
        await coordinator.StopAsync(stop);
    }

    private async Task<string> OrderAsync(params string[] arguments)
    {
        await using var order = CliProcess.Start(_folder, arguments);
        var code = await order.EndAsync();
        Assert.True(code == 0, order.Text);
        return order.Text;
    }
}
