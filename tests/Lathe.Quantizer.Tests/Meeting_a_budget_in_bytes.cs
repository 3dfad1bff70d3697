using System.Text.Json;
using CsCheck;
using Lathe.Contracts;
using Lathe.Contracts.Panels;
using Lathe.Graph;
using Lathe.Graph.Models;
using Lathe.Hosting;
using Lathe.NN.Data;
using Lathe.NN.Execution;
using Lathe.NN.FixedPoint;
using Lathe.Quantizer.Weights;
using Lathe.Testing;
using static TorchSharp.torch;

namespace Lathe.Quantizer.Tests;

public sealed class Meeting_a_budget_in_bytes : IDisposable
{
    private static readonly Gen<BitLayer> SomeLayer =
        Gen.Select(Gen.Long[1, 2000], Gen.Int[2, 6], Gen.Double[0, 1].Array[1, 3]).Select((weights, least, losses) =>
            new BitLayer("layer", weights, least, [.. losses.OrderDescending()]));

    private readonly NetworkGraph _lenet = Zoo.Build("lenet5", new TensorShape(1, 28, 28), 10);
    private readonly QuantizerTrial _trial;

    public Meeting_a_budget_in_bytes() => _trial = new QuantizerTrial(_lenet);

    public void Dispose() => _trial.Dispose();

    [Fact]
    public void Every_choice_fits_and_leaves_no_bit_that_fits() =>
        Gen.Select(SomeLayer.List[1, 5], Gen.Double[0, 1.2]).Sample((layers, room) =>
        {
            var least = BitBudget.Least(layers);
            var budget = least + Math.Floor(room * (layers.Sum(l => l.BytesAt(l.Most)) - least));
            var bits = BitBudget.Choose(layers, budget);
            var bytes = layers.Select((l, i) => l.BytesAt(bits[i])).Sum();
            Assert.True(bytes <= budget);
            Assert.All(layers.Select((l, i) => (l, i)), at => Assert.True(bits[at.i] == at.l.Most || bytes - at.l.BytesAt(bits[at.i]) + at.l.BytesAt(bits[at.i] + 1) > budget));
            if (BitBudget.OneMoreBit(layers, bits) is { } more) Assert.True(bytes + more > budget);
        }, iter: 2000);

    [Fact]
    public void A_choice_is_hardly_worse_than_the_best_of_all_and_never_than_the_same_bits_everywhere()
    {
        var (worst, over) = (0.0, 0);
        const int Times = 500;
        Gen.Select(SomeLayer.List[1, 4], Gen.Double[0, 1]).Sample((layers, room) =>
        {
            var least = BitBudget.Least(layers);
            var budget = least + Math.Floor(room * (layers.Sum(l => l.BytesAt(l.Most)) - least));
            var chosen = Loss(layers, BitBudget.Choose(layers, budget));
            foreach (var same in Enumerable.Range(2, 7).Select(count => layers.Select(l => Math.Clamp(count, l.Least, l.Most)).ToArray()).Where(bits => Bytes(layers, bits) <= budget))
                Assert.True(chosen <= Loss(layers, same) + 1e-12);
            var best = All(layers, 0).Where(bits => Bytes(layers, bits) <= budget).Min(bits => Loss(layers, bits));
            Assert.True(best <= chosen + 1e-12);
            worst = Math.Max(worst, chosen - best);
            if (chosen > best + 1e-9) over++;
        }, iter: Times, threads: 1, seed: "0N0XIzNsQ0O2");
        Assert.True(over < Times / 20, $"{over} of {Times} choices are not the best, by up to {worst}");

        static long Bytes(IReadOnlyList<BitLayer> layers, int[] bits) => layers.Select((l, i) => l.BytesAt(bits[i])).Sum();
        static double Loss(IReadOnlyList<BitLayer> layers, int[] bits) => layers.Select((l, i) => l.LossAt(bits[i])).Sum();
        static IEnumerable<int[]> All(IReadOnlyList<BitLayer> layers, int from) => from == layers.Count
            ? [[]]
            : Enumerable.Range(layers[from].Least, layers[from].Loss.Count).SelectMany(bits => All(layers, from + 1).Select(rest => (int[])[bits, .. rest]));
    }

    [Fact]
    public void The_loss_is_felt_as_it_is_computed_by_hand()
    {
        // One linear layer behind a flattening: the Fisher information of w_kj is E x_j²·p_k·(1 − p_k).
        var builder = new GraphBuilder("one", new TensorShape(1, 28, 28));
        builder.Flatten("flat");
        builder.Linear("fc", 10);
        using var trial = new QuantizerTrial(builder.Build());
        using var scope = NewDisposeScope();
        using var checkpoint = trial.Read(trial.Float);
        using var module = GraphModule.FromTensors(checkpoint.Graph, checkpoint.Tensors);
        var train = DataSets.Open("mnist", trial.Data, new ImageOptions(28)).Train;
        var felt = WeightSensitivity.Of(module, ["fc.weight"], train, seed: 3)["fc.weight"];
        using var _ = no_grad();
        var expected = zeros(10, 784);
        var count = 0L;
        foreach (var batch in BatchLoader.InOrder(train, 256))
        {
            using var owned = batch;
            var chance = module.Forward(batch.Images, training: false).softmax(1);
            expected.add_(chance.mul(chance.neg().add(1)).transpose(0, 1).matmul(batch.Images.flatten(1).square()));
            count += batch.Images.shape[0];
        }

        expected.div_(count);
        // Drawn answers: the sum over all weights is near, and so is each class's.
        Assert.InRange(felt.sum().item<float>() / expected.sum().item<float>(), 0.8, 1.25);
        Assert.All(Enumerable.Range(0, 10), k => Assert.InRange(felt[k].sum().item<float>() / expected[k].sum().item<float>(), 0.4, 2.5));
    }

