using System.Text.Json;
using Lathe.Contracts;
using Lathe.Contracts.Panels;
using Lathe.Examples.Distiller;
using Lathe.Examples.LowRank;
using Lathe.Graph;
using Lathe.Graph.Checkpoints;
using Lathe.Graph.Models;
using Lathe.Graph.Sizing;
using Lathe.Hosting;
using Lathe.NN.Checkpoints;
using Lathe.NN.Execution;
using Lathe.Testing;
using Lathe.Trainer;
using static TorchSharp.torch;

namespace Lathe.EndToEnd.Tests;

/// <summary>The example stages in C#: each alone, and all of them in one sweep.</summary>
public sealed class Stages_of_the_examples : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("lathe-examples-").FullName;

    private HostingSettings Settings => HostingSettings.In(_folder) with { Data = Path.Combine(_folder, "data"), Threads = 1 };

    [Theory]
    [InlineData(0.5, null)]
    [InlineData(null, 0.95)]
    [InlineData(0.3, 0.945)]
    public void Lowrank_is_at_or_under_its_budget_and_has_no_room_for_one_more_rank(double? parameters, double? multiplications)
    {
        var graph = Zoo.Build("lenet5", new TensorShape(1, 28, 28), 10);
        var input = Keep(graph);
        var trial = new StageTrial(Settings);
        var wanted = new LowRankParameters { TargetParameters = parameters, Multiplications = multiplications };

        var outcome = trial.Run<LowRankStage, LowRankParameters>(JsonSerializer.SerializeToElement(wanted, LatheJson.Options), "", input);

        using var small = CheckpointFile.Read(trial.Checkpoints.PathOf(outcome.Output));
        var (limit, size) = (Ranks.Budget(wanted, graph), Complexity.Of(small.Graph));
        Assert.True(new Sizes(size.Parameters, size.Multiplications).Fit(limit), $"{size.Parameters} {size.Multiplications} {limit}");
        var factors = Factor.Of(graph, []);
        int?[] ranks = [.. factors.Select(f => small.Graph.Nodes.OfType<Linear>().FirstOrDefault(n => n.Name == $"{f.Node.Name}.down")?.OutFeatures)];
        Assert.Contains(ranks, rank => rank is not null);
        for (var i = 0; i < ranks.Length; i++)
        {
            if (ranks[i] is not { } rank) continue;
            int?[] more = [.. ranks];
            more[i] = rank == factors[i].MostRank ? null : rank + 1;
            Assert.False(Ranks.Of(Ranks.Whole(graph), factors, more).Fit(limit));
        }

        Assert.Equal(size.Parameters, outcome.Metrics["parameters"]);
        Assert.Equal("ranks", Assert.IsType<BarChart>(Assert.Single(outcome.Panels!)).Id);
        Assert.NotNull(small.Lineage.Dense);
    }

    [Fact]
    public void Lowrank_keeps_the_answers_of_a_network_whose_weights_have_that_rank_already()
    {
        var graph = new NetworkGraph(
            "thin", new TensorShape(3, 9, 9),
            [
                new Conv2d("a", ["input"], 3, 8, 3, Bias: true), new Conv2d("b", ["a"], 8, 24, 1, Stride: 2, Padding: 1, Bias: true), new GlobalAvgPool("pool", ["b"]), new Flatten("flat", ["pool"]),
                new Linear("c", ["flat"], 24, 12),
            ],
            "c");
        var input = Keep(graph, tensors =>
        {
            foreach (var name in (string[])["b.weight", "c.weight"])
            {
                var shape = tensors[name].shape;
                tensors[name] = rand(shape[0], 2).matmul(rand(2, shape[1])).reshape(shape);
            }
        });
        var trial = new StageTrial(Settings);
        var least = Ranks.Of(Ranks.Whole(graph), Factor.Of(graph, []), [2, 2]);

        var outcome = trial.Run<LowRankStage, LowRankParameters>(JsonElement.Parse($$"""{ "parameters": {{least.Parameters}}, "multiplications": {{least.Multiplications}} }"""), "", input);

        using var scope = NewDisposeScope();
        var images = rand(5, 3, 9, 9);
        Assert.Equal((2.0, true), (outcome.Metrics["layersSplit"], outcome.Metrics["lowRankError"] < 1e-6));
        Assert.Equal(Answers(trial, input, images), Answers(trial, outcome.Output, images), (a, b) => Math.Abs(a - b) < 1e-4);
    }

    [Fact]
    public void Lowrank_says_what_is_out_of_reach()
    {
        var form = NetworkForms.Of(Zoo.Build("lenet5", new TensorShape(1, 28, 28), 10));
        var trial = new StageTrial(Settings);
        var problems = trial.Check<LowRankStage, LowRankParameters>(JsonElement.Parse("""{ "parameters": 0.001, "skip": ["classifier.0", "fc"] }"""), "", form).Problems;
        Assert.Equal(["/skip/1", "/parameters"], problems.Select(p => p.Pointer));
        Assert.StartsWith("the network has no layer 'fc'; those that lowrank could split are classifier.0, classifier.3", problems[0].Message);
        Assert.Contains("expected at least that", problems[1].Message);
        Assert.StartsWith("no budget is given", Assert.Single(trial.Check<LowRankStage, LowRankParameters>(JsonElement.Parse("{}"), "", form).Problems).Message);
    }

    [Fact]
    public void Distiller_teaches_by_the_answers_of_its_teacher_alone()
    {
        SmallFashion.Write(Path.Combine(_folder, "data"), train: 2048, test: 100);
        var trial = new StageTrial(Settings);
        var teacher = trial.Run<TrainStage, TrainParameters>(JsonElement.Parse("""{ "model": "lenet5", "epochs": 3, "validation": 0.1 }"""), "fashion-mnist").Output;
        var student = Keep(Zoo.Build("lenet5", new TensorShape(1, 28, 28), 10));

        // With a share of 1 no label enters.
        var outcome = trial.Run<DistillStage, DistillParameters>(JsonElement.Parse($$"""{ "teacher": "{{teacher.Sha256}}", "share": 1, "epochs": 3, "validation": 0.1 }"""), "fashion-mnist", student);

        Assert.InRange(outcome.Metrics["teacherTop1"], 0.6, 1);
        Assert.InRange(outcome.Metrics["validationTop1"] - outcome.Metrics["validationTop1Before"], 0.3, 1);
        using var taught = CheckpointFile.Read(trial.Checkpoints.PathOf(outcome.Output));
        Assert.Equal(["made", "distill"], taught.Lineage.Steps.Select(step => step.Stage));
        var other = trial.Check<DistillStage, DistillParameters>(
            JsonElement.Parse($$"""{ "teacher": "{{teacher.Sha256}}" }"""), "fashion-mnist", NetworkForms.Of(Zoo.Build("resnet20", new TensorShape(3, 32, 32), 10)));
        Assert.Equal(("/teacher", true), (Assert.Single(other.Problems).Pointer, other.Problems[0].Message.Contains("the teacher takes images of [1, 28, 28]", StringComparison.Ordinal)));
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    /// <summary>Puts a network with weights of a seed into the store.</summary>
    private CheckpointRef Keep(NetworkGraph graph, Action<Dictionary<string, Tensor>>? change = null)
    {
        using var module = GraphModule.Create(graph, seed: 3);
        var tensors = new Dictionary<string, Tensor>(module.Snapshot());
        manual_seed(5);
        change?.Invoke(tensors);
        var step = new LineageStep("made", "1", JsonElement.Parse("{}"), 3, null, new DataRef("fashion-mnist", new string('0', 64)), new Dictionary<string, string>(), new Dictionary<string, double>());
        using var checkpoint = new Checkpoint(graph, tensors, Lineage.Empty.Then(step, compresses: false), new Dictionary<string, WeightFormat>());
        return new CheckpointStore(Settings).Write(stream => CheckpointFile.Write(stream, checkpoint));
    }

    private static float[] Answers(StageTrial trial, CheckpointRef reference, Tensor images)
    {
        using var checkpoint = CheckpointFile.Read(trial.Checkpoints.PathOf(reference));
        using var module = GraphModule.FromTensors(checkpoint.Graph, checkpoint.Tensors);
        using var off = no_grad();
        return module.Forward(images, training: false).data<float>().ToArray();
    }
}
