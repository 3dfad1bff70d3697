using Lathe.Contracts;

namespace Lathe.EndToEnd.Tests;

/// <summary>
/// The README's sweep on a part of Fashion-MNIST, with few epochs and loose bounds. docs/results/fashion-lenet5.md has the whole run.
/// </summary>
public sealed class Compressing_real_images
{
    private const string Sweep = """
        name: real
        model: lenet5
        dataset: fashion-mnist
        seed: 1
        stages:
          - train: { epochs: 3 }
          - evaluate
          - prune: { multiplications: 0.25, epochs: 3 }
          - evaluate
          - quantize: { bits: [2, 4], epochs: 3 }
          - evaluate
        """;

    [Fact]
    public async Task Keeps_most_of_the_accuracy_within_the_budget()
    {
        using var scene = new Scene();
        SmallFashion.Write(Path.Combine(scene.Root, "data"), train: 12_000, test: 10_000);
        await File.WriteAllTextAsync(scene.SweepFile, Sweep);
        var (_, leaves) = await scene.RunEmbeddedAsync();
        Assert.Equal(4, leaves.Count);

        var dense = leaves.Single(leaf => leaf.Stages.Count == 2);
        Assert.InRange(dense.Figure("top1")!.Value, 0.84, 1);

        var pruned = leaves.Single(leaf => leaf.Stages.Count == 3);
        Assert.InRange(pruned.Figure("multiplicationsRatio")!.Value, 0.235, 0.25);
        Assert.InRange(pruned.Figure("top1")!.Value, dense.Figure("top1")!.Value - 0.03, 1);
        Assert.Null(pruned.Figure("bits"));
        var surgery = pruned.Stages.Single(stage => stage.Stage == "prune").Metrics;
        Assert.InRange(surgery["surgeryLogitDifference"], 0, 1e-4);
        Assert.Equal(1, surgery["surgeryAgreement"]);

        foreach (var (bits, points, shrunk) in ((int, double, double)[])[(2, 0.05, 14), (4, 0.02, 7)])
        {
            var leaf = leaves.Single(l => l.Figure("bits") == bits);
            Assert.InRange(leaf.Figure("top1")!.Value, pruned.Figure("top1")!.Value - points, 1);
            Assert.Equal(pruned.Figure("multiplications"), leaf.Figure("multiplications"));
            Assert.InRange(pruned.Figure("bytes")!.Value / leaf.Figure("bytes")!.Value, shrunk * 0.8, 16);
            var rounding = leaf.Stages.Single(stage => stage.Stage == "quantize").Metrics;
            Assert.Equal(rounding["validationTop1Before"], rounding["validationTop1After"], 0.01);
            Assert.InRange(rounding["residual"], 0, 0.05);
        }
    }
}
