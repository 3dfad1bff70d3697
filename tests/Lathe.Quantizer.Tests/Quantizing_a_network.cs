using CsCheck;
using Lathe.Contracts;
using Lathe.Graph;
using Lathe.Graph.Checkpoints;
using Lathe.Graph.Models;
using Lathe.Hosting;
using Lathe.NN.FixedPoint;
using Lathe.Quantizer.Weights;
using TorchSharp;

namespace Lathe.Quantizer.Tests;

/// <summary>The whole stage, on images that a network learns in a moment.</summary>
public sealed class Quantizing_a_network : IDisposable
{
    private static readonly string[] Layers = ["features.0", "features.4", "classifier.0", "classifier.3"];
    private readonly QuantizerTrial _trial = new(Zoo.Build("lenet5", new TensorShape(1, 28, 28), 10));

    [Theory]
    [InlineData(2)]
    [InlineData(4)]
    public void Makes_every_weight_a_mode_without_losing_what_it_learns(int bits)
    {
        var outcome = Quantize(new { bits, epochs = 4, batchSize = 32, validation = 0.125 });
        Assert.InRange(outcome.Metrics["residual"], 0, 0.02);
        Assert.Empty(outcome.Metrics.Keys.Except(QuantizeStage.Manifest.Metrics!.Select(m => m.Name)));
        Assert.InRange(outcome.Metrics["validationTop1After"], 0.9, 1);
        Assert.Equal(outcome.Metrics["validationTop1Before"], outcome.Metrics["validationTop1After"], 0.02);
        using var checkpoint = _trial.Read(outcome.Output);
        Assert.Equivalent(Layers.Select(layer => $"{layer}.weight"), checkpoint.Formats.Keys, strict: true);
        foreach (var (name, format) in checkpoint.Formats)
        {
            Assert.Equal(bits, format.Bits);
            var modes = checkpoint.Tensors[name].data<float>().ToArray().Select(weight => Math.ScaleB(weight, format.Fraction)).ToHashSet();
            Assert.All(modes, mode => Assert.True(mode == Math.Round(mode) && Math.Abs(mode) <= (1 << (bits - 1)) - 1, $"{name} holds {mode} steps"));
            Assert.True(modes.Count > 1, $"{name} has one value everywhere");
        }
    }

    [Fact]
    public void After_each_epoch_it_reports_what_it_would_measure_if_it_ended_there()
    {
        var outcome = Quantize(new { bits = 3, epochs = 3, batchSize = 32, validation = 0.125 });
        var epochs = _trial.Reports.Where(r => r.LastEpoch is not null).DistinctBy(r => r.LastEpoch!.Epoch).Select(r => r.LastEpoch!.Metrics!).ToList();
        Assert.Equal(3, epochs.Count);
        foreach (var metric in QuantizeStage.Manifest.Metrics!.Where(m => m.EachEpoch))
        {
            Assert.All(epochs, e => Assert.True(e.ContainsKey(metric.Name), metric.Name));
            Assert.Equal(outcome.Metrics[metric.Name], epochs[^1][metric.Name]);
        }
    }

    [Fact]
    public void Its_lineage_tells_how_the_weights_became_modes()
    {
        var outcome = Quantize(new { bits = 2, epochs = 3, batchSize = 32, validation = 0.125 });
        var header = _trial.ReadHeader(outcome.Output);
        var record = QuantizationRecord.TryRead(Assert.Single(header.Lineage.Steps).Records)!;
        Assert.Equal(Layers, record.Layers.Select(l => l.Layer));
        Assert.Equal([1, 2, 3], record.Training!.Epochs);
        Assert.Equal([1, 2, 3], record.Course.Epochs);
        Assert.Equal(outcome.Metrics["residual"], record.Course.Residual[^1], 1e-4);
        Assert.True(record.Course.Residual[0] > record.Course.Residual[^1]);
        Assert.Equal([0, 1, 2, 3], record.Histograms[0].Epochs);
        using var checkpoint = _trial.Read(outcome.Output);
        foreach (var layer in record.Layers)
        {
            var values = checkpoint.Tensors[$"{layer.Layer}.weight"].data<float>().ToArray();
            Assert.Equal(values.Length, layer.Weights);
            Assert.Equal(values.Count(value => value == 0) / (double)values.Length, layer.Zeros, 1e-4);
            Assert.Equal(1, layer.Modes!.Sum(), 1e-3);
        }

        var naive = _trial.ReadHeader(Quantize(new { method = "naive", bits = 5 }).Output);
        var rounded = QuantizationRecord.TryRead(Assert.Single(naive.Lineage.Steps).Records)!;
        Assert.Null(rounded.Training);
        Assert.Empty(rounded.Course.Epochs);
        Assert.All(rounded.Layers, layer => Assert.Null(layer.Modes));
    }

