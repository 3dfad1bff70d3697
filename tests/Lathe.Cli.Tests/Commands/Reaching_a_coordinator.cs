using System.Diagnostics;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Lathe.Cli.Sources;
using Lathe.Contracts;
using Lathe.Coordinator;
using Lathe.Hosting;
using Lathe.Testing;
using Microsoft.AspNetCore.Builder;

namespace Lathe.Cli.Tests.Commands;

public sealed record GatedParameters([SweepModel] string Model, double Share = 1);

/// <summary>Runs until the test lets it end; a share below a half fails.</summary>
public sealed class GatedStage : IStage<GatedParameters>
{
    public static TaskCompletionSource Gate { get; } = new();

    public static StageManifest Manifest { get; } = new("gated", "1", "Runs until it may end.", StageInput.Model, StageOutput.Checkpoint, ReadsData: false);

    public StageOutcome Run(StageRun run, GatedParameters parameters)
    {
        if (parameters.Share < 0.5) throw new LatheException("the share is too small");
        Gate.Task.Wait(run.Stop);
        return new StageOutcome(run.Write(to => to.Write(BitConverter.GetBytes(parameters.Share))), new Dictionary<string, double>());
    }
}

/// <summary>The command line's client, and the keys that it needs for a coordinator that listens beyond its machine.</summary>
public sealed class Reaching_a_coordinator : IAsyncDisposable
{
    private readonly string _home = Directory.CreateTempSubdirectory("lathe-client-").FullName;
    private WebApplication? _app;

    [Fact]
    public async Task A_key_is_made_used_listed_and_revoked()
    {
        var stop = TestContext.Current.CancellationToken;
        // Before the coordinator was ever started.
        var (code, token, notice) = await LatheAsync("keys", "create", "anna", "--scope", "read");
        Assert.True(code == 0, notice);
        Assert.Matches("^lathe_[0-9a-f]{10}_[0-9a-f]{64}\n$", token);
        Assert.DoesNotContain(token.Trim(), notice);
        var address = await StartAsync();

        using var reader = Client(address, token);
        Assert.Empty(await reader.ListAsync(null, stop));
        var refused = await Assert.ThrowsAsync<LatheException>(() => reader.SubmitAsync(Sweep(1), stop));
        Assert.Contains("has the scope read, and this needs submit", refused.Message);
        using var nobody = Client(address, null);
        Assert.Contains("lathe keys create", (await Assert.ThrowsAsync<LatheException>(() => nobody.ListAsync(null, stop))).Message);
        var nonsense = Assert.Throws<LatheException>(() => Client(address, "s3cret!"));
        Assert.DoesNotContain("s3cret", nonsense.Message);

        var id = token.Split('_')[1];
        Assert.Contains($"{id}  anna  read", (await LatheAsync("keys", "list")).Output);
        Assert.Equal(0, (await LatheAsync("keys", "revoke", id)).Code);
        Assert.Contains("there is no key", (await LatheAsync("keys", "revoke", id)).Errors);
        await Eventually.True(() => IsRefused(reader), "the key is refused", seconds: 15);
        Assert.Equal("[]", (await LatheAsync("keys", "list", "--json")).Output.Trim());
    }

    [Fact]
    public async Task A_sweep_is_submitted_controlled_watched_and_deleted()
    {
        var stop = TestContext.Current.CancellationToken;
        var token = (await LatheAsync("keys", "create", "admin", "--scope", "admin")).Output;
        using var client = Client(await StartAsync(), token);

        var check = await client.CheckAsync(Sweep(0.25, 0.75), stop);
        Assert.Equal((2, 0), (check.Executions, check.Problems.Count));
        Assert.Equal("/stages/0/gated/share/0", Assert.Single((await client.SubmitAsync(Sweep("many"), stop)).Problems).Path);
        var submitted = (await client.SubmitAsync(Sweep(0.25, 0.75) with { RequestId = "one" }, stop)).Id!.Value;
        Assert.Equal(submitted, (await client.SubmitAsync(Sweep(0.25, 0.75) with { RequestId = "one" }, stop)).Id);
        var name = submitted.ToString();
        await client.PauseAsync(name, null, null, stop);
        Assert.Equal(SweepState.Paused, (await client.StatusAsync(name, stop)).State);
        await client.ResumeAsync(name, null, null, stop);
        await client.PriorityAsync(name, 5, stop);
        await client.PinAsync(name, isPinned: true, stop);
        GatedStage.Gate.TrySetResult();

        await UntilAsync(client, name, "failed", null, stop);
        // As it was typed.
        Assert.StartsWith("--set gated.share: is 'much', expected ", (await Assert.ThrowsAsync<LatheException>(() => client.RetryAsync(name, null, null, Set("\"much\""), stop))).Message);
        var seen = await UntilAsync(client, name, "failed", null, stop);
        Assert.Equal(1, (await client.RetryAsync(name, "gated", null, Set("0.5"), stop)).Executions);
        await UntilAsync(client, name, "succeeded", seen, stop);
        // What the pause met at its end is found when it goes on, so that either of them may be a cache hit.
        var page = await client.ExecutionsAsync(name, null, 1, null, "gated", stop);
        Assert.Equal((0, 0), (Assert.Single(page.Executions).Index, page.Next));
        Assert.Equal(0, (await client.ExecutionAsync(name, 0, stop)).Execution.Index);
        Assert.Equal(2, (await client.ResultsAsync(name, stop)).Leaves.Count);

        Assert.Contains("pinned", (await Assert.ThrowsAsync<LatheException>(() => client.DeleteAsync(name, stop))).Message);
        await client.PinAsync(name, isPinned: false, stop);
        await client.DeleteAsync(name, stop);
        Assert.Contains("no sweep", (await Assert.ThrowsAsync<LatheException>(() => client.StatusAsync(name, stop))).Message);
    }

