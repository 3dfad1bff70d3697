using System.Text.Json;
using Lathe.Contracts;

namespace Lathe.EndToEnd.Tests;

/// <summary>A folder of a test's own with data, a sweep and homes, gone with the test.</summary>
public sealed class Scene : IDisposable
{
    public const string Sweep = """
        name: small
        model: lenet5
        dataset: fashion-mnist
        seed: 7
        stages:
          - train: { epochs: 2 }
          - prune: { multiplications: 0.4, epochs: 4 }
          - quantize: { bits: 2, epochs: 2 }
          - evaluate
        """;

    /// <summary>Patience for a whole small sweep on a busy machine.</summary>
    public static readonly TimeSpan Limit = TimeSpan.FromMinutes(5);

    public Scene()
    {
        SmallFashion.Require();
        Root = Directory.CreateTempSubdirectory("lathe-end-to-end-").FullName;
        SmallFashion.Write(Path.Combine(Root, "data"), train: 4096, test: 1000);
        Directory.CreateDirectory(Path.Combine(Root, "tmp"));
        SweepFile = Path.Combine(Root, "small.yaml");
        File.WriteAllText(SweepFile, Sweep);
    }

    public string Root { get; }

    public string SweepFile { get; }

    public string Home => Path.Combine(Root, "home");

    /// <summary>Environment of every process of this scene. One thread, so that bits do not depend on the machine's load or size.</summary>
    public Dictionary<string, string> Environment => new()
    {
        ["LATHE_HOME"] = Home,
        ["LATHE_DATA"] = Path.Combine(Root, "data"),
        ["LATHE_THREADS"] = "1",
        ["TMPDIR"] = Path.Combine(Root, "tmp"),
    };

    /// <summary>Runs the sweep embedded and returns its leaves.</summary>
    public async Task<(string Output, IReadOnlyList<LeafResult> Leaves)> RunEmbeddedAsync(params string[] options)
    {
        var json = Path.Combine(Root, "results.json");
        var (code, output) = await LatheProcess.RunAsync("lathe", ["run", SweepFile, "--json", json, .. options], Environment, Limit);
        Assert.True(code == 0, output);
        return (output, ReadResults(json));
    }

    public static IReadOnlyList<LeafResult> ReadResults(string file) =>
        JsonSerializer.Deserialize<List<LeafResult>>(File.ReadAllText(file), LatheJson.Options)!;

    /// <summary>Stage and digest of what it made, for each execution on the way to a leaf.</summary>
    public static IReadOnlyList<string> Digests(LeafResult leaf) =>
        [.. leaf.Stages.Select(stage => $"{stage.Stage} {stage.Checkpoint?.Sha256}")];

    public void Dispose() => Directory.Delete(Root, recursive: true);
}
