using System.Text.Json;
using Lathe.Contracts;
using Lathe.Graph;
using Lathe.Graph.Checkpoints;
using Lathe.Graph.Models;
using Lathe.Hosting;
using Lathe.NN.Checkpoints;
using Lathe.NN.Data;
using Lathe.NN.Execution;
using Lathe.NN.FixedPoint;
using Lathe.NN.Runtime;
using Lathe.Testing;
using TorchSharp;

namespace Lathe.Evaluator.Tests;

public sealed class Evaluating_a_chain : IDisposable
{
    private readonly string _root = Directory.CreateTempSubdirectory("lathe-evaluator-").FullName;
    private readonly StageTrial _trial;

    public Evaluating_a_chain()
    {
        BarImages.Write(Path.Combine(_root, "data"), train: 64, test: 300);
        _trial = new StageTrial(HostingSettings.In(Path.Combine(_root, "home")) with
        {
            Data = Path.Combine(_root, "data"),
            Threads = 1,
            SlotFolder = Path.Combine(_root, "slots"),
        });
        TorchRuntime.Configure(1);
    }

    [Fact]
    public void A_dense_network_is_compared_with_itself()
    {
        var metrics = Evaluate(Write(seed: 1, dense: null, formats: []));
        Assert.Equal(metrics["top1"], metrics["top1Dense"]);
        Assert.Equal((1, 1, 0), (metrics["parametersRatio"], metrics["multiplicationsRatio"], metrics["changedPredictions"]));
        Assert.Equal((215_546, 3_024_384), (metrics["parameters"], metrics["multiplications"]));
        Assert.DoesNotContain("bits", metrics.Keys);
        // float32 parameters and running statistics of 16 + 32 + 128 channels.
        Assert.Equal(4 * (215_546 + (2 * 176)), metrics["bytes"]);
    }

    [Fact]
    public void The_figures_are_those_of_counting_by_hand()
    {
        var output = Write(seed: 3, dense: null, formats: []);
        var metrics = Evaluate(output);
        using var checkpoint = CheckpointFile.Read(_trial.Checkpoints.PathOf(output));
        using var module = GraphModule.FromTensors(checkpoint.Graph, checkpoint.Tensors);
        var test = DataSets.Open("mnist", Path.Combine(_root, "data")).Test;
        var right = 0;
        var index = 0;
        foreach (var batch in BatchLoader.InOrder(test, 1))
        {
            using (batch)
            using (torch.no_grad())
            using (var logits = module.Forward(batch.Images, training: false))
            {
                var values = logits.data<float>().ToArray();
                if (Array.IndexOf(values, values.Max()) == test.Label(index++)) right++;
            }
        }

        Assert.Equal(right / 300.0, metrics["top1"]);
    }

    [Fact]
    public void What_one_figure_hides_is_kept_beside_the_figures()
    {
        var outcome = Outcome(Write(seed: 3, dense: null, formats: []));
        var record = EvaluationRecord.TryRead(outcome.Records)!;
        Assert.Equal(10, record.Images.Count);
        Assert.Equal(300, record.Images.Sum());
        Assert.Equal(outcome.Metrics["top1"], record.Right.Sum() / 300.0);
        Assert.Equal(record.Images, record.Confusion!.Select(row => row.Sum()));
        Assert.Equal(record.Right, record.Confusion!.Select((row, label) => row[label]));
        Assert.Equal(record.Confusion!.SelectMany((row, label) => row.Where((_, taken) => taken != label)).Max(), record.Mistakes[0].Images);

        Assert.Equal((300, outcome.Metrics["top1"]), (outcome.Metrics["images"], outcome.Metrics["top1Dense"]));
        Assert.InRange(outcome.Metrics["top1"], outcome.Metrics["top1Low"], outcome.Metrics["top1High"]);
        Assert.InRange(outcome.Metrics["top5"], outcome.Metrics["top1"], 1);
        // The first convolution's 16 maps of 28 x 28, and the same once normalized.
        Assert.Equal(4 * 2 * 16 * 28 * 28, outcome.Metrics["peakActivationBytes"]);

        Assert.Null(EvaluationRecord.TryRead(null));
        Assert.Null(EvaluationRecord.TryRead(JsonSerializer.SerializeToElement(new { images = new[] { 1, 2 }, right = new[] { 1 }, mistakes = Array.Empty<int>() })));
        Assert.Null(EvaluationRecord.TryRead(JsonSerializer.SerializeToElement("odd")));
    }

