using System.Net.Http.Json;
using System.Text.RegularExpressions;
using Lathe.Contracts;
using Lathe.Testing;

namespace Lathe.EndToEnd.Tests;

/// <summary>The commands that docs/cluster.md shows for five processes by hand, with this machine's addresses in place of the examples'.</summary>
public sealed partial class The_cluster_guide(RabbitMqBroker broker) : IClassFixture<RabbitMqBroker>
{
    [Fact]
    public async Task Shows_commands_that_run_a_sweep_over_five_processes()
    {
        using var scene = new Scene();
        var environment = scene.Environment;
        environment["LATHE_HTTP"] = $"http://127.0.0.1:{PrivateServer.FreePort()}";
        environment["LATHE_BROKER"] = broker.Address;
        var commands = Commands();
        var exported = commands.Where(c => c.StartsWith("export ", StringComparison.Ordinal)).SelectMany(c => Assignment().Matches(c)).Select(m => m.Groups[1].Value);
        // What the guide sets must be what this test sets in its place.
        Assert.Empty(exported.Except(environment.Keys).Except(["PATH"]));

        var background = new List<LatheProcess>();
        try
        {
            foreach (var command in commands.Where(c => c.StartsWith("lathe ", StringComparison.Ordinal)))
            {
                string[] words = [.. command.Split(' ')[1..].Select(word => word == "sweep.yaml" ? scene.SweepFile : word)];
                if (words[^1] == "&")
                {
                    background.Add(LatheProcess.Start("lathe", words[..^1], environment));
                    continue;
                }

                // Whoever types takes longer than five processes need to start.
                await Eventually.True(() => Stages(environment["LATHE_HTTP"]) == 4, "every stage is announced", seconds: 60);
                var (code, output) = await LatheProcess.RunAsync("lathe", words, environment, Scene.Limit);
                Assert.True(code == 0, $"{command} ended with {code}:\n{output}\n---\n{string.Join("\n---\n", background.Select(p => p.Output))}");
            }

            Assert.Equal(5, background.Count);
            Assert.Contains("small", (await LatheProcess.RunAsync("lathe", ["status"], environment, Scene.Limit)).Output, StringComparison.Ordinal);
        }
        finally
        {
            foreach (var process in background) await process.DisposeAsync();
        }
    }

    private static int Stages(string coordinator)
    {
        try
        {
            using var http = new HttpClient { BaseAddress = new Uri(coordinator) };
            return http.GetFromJsonAsync<List<StageManifest>>("/stages", LatheJson.Options).GetAwaiter().GetResult()!.Count;
        }
        catch (HttpRequestException)
        {
            return 0;
        }
    }

    /// <summary>Lines of the guide's first block of commands, comments left out.</summary>
    private static List<string> Commands() =>
    [
        .. File.ReadLines(Path.Combine(Checkout.Root, "docs", "cluster.md"))
            .SkipWhile(line => line != "```sh").Skip(1).TakeWhile(line => line != "```").Select(line => line.Split(" #")[0].Trim()),
    ];

    [GeneratedRegex(@"(\w+)=\S+")]
    private static partial Regex Assignment();
}
