using Lathe.Contracts;
using Lathe.Graph;
using Lathe.Hosting;
using Lathe.NN.Checkpoints;
using TorchSharp;

namespace AcmeNamespace.Tests;

/// <summary>Runs the stage in this process, without a broker, on a tiny network that is not trained.</summary>
public sealed class SampleStageTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("sample-word-").FullName;
    private readonly StageTrial _trial;
    private readonly Checkpoint _network = Checkpoint.Create(Tiny(), seed: 1);
    private readonly CheckpointRef _input;

    public SampleStageTests()
    {
        _trial = new StageTrial(HostingSettings.In(_folder) with { Threads = 1 });
        _input = _trial.Checkpoints.Write(_network.WriteTo);
    }

    [Fact]
    public void The_smallest_half_of_each_layer_becomes_zero_and_the_rest_stays()
    {
        var outcome = Run(new SampleParameters { Share = 0.5 });

        Assert.Equal(0.5, outcome.Metrics["zeros"]);
        Assert.InRange(outcome.Metrics["removed"], 0.1, 0.5);
        using var output = CheckpointFile.Read(_trial.Checkpoints.PathOf(outcome.Output));
        foreach (var (layer, name, weight) in output.Weights())
        {
            var (before, after) = (Values(_network.Tensors[name]), Values(weight));
            Assert.Equal(after.Length / 2, after.Count(value => value == 0));
            Assert.All(before.Zip(after), pair => Assert.True(pair.Second == 0 || pair.Second == pair.First, layer));
            Assert.True(before.Zip(after).Where(p => p.Second == 0).Max(p => Math.Abs(p.First)) <= after.Where(v => v != 0).Min(Math.Abs));
        }

        Assert.Equal("sample-word", output.Lineage.Steps[^1].Stage);
        Assert.Equal(_input, output.Lineage.Dense);
        Assert.Single(outcome.Panels!);
    }

    [Fact]
    public void A_skipped_layer_stays_as_it_is()
    {
        var outcome = Run(new SampleParameters { Share = 0.5, Skip = ["fc"] });

        using var output = CheckpointFile.Read(_trial.Checkpoints.PathOf(outcome.Output));
        Assert.Equal(Values(_network.Tensors["fc.weight"]), Values(output.Tensors["fc.weight"]));
        Assert.NotEqual(Values(_network.Tensors["conv.weight"]), Values(output.Tensors["conv.weight"]));
    }

    [Fact]
    public void The_same_parameters_give_the_same_bytes()
    {
        var parameters = new SampleParameters { Share = 0.25 };

        Assert.Equal(Run(parameters).Output, Run(parameters).Output);
    }

    [Fact]
    public void A_layer_that_the_network_does_not_have_is_refused_before_anything_runs()
    {
        var forecast = _trial.Check<SampleStage, SampleParameters>(new SampleParameters { Skip = ["conv", "head"] }, NetworkForms.Of(_network.Graph));

        var problem = Assert.Single(forecast.Problems);
        Assert.Equal(("/skip/1", "the network has no layer 'head'; its layers are conv, fc"), (problem.Pointer, problem.Message));
    }

    [Fact]
    public void It_stops_when_it_is_told_to() =>
        Assert.Throws<OperationCanceledException>(() => _trial.Run<SampleStage, SampleParameters>(new SampleParameters(), _input, stop: new CancellationToken(canceled: true)));

    public void Dispose()
    {
        _network.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    private StageOutcome Run(SampleParameters parameters) =>
        _trial.Run<SampleStage, SampleParameters>(parameters, _input, stop: TestContext.Current.CancellationToken);

    private static float[] Values(torch.Tensor tensor) => tensor.data<float>().ToArray();

    /// <summary>A convolution and a linear layer on images of 8x8 pixels.</summary>
    private static NetworkGraph Tiny()
    {
        var builder = new GraphBuilder("tiny", new TensorShape(1, 8, 8));
        builder.Conv("conv", outChannels: 4, kernel: 3, bias: true);
        builder.Relu("relu");
        builder.GlobalAvgPool("pool");
        builder.Flatten("flatten");
        builder.Linear("fc", 10);
        return builder.Build();
    }
}