    [Theory]
    [InlineData(""" "bytes": 0.1 """)]
    [InlineData(""" "bytes": "100 KiB" """)]
    [InlineData(""" "bytes": 150000, "bits": 3 """)]
    [InlineData(""" "bytes": 120000, "bits": { "default": 2, "features.0": 8 } """)]
    [InlineData(""" "bytes": 0.15, "exclude": "features.0", "activations": 8 """)]
    public void A_network_fits_its_budget_to_the_byte(string given)
    {
        var parameters = JsonElement.Parse($$"""{ "method": "naive", {{given}} }""");
        var read = ParametersSchema.Read<QuantizeParameters>("quantize", parameters);
        var outcome = _trial.Run(parameters);
        using var checkpoint = _trial.Read(outcome.Output);
        var whole = NetworkForms.Of(_lenet).Sizes[NetworkForms.Bytes].Most;
        var bytes = outcome.Metrics["bytes"];
        Assert.InRange(bytes, 1, read.Bytes!.Value.Of(whole));
        Assert.True(bytes + outcome.Metrics["oneMoreBitBytes"] > read.Bytes.Value.Of(whole));
        Assert.All(checkpoint.Formats, f => Assert.InRange(f.Value.Bits, read.Bits.Default, 8));
        if (given.Contains("\"features.0\": 8", StringComparison.Ordinal)) Assert.Equal(8, checkpoint.Formats["features.0.weight"].Bits);
        Assert.Equal(given.Contains("exclude", StringComparison.Ordinal) ? 3 : 4, checkpoint.Formats.Count);
        Assert.True(checkpoint.Formats.Values.Select(f => f.Bits).Distinct().Count() > 1);
        var drawn = Assert.IsType<BarChart>(Assert.Single(outcome.Panels!, panel => panel.Id == "bits"));
        Assert.Equal(drawn.Categories.Select(layer => (double)checkpoint.Formats[$"{layer}.weight"].Bits), drawn.Series[0].Values);

        var form = new StageTrial(HostingSettings.In(Path.Combine(Path.GetTempPath(), "lathe-never-written"))).Check<QuantizeStage, QuantizeParameters>(read, NetworkForms.Of(_lenet)).Form!;
        Assert.InRange(bytes, form.Sizes["bytes"].Least, form.Sizes["bytes"].Most);
        Assert.InRange(outcome.Metrics["bits"], form.Sizes["bits"].Least, form.Sizes["bits"].Most);
    }

    [Fact]
    public void With_room_for_all_bits_every_layer_has_eight()
    {
        var outcome = _trial.Run(new { method = "naive", bytes = 1 });
        using var checkpoint = _trial.Read(outcome.Output);
        Assert.All(checkpoint.Formats.Values, format => Assert.Equal(8, format.Bits));
        Assert.False(outcome.Metrics.ContainsKey("oneMoreBitBytes"));
    }

    [Fact]
    public void What_is_out_of_reach_is_refused_before_training_and_in_it()
    {
        const string Message = "10,240 (0.0119 of 863,592) cannot be reached: with the fewest bits in every layer 56,656 are left; expected at least 56,656 (0.0657)";
        var forecast = new StageTrial(HostingSettings.In(Path.Combine(Path.GetTempPath(), "lathe-never-written")))
            .Check<QuantizeStage, QuantizeParameters>(new QuantizeParameters { Bytes = new ByteTarget(10240) }, NetworkForms.Of(_lenet));
        var problem = Assert.Single(forecast.Problems);
        Assert.Equal("/bytes", problem.Pointer);
        Assert.Contains(Message, problem.Message, StringComparison.Ordinal);
        Assert.Contains(Message, Assert.Throws<LatheException>(() => _trial.Run(new { method = "naive", bytes = "10 KiB" })).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{ "bytes": 0 }""", "bytes is 0, expected a number above 0, or a text as \"40 KiB\"")]
    [InlineData("""{ "bytes": "forty" }""", "bytes")]
    public void A_target_that_is_none_is_told(string parameters, string fault) => Assert.Contains(
        fault, Assert.Throws<LatheException>(() => ParametersSchema.Read<QuantizeParameters>("quantize", JsonElement.Parse(parameters))).Message, StringComparison.Ordinal);

    [Fact]
    public void A_training_that_goes_on_keeps_its_bits()
    {
        var parameters = new { bytes = 0.12, epochs = 2, batchSize = 32 };
        var undisturbed = _trial.Run(parameters).Output;
        var (outcome, stops) = _trial.RunInterrupted(parameters, 5, 20);
        Assert.Equal(3, stops);
        Assert.Equal(undisturbed, outcome.Output);
    }
}