    [Fact]
    public void A_network_for_other_images_is_refused()
    {
        var graph = Zoo.Build("lenet5", new TensorShape(1, 28, 28), 7);
        using var module = GraphModule.Create(graph, seed: 1);
        using var checkpoint = new Checkpoint(graph, module.Snapshot(), Lineage.Empty, new Dictionary<string, WeightFormat>());
        var other = _trial.Checkpoints.Write(stream => CheckpointFile.Write(stream, checkpoint));
        Assert.Contains(
            "tells 7 classes of [1, 28, 28] images apart; data set mnist has 10 classes", Assert.Throws<LatheException>(() => Evaluate(other)).Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public void A_quantized_network_is_compared_with_its_dense_ancestor_and_counted_packed()
    {
        var dense = Write(seed: 1, dense: null, formats: []);
        var formats = new Dictionary<string, WeightFormat> { ["features.0.weight"] = new(2, 3), ["classifier.0.weight"] = new(2, 5) };
        var metrics = Evaluate(Write(seed: 2, dense, formats));
        // The other two weights have 32.
        Assert.Equal(((2 * (400 + 200_704)) + (32 * (12_800 + 1_280))) / 215_184.0, metrics["bits"], 1e-9);
        Assert.Equal(Evaluate(dense)["top1"], metrics["top1Dense"]);
        var packed = (400 / 4) + (200_704 / 4) + 2;
        Assert.Equal(packed + (4 * (215_546 + (2 * 176) - 400 - 200_704)), metrics["bytes"]);
        Assert.Equal(4 * (215_546 + (2 * 176)), metrics["bytesDense"]);
    }

    [Fact]
    public void A_network_of_whole_numbers_is_measured_without_floats_too()
    {
        var graph = Zoo.Build("lenet5", new TensorShape(1, 28, 28), 10);
        var points = ActivationPoints.Of(graph).ToDictionary(point => point.Tensor, point => (4, point.Signed));
        var formats = graph.Nodes.Where(node => node is Conv2d or Linear).ToDictionary(node => $"{node.Name}.weight", _ => new WeightFormat(2, 3));
        var metrics = Evaluate(Write(seed: 2, dense: null, formats, ActivationPoints.Insert(graph, points, 8)));
        Assert.Equal(metrics["top1"], metrics["top1FixedPoint"], 0.002);
        Assert.InRange(metrics["changedFixedPoint"], 0, 0.002);
        // Two bits of a weight, 13 bytes of a channel's map; strips of 16 channels and of 8 products are filled up.
        Assert.InRange(metrics["modelBytesFixedPoint"], 215_088 / 4, (215_088 / 4) + 4_500);
        Assert.DoesNotContain("top1FixedPoint", Evaluate(Write(seed: 2, dense: null, formats)).Keys);
    }

    [Fact]
    public void The_dense_network_is_measured_once_for_all_that_come_from_it()
    {
        var dense = Write(seed: 1, dense: null, formats: []);
        var first = Evaluate(Write(seed: 2, dense, formats: []));
        File.Delete(_trial.Checkpoints.PathOf(dense));

        var second = Evaluate(Write(seed: 3, dense, formats: []));

        Assert.Equal((first["top1Dense"], first["lossDense"], first["bytesDense"]), (second["top1Dense"], second["lossDense"], second["bytesDense"]));
        Assert.NotEqual(first["changedPredictions"], second["changedPredictions"]);
    }

    [Fact]
    public void Every_figure_is_described()
    {
        var graph = Zoo.Build("lenet5", new TensorShape(1, 28, 28), 10);
        var points = ActivationPoints.Of(graph).ToDictionary(point => point.Tensor, point => (4, point.Signed));
        var formats = graph.Nodes.Where(node => node is Conv2d or Linear).ToDictionary(node => $"{node.Name}.weight", _ => new WeightFormat(2, 3));
        var input = Write(seed: 2, Write(seed: 1, dense: null, formats: []), formats, ActivationPoints.Insert(graph, points, 8));

        var outcome = _trial.Run<EvaluateStage, EvaluateParameters>(JsonSerializer.SerializeToElement(new { latency = true }), "mnist", input);

        Assert.Empty(outcome.Metrics.Keys.Except(EvaluateStage.Manifest.Metrics!.Select(m => m.Name)));
        Assert.Contains("speedup32FixedPoint", outcome.Metrics.Keys);
    }

    [Fact]
    public void A_network_for_other_images_is_refused_beforehand()
    {
        var fits = NetworkForms.Of(Zoo.Build("lenet5", new TensorShape(1, 28, 28), 10));
        var other = NetworkForms.Of(Zoo.Build("lenet5", new TensorShape(1, 28, 28), 7));

        Assert.Empty(_trial.Check<EvaluateStage, EvaluateParameters>(JsonSerializer.SerializeToElement(new { }), "mnist", fits).Problems);
        var problem = Assert.Single(_trial.Check<EvaluateStage, EvaluateParameters>(JsonSerializer.SerializeToElement(new { }), "mnist", other).Problems);
        Assert.Contains("tells 7 classes of [1, 28, 28] images apart; data set mnist has 10 classes", problem.Message);
    }

    [Fact]
    public void A_missing_ancestor_is_named()
    {
        var lost = new CheckpointRef(new string('e', 64), 5);
        var failure = Assert.Throws<LatheException>(() => Evaluate(Write(seed: 1, lost, formats: [])));
        Assert.Contains("eeeeeeee", failure.Message);
    }

    public void Dispose() => Directory.Delete(_root, recursive: true);

    private IReadOnlyDictionary<string, double> Evaluate(CheckpointRef input) => Outcome(input).Metrics;

    private StageOutcome Outcome(CheckpointRef input) =>
        _trial.Run<EvaluateStage, EvaluateParameters>(JsonSerializer.SerializeToElement(new { }), "mnist", input);

    private CheckpointRef Write(long seed, CheckpointRef? dense, Dictionary<string, WeightFormat> formats, NetworkGraph? network = null)
    {
        var graph = network ?? Zoo.Build("lenet5", new TensorShape(1, 28, 28), 10);
        using var module = GraphModule.Create(graph, seed);
        var tensors = module.Snapshot();
        foreach (var (name, format) in formats)
        {
            using var _ = torch.no_grad();
            tensors[name].mul_(Math.ScaleB(1, format.Fraction)).round_().clamp_(-format.MaxLevel, format.MaxLevel).mul_(format.StepSize);
        }

        using var checkpoint = new Checkpoint(graph, tensors, new Lineage([], dense), formats);
        return _trial.Checkpoints.Write(stream => CheckpointFile.Write(stream, checkpoint));
    }
}