    [Fact]
    public async Task A_checkpoint_goes_up_once_and_comes_back_verified()
    {
        var stop = TestContext.Current.CancellationToken;
        var token = (await LatheAsync("keys", "create", "author")).Output;
        using var client = Client(await StartAsync(), token);
        var file = Path.Combine(_home, "net.safetensors");
        byte[] content = [.. BitConverter.GetBytes(2L), .. Encoding.UTF8.GetBytes("{}"), .. new byte[300_000]];
        await File.WriteAllBytesAsync(file, content, stop);

        var taken = await client.UploadAsync(file, stop);

        Assert.Equal(new CheckpointRef(Convert.ToHexStringLower(SHA256.HashData(content)), content.Length), taken);
        Assert.Equal(taken, await client.UploadAsync(file, stop));
        using var back = new MemoryStream();
        await client.DownloadAsync(taken.Sha256, back, stop);
        Assert.Equal(content, back.ToArray());
        await Assert.ThrowsAsync<LatheException>(() => client.DownloadAsync(new string('a', 64), back, stop));
    }

    public async ValueTask DisposeAsync()
    {
        if (_app is not null)
        {
            await _app.StopAsync();
            await _app.DisposeAsync();
        }

        Microsoft.Data.Sqlite.SqliteConnection.ClearAllPools();
        Directory.Delete(_home, recursive: true);
    }

    private static bool IsRefused(CoordinatorClient client)
    {
        try
        {
            client.ListAsync(null, default).GetAwaiter().GetResult();
            return false;
        }
        catch (LatheException)
        {
            return true;
        }
    }

    private static CoordinatorClient Client(Uri address, string? token) => new(address, name => name == CoordinatorClient.KeyVariable ? token : null);

    private static Dictionary<string, JsonElement> Set(string share) => new() { ["gated"] = JsonElement.Parse($$"""{"share": {{share}}}""") };

    private static SweepSubmission Sweep(params IEnumerable<object> shares) =>
        new(new SweepSpec("reached", ["any"], ["mnist"], [0], [new StageSpec("gated", JsonSerializer.SerializeToElement(new { share = shares }))]));

    /// <summary>Follows a sweep until it has a state; gives the event that said so.</summary>
    private static async Task<long> UntilAsync(CoordinatorClient client, string sweep, string state, long? since, CancellationToken stop)
    {
        await foreach (var happened in client.EventsAsync(sweep, since, stop))
        {
            if (happened.Kind == "sweep" && happened.Data.GetProperty("state").GetString() == state) return happened.Sequence;
        }

        throw new UnreachableException();
    }

    private async Task<Uri> StartAsync()
    {
        const string everywhere = "http://0.0.0.0:0";
        var settings = HostingSettings.In(_home) with { SlotFolder = Path.Combine(_home, "slots") };
        _app = CoordinatorHost.Build(
            settings, DatabaseAddress.In(_home), everywhere, new CoordinatorOptions { StageWait = TimeSpan.FromSeconds(30) }, bus => bus.AddStage<GatedStage, GatedParameters>(),
            new ApiSettings { Http = everywhere });
        await _app.StartAsync();
        return new Uri(_app.Urls.First().Replace("0.0.0.0", "127.0.0.1", StringComparison.Ordinal) + "/");
    }

    private async Task<(int Code, string Output, string Errors)> LatheAsync(params string[] args)
    {
        using var process = Process.Start(new ProcessStartInfo("dotnet", [typeof(CoordinatorClient).Assembly.Location, .. args, "--home", _home])
        {
            RedirectStandardOutput = true, RedirectStandardError = true, Environment = { ["LATHE_DATABASE"] = "" },
        })!;
        var (output, errors) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        await process.WaitForExitAsync();
        return (process.ExitCode, await output, await errors);
    }
}
