using System.Text.Json;
using Lathe.Contracts;
using Lathe.Graph;
using Lathe.Graph.Checkpoints;
using Lathe.Graph.Models;
using Lathe.NN.Checkpoints;
using Lathe.NN.Execution;
using Lathe.NN.FixedPoint;
using Lathe.NN.Runtime;
using Lathe.NN.Training;
using Lathe.Quantizer.Weights;
using TorchSharp;
using static TorchSharp.torch;
using Parameter = TorchSharp.Modules.Parameter;

namespace Lathe.Quantizer.Tests;

/// <summary>What a quantization leaves in the lineage for tables and pictures.</summary>
public sealed class Keeping_the_history
{
    public Keeping_the_history() => TorchRuntime.Configure(1);

    [Fact]
    public void Statistics_are_those_of_counting_by_hand()
    {
        // Steps of 1/4 and modes -1, 0, 1.
        var format = new WeightFormat(2, 2);
        sbyte[] modes = [0, 0, 0, 0, 1];
        var statistics = ModeStatistics.Take([0.2f, -0.3f, 0f, 0.125f, 9f], format, modes);
        Assert.Equal([1, -1, 0, 0, 1], modes);
        Assert.Equal([1, 2, 2], statistics.Modes);
        Assert.Equal(2, statistics.Changed);
        Assert.Equal((0.2 * 0.2) + (0.2 * 0.2) + 0.25 + (35 * 35), statistics.SquaredSteps, 1e-4);
        Assert.Equal(5, statistics.Bins.Sum());
        // 13 bins a step; 0 lies in the middle, and what is beyond the edge in the outermost.
        Assert.Equal((1, 1), (statistics.Bins[32], statistics.Bins[64]));
        Assert.Equal(0, ModeStatistics.Take([0.2f, -0.3f, 0f, 0.125f, 9f], format, modes).Changed);
    }

