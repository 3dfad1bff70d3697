using Lathe.Contracts;
using Lathe.Evaluator;
using Lathe.Graph.Checkpoints;
using Lathe.NN.Training;
using Lathe.Pruner;
using Lathe.Quantizer;
using Lathe.Reports.Terminals;

namespace Lathe.Cli.Tests.Output;

/// <summary>What stages say of their work, on a terminal of 80 columns.</summary>
public sealed class Tables_of_built_in_stages
{
    private const string LongName = "features.denseblock4.denselayer16.conv2.of.a.very.long.name";
    private static readonly int[] Epochs = [.. Enumerable.Range(1, 40)];

    [Fact]
    public void A_pruning_shows_its_layers_and_the_way_to_its_targets()
    {
        var record = new PruningRecord(
            [new PrunedLayer("features.0", 16, 8, 400, 200, 313_600, 156_800), new PrunedLayer(LongName, 128, 128, 40_000, 20_000, 2_508_800, 627_200)],
            [.. Epochs.Select(epoch => new SizePoint(epoch, 215_546 - epoch, 3_024_384 - (1_000 * epoch), null, 1_512_192, 3, 1))]);
        var texts = Draw(PrunePanels.Of(Step("prune", record.ToJson())));
        Assert.Equal(
            ["Layers", "layer width left kept mults left share", "features.0 16 8 0.500 313,600 156,800 0.056"], texts[0].Take(3).Select(Words));
        Assert.Matches("^  ….*name +128 +128 +1.000 +2,508,800 +627,200 +0.222$", texts[0][3]);
        Assert.Equal("epoch params target mults target closed reopened", Words(texts[1][1]));
        Assert.Equal("40 215,506 free 2,984,384 1,512,192 120 40", Words(texts[1][^3]));
        Assert.Equal("10 of 40 rows; JSON has all", Words(texts[1][^2]));
    }

    [Fact]
    public void A_quantization_shows_its_layers_and_the_way_to_their_modes()
    {
        var record = new QuantizationRecord(
            [
                new QuantizedLayer("features.0", 2, 3, 400, 0.4125, 0.0123, [0.3, 0.4125, 0.2875], 0.3, 0.5875),
                // Of an older checkpoint, which does not tell.
                new QuantizedLayer(LongName, 8, 7, 1_048_576, 0.02, 0.2887, null),
            ],
            new ModeCourse(Epochs, [.. Epochs.Select(e => 0.1 / e)], [.. Epochs.Select(e => 0.29 / e)], [], [], []),
            [new WeightHistogram(null, 2, [0, 12], [[0, 1, 80, 40, 0], [4, 0, 8, 0, 1]], 2.5)], null);
        var texts = Draw(QuantizePanels.Of(Step("quantize", record.ToJson())));
        Assert.Equal(["Weights", "Layers", "Modes by epoch"], texts.Select(t => t[0]));
        Assert.Equal(["features.0, 2 bits", "before ▁█▄", "epoch 12 ▄ █ ▁"], texts[0].Skip(1).Take(3).Select(Words));
        Assert.Equal("features.0 2 2^-3 400 30.00 41.25 28.75 0.01230", Words(texts[1][2]).Replace(" 58.75", "", StringComparison.Ordinal));
        Assert.Matches(@"^  ….*name +8 +2\^-7 +1,048,576 +- +2.00 +- +0.2887", texts[1][3]);
        Assert.Equal("40 0.25 0.007250", Words(texts[2][^3]));
    }

    [Fact]
    public void An_evaluation_shows_figures_beside_the_dense_networks_and_what_classes_are_mistaken_for()
    {
        var metrics = new Dictionary<string, double>
        {
            ["top1"] = 0.9079, ["top1Low"] = 0.9021, ["top1High"] = 0.9134, ["top1Dense"] = 0.9095, ["loss"] = 0.2494, ["lossDense"] = 0.2416,
            ["parameters"] = 139_372, ["parametersRatio"] = 0.6466, ["multiplicationsRatio"] = 0.489519, ["bits"] = 2, ["bytes"] = 37_365, ["bytesDense"] = 863_592,
            ["latencyThreads"] = 2, ["latency1"] = 0.39, ["latency1Low"] = 0.351, ["latency1High"] = 0.429, ["speedup1"] = 0.98,
        };
        var record = new EvaluationRecord([100, 200, 0], [90, 150, 0], [new Mistake(1, 0, 50)], [[90, 3, 7], [50, 150, 0], [0, 0, 0]]);

        var figures = Samples.Draw(MetricText.Of(metrics, EvaluateMetrics.All), 80);
        Assert.Matches("^top-1 % +90.79 +90.95 +95% interval 90.21 to 91.34$", figures[1]);
        Assert.Matches("^points +-0.16$", figures[2]);
        Assert.Contains(figures, line => Words(line) == "params 139,372 215,546 trainable values");
        Assert.Contains(figures, line => Words(line) == "KiB 36.5 843.4 stored tensors, weights packed");
        Assert.All(figures, line => Assert.InRange(line.Length, 0, 80));

        var texts = Draw(EvaluatePanels.Of(record, metrics, "fashion-mnist"));
        Assert.Equal(["Times", "Classes", "Confusion matrix"], texts.Select(t => t[0]));
        Assert.Equal("1 this, ONNX Runtime float32 0.390 0.351 to 0.429 0.98x", Words(texts[0][2]));
        Assert.Contains("No faster: 0.49 of the multiplications", Words(string.Join(' ', texts[0])), StringComparison.Ordinal);
        Assert.Equal(
            ["class images right % most often taken for", "T-shirt/top 100 90.00 Pullover (7)", "Trouser 200 75.00 T-shirt/top (50)", "Pullover 0 -"],
            texts[1].Skip(1).Take(4).Select(Words));
    }

    private static List<string[]> Draw(IReadOnlyList<Contracts.Panels.Panel> panels)
    {
        List<string[]> texts = [.. PanelText.Of(panels, 80).Select(text => Samples.Draw(text, 80))];
        Assert.All(texts.SelectMany(t => t), line => Assert.InRange(line.Length, 0, 80));
        return texts;
    }

    private static string Words(string line) => string.Join(' ', line.Split(' ', StringSplitOptions.RemoveEmptyEntries));

    private static LineageStep Step(string stage, System.Text.Json.JsonElement records) => new(
        stage, "9", Samples.Json("{}"), 1, null, new DataRef("fashion-mnist", ""), new Dictionary<string, string>(), new Dictionary<string, double>(), records);
}