    [Theory]
    [InlineData("sgm")]
    [InlineData("ste")]
    [InlineData("proximal")]
    public void Other_methods_end_at_modes_too(string method)
    {
        var outcome = Quantize(new { method, bits = 3, epochs = 4, batchSize = 32, validation = 0.125 });
        Assert.InRange(outcome.Metrics["validationTop1After"], 0.9, 1);
        Assert.Equal(outcome.Metrics["validationTop1Before"], outcome.Metrics["validationTop1After"], 0.02);
        Assert.Equal(3, outcome.Metrics["bits"]);
    }

    [Fact]
    public void Naive_rounding_trains_nothing()
    {
        var naive = Quantize(new { method = "naive", bits = 2, epochs = 4 });
        Assert.Equal(naive.Output.Bytes, Quantize(new { method = "naive", bits = 2, epochs = 1 }).Output.Bytes);
        Assert.InRange(naive.Metrics["residual"], 0.1, 1);
        using var before = _trial.Read(_trial.Float);
        using var after = _trial.Read(naive.Output);
        foreach (var (name, format) in after.Formats)
            Assert.True(WeightGrid.Quantize(before.Tensors[name], format.Bits, format.Fraction).equal(after.Tensors[name]).all().item<bool>(), name);
    }

    [Fact]
    public void Layers_may_have_bits_of_their_own()
    {
        var bits = new Dictionary<string, int> { ["default"] = 2, ["features.0"] = 8, ["classifier.*"] = 4 };
        var outcome = Quantize(new { bits, epochs = 1 });
        using var checkpoint = _trial.Read(outcome.Output);
        Assert.Equal([8, 2, 4, 4], Layers.Select(layer => checkpoint.Formats[$"{layer}.weight"].Bits));
        Assert.InRange(outcome.Metrics["bits"], 2.1, 3.9);
        var wrong = Assert.Throws<LatheException>(() => Quantize(new { bits = new Dictionary<string, int> { ["default"] = 2, ["conv*"] = 8 } }));
        Assert.Contains("no layer 'conv*'", wrong.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void It_is_the_pull_that_makes_them_modes()
    {
        var without = Quantize(new { bits = 2, epochs = 2, batchSize = 32, pullStart = 1e-9, pullEnd = 1e-9 });
        Assert.InRange(without.Metrics["residual"], 0.1, 1);
        Assert.StartsWith("the pull was too weak: weights were still ", Assert.Single(_trial.Warned.Messages), StringComparison.Ordinal);
        Quantize(new { method = "naive", bits = 2 });
        Quantize(new { bits = 2, epochs = 2, batchSize = 32 });
        Assert.Single(_trial.Warned.Messages);
    }

    [Fact]
    public void The_same_seed_gives_the_same_bits_and_another_does_not()
    {
        var first = Quantize(new { bits = 2, epochs = 1 });
        Assert.Equal(first.Output, Quantize(new { bits = 2, epochs = 1 }).Output);
        Assert.NotEqual(first.Output, Quantize(new { bits = 2, epochs = 1 }, seed: 2).Output);
    }

    [Theory]
    [InlineData("symog")]
    [InlineData("ste")]
    public void Distillation_asks_for_the_input_networks_answers(string method)
    {
        var plain = Quantize(Parameters(0, 4));
        Assert.Equal(Weights(plain), Weights(Quantize(Parameters(0, 2))));
        // The input's weights come from a seed: it knows nothing, and with its answers alone nothing is learned from the labels.
        var distilled = Quantize(Parameters(1, 4));
        Assert.InRange(plain.Metrics["validationTop1After"], 0.9, 1);
        Assert.InRange(distilled.Metrics["validationTop1After"], 0, 0.5);
        Assert.NotEqual(Weights(distilled), Weights(Quantize(Parameters(1, 2))));

        float[] Weights(StageOutcome outcome)
        {
            using var checkpoint = _trial.Read(outcome.Output);
            return [.. checkpoint.Tensors.OrderBy(t => t.Key, StringComparer.Ordinal).SelectMany(t => t.Value.data<float>().ToArray())];
        }

        object Parameters(double distill, double distillTemperature) =>
            new { method, bits = 4, epochs = 3, batchSize = 32, validation = 0.125, distill, distillTemperature };
    }

    [Theory]
    [InlineData("symog", false, 0.0)]
    [InlineData("symog", true, 0.9)]
    [InlineData("sgm", false, 0.0)]
    [InlineData("ste", false, 0.0)]
    [InlineData("proximal", true, 0.0)]
    public void Stopped_at_random_steps_it_ends_with_the_same_bits(string method, bool refineStepSizes, double distill)
    {
        var parameters = new { method, refineStepSizes, distill, bits = 2, epochs = 2, batchSize = 32, validation = 0.125 };
        var undisturbed = Quantize(parameters).Output;
        // 28 steps in each of 2 epochs.
        Gen.Int[1, 26].Array[2].Sample(steps =>
        {
            var (outcome, stops) = _trial.RunInterrupted(parameters, steps);
            Assert.Equal(3, stops);
            Assert.Equal(undisturbed, outcome.Output);
        }, iter: 1);
    }

    [Fact]
    public void An_excluded_layer_stays_float_and_an_unknown_one_is_refused()
    {
        var outcome = Quantize(new { bits = 2, epochs = 1, exclude = "features.0, classifier.3" });
        using var checkpoint = _trial.Read(outcome.Output);
        Assert.Equal(["classifier.0.weight", "features.4.weight"], checkpoint.Formats.Keys.Order(StringComparer.Ordinal));
        // Of all weights: a float one has 32 bits.
        var weights = Layers.ToDictionary(layer => layer, layer => (double)checkpoint.Tensors[$"{layer}.weight"].numel());
        var bits = Layers.Sum(layer => weights[layer] * (layer is "features.4" or "classifier.0" ? 2 : 32)) / weights.Values.Sum();
        Assert.Equal(bits, outcome.Metrics["bits"], 1e-9);

        var wrong = Assert.Throws<LatheException>(() => Quantize(new { bits = 2, exclude = "features.1" }));
        Assert.Contains("no layer 'features.1'; its layers are features.0, features.4, classifier.0, classifier.3", wrong.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void More_bits_than_before_have_modes_in_between_to_move_to()
    {
        var two = Quantize(new { method = "naive", bits = 2 }).Output;
        var four = _trial.Run(new { method = "naive", bits = 4 }, input: two).Output;
        using var before = _trial.Read(two);
        using var after = _trial.Read(four);
        foreach (var (name, format) in before.Formats)
        {
            Assert.True(before.Tensors[name].equal(after.Tensors[name]).all().item<bool>(), name);
            // One step of before is four of now, of seven.
            Assert.Equal(new WeightFormat(4, format.Fraction + 2), after.Formats[name]);
        }

        // With as many bits nothing changes.
        using var again = _trial.Read(_trial.Run(new { method = "naive", bits = 2 }, input: two).Output);
        Assert.Equal(before.Formats, again.Formats);
    }

    [Theory]
    [InlineData("*", "quantize.exclude: '*' leaves no layer to quantize; the network's are features.0, features.4, classifier.0, classifier.3")]
    [InlineData("features.0,,features.4", "quantize.exclude: 'features.0,,features.4' has an empty name; expected names of layers with a comma between each two: features.0, features.4, classifier.0, classifier.3")]
    [InlineData("classifier.3", "quantize.bits.classifier.3: gives 'classifier.3' bits, but quantize.exclude leaves it float; take it out of one of them")]
    public void Excluding_everything_or_what_bits_are_given_for_is_refused(string exclude, string message)
    {
        var bits = new Dictionary<string, int> { ["default"] = 2, ["classifier.3"] = 8 };
        Assert.Equal(message, Assert.Throws<LatheException>(() => Quantize(new { bits, exclude })).Message);
        Assert.Equal(2, _trial.Read(Quantize(new { method = "naive", bits, exclude = "features.*" }).Output).Formats.Count);
    }

    [Fact]
    public void Schedules_that_run_backwards_are_refused()
    {
        Assert.Equal(
            "quantize.pullEnd: is 0.001 where pullStart is 1, and it rises from there; expected at least 1, or another pullStart", Refusal(new { pullStart = 1, pullEnd = 0.001 }));
        Assert.Equal(
            "quantize.sigmaEnd: is 0.5 where sigmaStart is 0.1, and it falls from there; expected at most 0.1, or another sigmaStart",
            Refusal(new { method = "sgm", sigmaStart = 0.1, sigmaEnd = 0.5 }));
        Assert.Equal(
            "quantize.finalLearningRate: is 0.003 where learningRate is 0.001, and it falls from there; expected at most 0.001, or another learningRate",
            Refusal(new { method = "ste", learningRate = 0.001 }));
        // What a method does not use may be anything.
        Quantize(new { method = "naive", pullStart = 1, pullEnd = 0.001, learningRate = 0.001 });

        string Refusal(object parameters) => Assert.Throws<LatheException>(() => Quantize(parameters)).Message;
    }

    public void Dispose() => _trial.Dispose();

    private StageOutcome Quantize(object parameters, long seed = 1) => _trial.Run(parameters, seed);
}
