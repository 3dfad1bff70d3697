using Lathe.Cli.Output;
using Lathe.Evaluator;
using Lathe.NN.Training;

namespace Lathe.Cli.Tests.Output;

public sealed class EvaluationTableTests
{
    private static readonly CheckpointEvaluation Found = new(
        "a.safetensors", "lenet5", "fashion-mnist",
        new Dictionary<string, double>
        {
            ["images"] = 300, ["top1"] = 0.9079, ["top1Low"] = 0.9021, ["top1High"] = 0.9134, ["top5"] = 0.9987, ["loss"] = 0.2494, ["parameters"] = 139_372,
            ["multiplications"] = 1_480_492, ["bits"] = 2, ["bytes"] = 37_365, ["peakActivationBytes"] = 69_018, ["top1Dense"] = 0.9095, ["top5Dense"] = 0.9989,
            ["lossDense"] = 0.2416, ["changedPredictions"] = 0.044, ["parametersRatio"] = 0.6466, ["multiplicationsRatio"] = 0.489519, ["bytesDense"] = 863_592,
            ["peakActivationBytesDense"] = 100_352,
        },
        new EvaluationRecord([100, 200, 0], [90, 150, 0], [new Mistake(1, 0, 50)], [[90, 3, 7], [50, 150, 0], [0, 0, 0]]));

    [Fact]
    public void Figures_stand_beside_those_of_the_dense_ancestor()
    {
        var lines = Samples.Draw(EvaluationTable.Totals(Found), 80);
        Assert.Matches("^top-1 % +90.79 +90.95 +95% interval 90.21 to 91.34$", lines[1]);
        Assert.Contains(lines, line => line.StartsWith("points", StringComparison.Ordinal) && line.EndsWith("-0.16             4.40% of answers changed", StringComparison.Ordinal));
        Assert.All(lines, line => Assert.InRange(line.Length, 0, 80));
        // A checkpoint whose ancestor is not here.
        var alone = Found with { Metrics = Found.Metrics.Where(m => !m.Key.EndsWith("Dense", StringComparison.Ordinal) && !m.Key.EndsWith("Ratio", StringComparison.Ordinal)).ToDictionary() };
        Assert.DoesNotContain(Samples.Draw(EvaluationTable.Totals(alone), 80), line => line.StartsWith("points", StringComparison.Ordinal));
    }

    [Fact]
    public void Each_class_says_what_it_is_mistaken_for() =>
        Assert.Equal(
            ["class  images  right %  most often taken for", "0         100    90.00  2 (7)", "1         200    75.00  0 (50)", "2           0        -"],
            Samples.Draw(EvaluationTable.Classes(Found), 80));

    [Fact]
    public void Times_are_told_with_what_they_are_a_part_of()
    {
        var metrics = new Dictionary<string, double> { ["latencyThreads"] = 2, ["multiplicationsRatio"] = 0.489519 };
        foreach (var (name, median) in (ReadOnlySpan<(string, double)>)[("latency1Dense", 0.4), ("latency1", 0.39), ("latency1FixedPoint", 0.1), ("latency32Dense", 12.5), ("latency32", 6.25)])
            (metrics[name], metrics[$"{name}Low"], metrics[$"{name}High"]) = (median, median * 0.9, median * 1.1);
        (metrics["speedup1"], metrics["speedup1FixedPoint"], metrics["speedup32"]) = (0.4 / 0.39, 4, 2);

        var lines = Samples.Draw(LatencyTable.Of(metrics), 80);

        Assert.Equal("    1  dense, ONNX Runtime float32       0.400  0.360 to 0.440", lines[1]);
        Assert.Equal("    1  this, Lathe's fixed-point engine  0.100  0.090 to 0.110  4.00x", lines[3]);
        Assert.Equal("   32  dense, ONNX Runtime float32        12.5  11.3 to 13.8", lines[4]);
        Assert.Equal(
            ["no faster: 0.49 of the multiplications, but a batch of 1 takes 0.98 of the dense network's time in ONNX Runtime"], LatencyTable.Warnings(metrics));
    }
}
