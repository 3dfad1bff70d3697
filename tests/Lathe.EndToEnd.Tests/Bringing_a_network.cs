using Lathe.Contracts;
using Lathe.Graph;
using Lathe.Graph.Onnx;
using Lathe.NN.Checkpoints;
using Lathe.NN.Onnx;
using Lathe.NN.Runtime;
using Lathe.Testing;

namespace Lathe.EndToEnd.Tests;

/// <summary>A network of a user's own, which Debian's PyTorch wrote (tests/Lathe.NN.Tests/Onnx/fixtures/make.py), all the way.</summary>
public sealed class Bringing_a_network
{
    private const string Sweep = """
        name: own
        model: nets/fashion.onnx
        dataset: fashion-mnist
        seed: 7
        stages:
          - train: { epochs: 1 }
          - evaluate
          - prune: { multiplications: 0.5, epochs: 2 }
          - quantize: { bits: 4, epochs: 1 }
          - evaluate
        """;

    private static readonly string Fixture = Path.Combine(Checkout.Root, "tests", "Lathe.NN.Tests", "Onnx", "fixtures", "fashion.onnx");

    [Fact]
    public async Task It_is_trained_pruned_quantized_evaluated_and_exported_again()
    {
        using var scene = new Scene();
        await File.WriteAllTextAsync(scene.SweepFile, Sweep);
        Directory.CreateDirectory(Path.Combine(scene.Root, "nets"));
        File.Copy(Fixture, Path.Combine(scene.Root, "nets", "fashion.onnx"));

        var (_, leaves) = await scene.RunEmbeddedAsync();
        var leaf = leaves.Single(l => l.Figure("bits") == 4);
        Assert.StartsWith("fashion:", leaf.Model);
        // Chance is 0.1; the file's weights are random ones.
        Assert.InRange(leaves.Single(l => l.Figure("bits") is null).Figure("top1")!.Value, 0.5, 1);
        Assert.InRange(leaf.Figure("top1")!.Value, 0.5, 1);
        Assert.InRange(leaf.Figure("multiplicationsRatio")!.Value, 0.3, 0.5);

        await ItsWeightsAreWhereTrainingStarted(scene);
        await AnotherNameForTheFileChangesNoResult(scene, leaf);
        ItIsWrittenAgain(scene, leaf);
    }

    private static async Task ItsWeightsAreWhereTrainingStarted(Scene scene)
    {
        // With so small a rate only the start can tell two networks apart.
        var file = Path.Combine(scene.Root, "still.yaml");
        await File.WriteAllTextAsync(file, "model: nets/fashion.onnx\ndataset: fashion-mnist\nstages:\n  - train: { epochs: 1, learningRate: 1.0e-12 }\n");
        var json = Path.Combine(scene.Root, "still.json");
        var (code, output) = await LatheProcess.RunAsync("lathe", ["run", file, "--json", json], scene.Environment, Scene.Limit);
        Assert.True(code == 0, output);
        var digest = Assert.Single(Scene.ReadResults(json)).Stages[0].Checkpoint!.Sha256;
        TorchRuntime.Configure(1);
        using var trained = CheckpointFile.Read(Path.Combine(scene.Home, "checkpoints", digest[..2], $"{digest}.safetensors"));
        using var original = OnnxImport.Read(Fixture).ToCheckpoint();
        Assert.True(trained.Tensors["classifier.weight"].allclose(original.Tensors["classifier.weight"], 1e-5, 1e-6));
    }

    private static async Task AnotherNameForTheFileChangesNoResult(Scene scene, LeafResult leaf)
    {
        File.Move(Path.Combine(scene.Root, "nets", "fashion.onnx"), Path.Combine(scene.Root, "other.onnx"));
        var (_, again) = await scene.RunEmbeddedAsync("--set", "model=other.onnx");
        Assert.All(again.SelectMany(l => l.Stages), stage => Assert.True(stage.Cached, stage.Stage));
        Assert.Equal(Scene.Digests(leaf), Scene.Digests(again.Single(l => l.Figure("bits") == 4)));

        var (code, output) = await LatheProcess.RunAsync("lathe", ["run", scene.SweepFile], scene.Environment, Scene.Limit);
        Assert.Equal(2, code);
        Assert.Contains($"{scene.SweepFile}:2:1: model: there is no file nets/fashion.onnx (looked in {scene.Root}", output);
    }

    private static void ItIsWrittenAgain(Scene scene, LeafResult leaf)
    {
        var made = leaf.Stages.Single(stage => stage.Stage == "quantize").Checkpoint!;
        using var checkpoint = CheckpointFile.Read(Path.Combine(scene.Home, "checkpoints", made.Sha256[..2], $"{made.Sha256}.safetensors"));
        using var quantized = new MemoryStream();
        OnnxExport.WriteQuantized(quantized, checkpoint, OnnxWeightType.Int8, OnnxExport.Metadata(checkpoint, made.Sha256));
        Assert.InRange(quantized.Length, 1000, new FileInfo(Fixture).Length);

        using var floats = new MemoryStream();
        OnnxExport.Write(floats, checkpoint.Graph, checkpoint.Tensors, new Dictionary<string, string>());
        var back = OnnxImport.Read(floats.ToArray(), "back.onnx", "back");
        Assert.Equal(ParameterShapes.Of(checkpoint.Graph).Select(p => p.Name), ParameterShapes.Of(back.Graph).Select(p => p.Name));
    }
}