    [Theory]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(5)]
    [InlineData(6)]
    public void Each_mode_lies_in_the_middle_of_a_bin(int bits)
    {
        var format = new WeightFormat(bits, 0);
        var width = 2 * ModeStatistics.Reach(bits) / ModeStatistics.BinCount(bits);
        for (var k = -format.MaxLevel; k <= format.MaxLevel; k++)
        {
            // All but the bin's edges.
            float[] values = [k - (float)(0.49 * width), k, k + (float)(0.49 * width)];
            Assert.Equal(3, ModeStatistics.Take(values, format, new sbyte[3]).Bins.Max());
        }
    }

    [Fact]
    public void The_modes_are_the_quantizer_s_own()
    {
        var random = CounterRandom.For(1, "weights");
        var values = Enumerable.Range(0, 5_000).Select(i => (float)((random.Uniform(i) - 0.5) * 3)).ToArray();
        foreach (var bits in (int[])[2, 3, 8])
        {
            using var weights = tensor(values);
            using var expected = WeightGrid.Modes(weights, bits, 4);
            var modes = new sbyte[values.Length];
            ModeStatistics.Take(values, new WeightFormat(bits, 4), modes);
            Assert.Equal(expected.data<float>().ToArray(), modes.Select(mode => (float)mode));
        }
    }

    [Fact]
    public void The_course_says_which_share_changed_and_how_far_from_their_modes_the_weights_are()
    {
        using var small = new Parameter(tensor(new[] { 0.0f, 0.25f }));
        using var large = new Parameter(tensor(new[] { 0.0f, 0.25f, 0.25f, -0.25f, 0.0f, 0.0f }));
        var history = new ModeHistory(Weights(("a.weight", small), ("b.weight", large)), epochs: 2);
        Set(small, 0.25f, 0.25f);
        history.TakePoint(1);
        Set(large, 0.125f, 0.25f, 0.25f, 0.25f, 0.0f, 0.0f);
        history.TakePoint(2);

        var record = history.Record(null);
        Assert.Equal([1, 2], record.Course.Epochs);
        Assert.Equal([1 / 8.0, 1 / 8.0], record.Course.Changed);
        Assert.Equal([0, 0.1768], record.Course.Residual);
        Assert.Equal([[0.5, 0], [0, 0.1667]], record.Course.LayerChanged);
        Assert.Equal([[0, 0], [0, 0.2041]], record.Course.LayerResidual);
        Assert.Equal(["a", "b"], record.Layers.Select(l => l.Layer));
        Assert.Equal((2, 2, 6, 0.5, 0.2041), (record.Layers[1].Bits, record.Layers[1].Fraction, record.Layers[1].Weights, record.Layers[1].Zeros, record.Layers[1].Residual));
        Assert.Equal([0, 0.5, 0.5], record.Layers[1].Modes);
        Assert.Equal((0, 0.5), (record.Layers[1].Negative, record.Layers[1].Outer));
        // All layers together, and each.
        Assert.Equal([null, "a", "b"], record.Histograms.Select(h => h.Layer));
        Assert.Equal([0, 1, 2], record.Histograms[0].Epochs);
        Assert.All(record.Histograms[0].Counts, counts => Assert.Equal(8, counts.Sum()));
        Assert.Equal(4, record.Histograms[0].Counts[0][32]);
        Assert.Null(record.Training);

        var read = QuantizationRecord.TryRead(record.ToJson())!;
        Assert.Equal(CanonicalJson.Write(record.ToJson()), CanonicalJson.Write(read.ToJson()));
        Assert.Null(QuantizationRecord.TryRead(null));
        Assert.Null(QuantizationRecord.TryRead(JsonSerializer.SerializeToElement(new { layers = Array.Empty<int>() })));
    }

    [Fact]
    public void Of_long_schedules_and_many_layers_less_is_kept()
    {
        var weights = Enumerable.Range(0, 50).Select(i => ($"l{i}.weight", new Parameter(zeros(4)))).ToArray();
        var history = new ModeHistory(Weights(weights), epochs: 1000);
        for (var epoch = 1; epoch <= 1000; epoch++) history.TakePoint(epoch);
        var record = history.Record(null);
        Assert.Equal(100, record.Course.Epochs.Count);
        Assert.Equal(1000, record.Course.Epochs[^1]);
        Assert.InRange(record.Course.LayerEpochs.Count, 4, 8);
        Assert.Equal(1000, record.Course.LayerEpochs[^1]);
        Assert.Equal([0, 125, 250, 375, 500, 625, 750, 875, 1000], Assert.Single(record.Histograms).Epochs);
        foreach (var (_, weight) in weights) weight.Dispose();
    }

    [Fact]
    public void With_all_its_history_a_file_of_2_bits_is_at_most_a_twelfth_of_the_dense_one()
    {
        const int Epochs = 200;
        var graph = Zoo.Build("vgg7@0.25", new TensorShape(3, 32, 32), 10);
        using var module = GraphModule.Create(graph, seed: 1);
        var random = CounterRandom.For(1, "noise");
        var epochs = Enumerable.Range(0, Epochs).Select(e => new EpochRecord(e, random.Uniform(3 * e), random.Uniform((3 * e) + 1), random.Uniform((3 * e) + 2))).ToList();
        var training = new TrainingHistory(epochs);
        var trained = Lineage.Empty.Then(Step("train", new TrainingRecord(TrainingCourse.Of(training)).ToJson()), compresses: false);
        using var snapshot = new Checkpoint(graph, module.Snapshot(), trained, new Dictionary<string, WeightFormat>());
        var dense = Bytes(snapshot);

        var weights = new QuantizedWeights(module.Parameters, StepSizes.Choose(snapshot.Tensors, StepSizes.BitsByLayer(graph, new QuantizeParameters { Bits = 2 })));
        var history = new ModeHistory(weights, Epochs);
        using (no_grad())
        {
            // Weights that never come to rest write the longest history.
            for (var epoch = 1; epoch <= Epochs; epoch++)
            {
                foreach (var (_, weight, _) in weights.All.Where((_, i) => (i + epoch) % 20 == 0)) weight.TimesInPlace(epoch % 2 == 0 ? 0.7 : 1.35);
                history.TakePoint(epoch);
            }
        }

        var record = history.Record(training).ToJson();
        weights.Round();
        using var quantized = new Checkpoint(
            graph, module.Snapshot(), trained.Then(Step("quantize", record), compresses: true), weights.Formats);
        var bytes = Bytes(quantized);
        Assert.True(bytes * 12 <= dense, $"{bytes} bytes, dense {dense}, of which history {CanonicalJson.Write(record).Length}");
        Assert.InRange(CanonicalJson.Write(record).Length, 5_000, 25_000);

        LineageStep Step(string stage, JsonElement records) => new(
            stage, "1", JsonSerializer.SerializeToElement(new { }), 1, stage == "train" ? null : new CheckpointRef(new string('a', 64), 1),
            new DataRef("cifar-10", new string('b', 64)), new Dictionary<string, string>(), new Dictionary<string, double>(), records);
    }

    private static long Bytes(Checkpoint checkpoint)
    {
        using var stream = new MemoryStream();
        CheckpointFile.Write(stream, checkpoint);
        return stream.Length;
    }

    private static QuantizedWeights Weights(params (string Name, Parameter Weight)[] weights) => new(
        weights.ToDictionary(w => w.Name, w => w.Weight), weights.ToDictionary(w => w.Name, _ => new WeightFormat(2, 2)));

    private static void Set(Parameter weight, params float[] values)
    {
        using var _ = no_grad();
        using var to = tensor(values);
        weight.copy_(to);
    }
}
