using System.Text.Json;
using Lathe.Contracts;

namespace Lathe.EndToEnd.Tests;

/// <summary>What an embedded run leaves for the next one.</summary>
public sealed class Running_a_sweep_again
{
    [Fact]
    public async Task Takes_every_result_from_the_first_run_and_recomputes_only_what_changed()
    {
        using var scene = new Scene();
        var (_, first) = await scene.RunEmbeddedAsync();
        Assert.All(Assert.Single(first).Stages, stage => Assert.False(stage.Cached));

        var (_, second) = await scene.RunEmbeddedAsync();
        Assert.All(Assert.Single(second).Stages, stage => Assert.True(stage.Cached));
        Assert.Equal(Scene.Digests(first[0]), Scene.Digests(second[0]));

        var (_, changed) = await scene.RunEmbeddedAsync("--set", "quantize.bits=4");
        Assert.Equal(
            ["train True", "prune True", "quantize False", "evaluate False"],
            Assert.Single(changed).Stages.Select(stage => $"{stage.Stage} {stage.Cached}"));

        await AShapeThatScriptsCanRelyOn(scene);
        await APrunedCheckpointTellsItsSurgery(scene, second[0]);
    }

    [Fact]
    public async Task Takes_no_result_that_was_computed_with_other_threads_than_it_asks_for()
    {
        using var scene = new Scene();
        File.WriteAllText(scene.SweepFile, "name: small\nmodel: lenet5\ndataset: fashion-mnist\nseed: 7\nstages:\n  - train: { epochs: 1 }\n");
        foreach (var threads in (string[])["2", "1"])
        {
            var (_, leaves) = await scene.RunEmbeddedAsync("--set", $"threads={threads}");
            var train = Assert.Single(Assert.Single(leaves).Stages);
            Assert.False(train.Cached);
            var (code, output) = await LatheProcess.RunAsync("lathe", ["inspect", train.Checkpoint!.Sha256[..12], "--json"], scene.Environment, Scene.Limit);
            Assert.True(code == 0, output);
            using var json = JsonDocument.Parse(output);
            Assert.Equal(threads, json.RootElement.GetProperty("lineage").GetProperty("steps")[0].GetProperty("versions").GetProperty("threads").GetString());
        }

        Assert.True((await scene.RunEmbeddedAsync("--set", "threads=2")).Leaves[0].Stages[0].Cached);
        Assert.False((await scene.RunEmbeddedAsync("--set", "threads=2", "--set", "device=cpu")).Leaves[0].Stages[0].Cached);
    }

    private static async Task AShapeThatScriptsCanRelyOn(Scene scene)
    {
        var file = Path.Combine(scene.Root, "again.json");
        var (code, output) = await LatheProcess.RunAsync("lathe", ["results", "small", "--json", file], scene.Environment, Scene.Limit);
        Assert.True(code == 0, output);
        using var json = JsonDocument.Parse(await File.ReadAllTextAsync(file));
        var leaf = json.RootElement[0];
        string[] figures = ["top1", "top1Dense", "loss", "parameters", "parametersRatio", "multiplications", "multiplicationsRatio", "bits", "bytes"];
        Assert.All(figures, name => Assert.Equal(JsonValueKind.Number, leaf.GetProperty(name).ValueKind));
        Assert.Equal(("lenet5", "fashion-mnist", 7), (leaf.GetProperty("model").GetString(), leaf.GetProperty("dataset").GetString(), leaf.GetProperty("seed").GetInt32()));
        Assert.InRange(leaf.GetProperty("multiplicationsRatio").GetDouble(), 0.3, 0.4);
        var stage = leaf.GetProperty("stages")[1];
        Assert.Equal(64, stage.GetProperty("key").GetString()!.Length);
        Assert.Equal(64, stage.GetProperty("checkpoint").GetProperty("sha256").GetString()!.Length);
        Assert.True(stage.GetProperty("checkpoint").GetProperty("bytes").GetInt64() > 0);
        Assert.True(stage.GetProperty("seconds").GetDouble() > 0);
        Assert.Equal(JsonValueKind.True, stage.GetProperty("cached").ValueKind);
        Assert.Equal(0.4, stage.GetProperty("parameters").GetProperty("multiplications").GetDouble());
    }

    private static async Task APrunedCheckpointTellsItsSurgery(Scene scene, LeafResult leaf)
    {
        var digest = leaf.Stages.Single(stage => stage.Stage == "prune").Checkpoint!.Sha256;
        var (code, output) = await LatheProcess.RunAsync("lathe", ["inspect", digest[..12], "--json"], scene.Environment, Scene.Limit);
        Assert.True(code == 0, output);
        using var json = JsonDocument.Parse(output);
        var facts = json.RootElement.GetProperty("lineage").GetProperty("steps")[1].GetProperty("facts");
        Assert.InRange(facts.GetProperty("surgeryLogitDifference").GetDouble(), 0, 1e-4);
        Assert.Equal(1, facts.GetProperty("surgeryAgreement").GetDouble());
    }
}
