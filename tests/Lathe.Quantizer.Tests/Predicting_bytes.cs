using CsCheck;
using Lathe.Contracts;
using Lathe.Graph;
using Lathe.Graph.Checkpoints;
using Lathe.Graph.Models;
using Lathe.Hosting;
using Lathe.Quantizer.Weights;
using Lathe.Testing;

namespace Lathe.Quantizer.Tests;

public sealed class Predicting_bytes
{
    private readonly NetworkGraph _lenet = Zoo.Build("lenet5", new TensorShape(1, 28, 28), 10);
    private readonly StageTrial _trial = new(HostingSettings.In(Path.Combine(Path.GetTempPath(), "lathe-never-written")));

    [Theory]
    [InlineData("""{ "method": "naive", "bits": 3 }""")]
    [InlineData("""{ "method": "naive", "bits": { "default": 3, "features.0": 8, "classifier.*": 5 }, "exclude": "features.4" }""")]
    [InlineData("""{ "method": "naive", "bits": 2, "activations": 8 }""")]
    public void What_is_predicted_of_a_network_that_is_known_is_what_its_checkpoint_stores(string parameters)
    {
        using var trial = new QuantizerTrial(_lenet);
        var read = System.Text.Json.JsonSerializer.Deserialize<QuantizeParameters>(parameters, LatheJson.Options)!;
        var metrics = trial.Run(System.Text.Json.JsonElement.Parse(parameters)).Metrics;
        var form = Predict(read, NetworkForms.Of(_lenet));
        foreach (var name in (string[])["bytes", "parameters", "multiplications"]) Assert.Equal(new SizeRange(metrics[name], metrics[name]), form.Sizes[name]);
        Assert.Equal(metrics["bits"], form.Sizes["bits"].Least, 1e-9);
        Assert.Equal(form.Sizes["bits"].Least, form.Sizes["bits"].Most);
    }

    [Fact]
    public void Of_a_network_that_is_yet_to_be_pruned_no_checkpoint_lies_outside_of_the_range() =>
        Gen.Select(RandomNetworks.Wide.SelectMany(graph => RandomNetworks.Live(ChannelGroups.Of(graph)).Select(live => (graph, live))), Gen.Int[2, 8], Gen.Int[2, 8], Gen.Double[0, 0.3])
            .Sample((network, first, others, room) =>
            {
                var groups = ChannelGroups.Of(network.graph);
                var small = NetworkForms.Of(Surgery.Shrink(network.graph, groups, network.live));
                QuantizeParameters parameters = new() { Bits = new LayerBits(others, new Dictionary<string, int> { [NetworkForms.GraphOf(small).Nodes.First(n => n is Conv2d or Linear).Name] = first }) };
                var form = NetworkForms.Of(network.graph) with
                {
                    IsExact = false,
                    Sizes = small.Sizes.Where(s => s.Key != NetworkForms.Bytes).ToDictionary(s => s.Key, s => new SizeRange(s.Value.Least * (1 - room), s.Value.Most * (1 + room))),
                };
                var (real, predicted) = (Predict(parameters, small).Sizes["bytes"], Predict(parameters, form).Sizes["bytes"]);
                Assert.InRange(real.Least, predicted.Least, predicted.Most);
            }, iter: 100);

    private NetworkForm Predict(QuantizeParameters parameters, NetworkForm input)
    {
        var forecast = _trial.Check<QuantizeStage, QuantizeParameters>(parameters, input);
        Assert.Empty(forecast.Problems);
        return forecast.Form!;
    }
}
