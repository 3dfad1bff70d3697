using System.Text.Json;
using CsCheck;
using Lathe.Contracts;
using Lathe.Graph;
using Lathe.Graph.Checkpoints;
using Lathe.Graph.Models;
using Lathe.Graph.Sizing;
using Lathe.Hosting;
using Lathe.NN.Checkpoints;
using Lathe.NN.Execution;
using Lathe.NN.Runtime;
using Lathe.Testing;

namespace Lathe.Pruner.Tests;

/// <summary>The whole stage, on images that a network learns in a moment.</summary>
public sealed class Pruning_a_network : IDisposable
{
    private static readonly JsonElement Parameters = JsonSerializer.SerializeToElement(
        new { multiplications = 0.4, parameters = 0.5, epochs = 3, batchSize = 32, learningRate = 0.02, validation = 0.125 });

    private readonly string _root = Directory.CreateTempSubdirectory("lathe-pruner-").FullName;
    private readonly CheckpointRef _dense;

    public Pruning_a_network()
    {
        BarImages.Write(Path.Combine(_root, "data"), train: 1024, test: 64);
        TorchRuntime.Configure(1);
        var graph = Zoo.Build("lenet5", new TensorShape(1, 28, 28), 10);
        using var module = GraphModule.Create(graph, seed: 1);
        using var checkpoint = new Checkpoint(graph, module.Snapshot(), Lineage.Empty, new Dictionary<string, WeightFormat>());
        _dense = new StageTrial(Settings).Checkpoints.Write(stream => CheckpointFile.Write(stream, checkpoint));
    }

    private HostingSettings Settings => HostingSettings.In(Path.Combine(_root, "home")) with
    {
        Data = Path.Combine(_root, "data"),
        Threads = 1,
        SlotFolder = Path.Combine(_root, "slots"),
    };

    [Fact]
    public void Meets_both_budgets_in_the_checkpoint_it_writes_and_still_learns()
    {
        var reports = new List<StageProgress>();
        var trial = new StageTrial(Settings) { OnProgress = reports.Add };
        var outcome = trial.Run<PruneStage, PruneParameters>(Parameters, "mnist", _dense);
        var epochs = reports.Where(r => r.LastEpoch is not null).DistinctBy(r => r.LastEpoch!.Epoch).Select(r => r.LastEpoch!.Metrics!["validationTop1"]).ToList();
        Assert.Equal((3, outcome.Metrics["validationTop1"]), (epochs.Count, epochs[^1]));
        var size = Complexity.Of(CheckpointHeader.Read(trial.Checkpoints.PathOf(outcome.Output)).Graph);
        Assert.InRange(size.Multiplications, 1, 0.4 * 3_024_384);
        Assert.InRange(size.Parameters, 1, 0.5 * 215_546);
        Assert.Equal((size.Parameters, size.Multiplications), (outcome.Metrics["parameters"], outcome.Metrics["multiplications"]));
        Assert.InRange(outcome.Metrics["surgeryLogitDifference"], 0, SurgeryProof.Bound);
        Assert.InRange(outcome.Metrics["validationTop1"], 0.9, 1);
        Assert.Empty(outcome.Metrics.Keys.Except(PruneStage.Manifest.Metrics!.Select(m => m.Name)));
    }

    [Fact]
    public void Meets_one_budget_for_bytes_over_channels_and_bits_which_a_quantization_can_keep_and_goes_on_with_the_same_bits()
    {
        var parameters = JsonSerializer.SerializeToElement(
            new { bytes = "30 KiB", bits = "free", ramBytes = 0.7, activations = 8, epochs = 2, batchSize = 32, learningRate = 0.02, validation = 0.125 });
        var trial = new StageTrial(Settings);
        var outcome = trial.Run<PruneStage, PruneParameters>(parameters, "mnist", _dense);
        Assert.Empty(outcome.Metrics.Keys.Except(PruneStage.Manifest.Metrics!.Select(m => m.Name)));
        var header = CheckpointHeader.Read(trial.Checkpoints.PathOf(outcome.Output));
        var record = PruningRecord.TryRead(header.Lineage.Steps[^1].Records)!;
        var formats = record.Bits!.ToDictionary(bits => $"{bits.Key}.weight", bits => new WeightFormat(bits.Value, 0));
        var bytes = CheckpointSize.Of(header.Graph, formats).Total;
        Assert.Equal(bytes, outcome.Metrics["bytesPlanned"]);
        Assert.InRange(bytes, 29 << 10, 30 << 10);
        var whole = ActivationMemory.PeakValues(Zoo.Build("lenet5", new TensorShape(1, 28, 28), 10));
        Assert.InRange(outcome.Metrics["ramBytesPlanned"], ActivationMemory.PeakValues(header.Graph), 0.7 * whole);
        Assert.Equal(new CostPoint(bytes, 30 << 10), record.Path[^1].Others!["bytes"]);
        Assert.Contains(outcome.Panels!, panel => panel.Id == "bits");

        var (again, stops) = Interrupted.Run<PruneStage, PruneParameters>(Settings, parameters, "mnist", _dense, [1, 10, 25]);
        Assert.Equal(3, stops);
        Assert.Equal(outcome.Output, again.Output);
    }

    [Fact]
    public void Free_bits_need_a_method_that_measures_the_loss()
    {
        var forecast = new StageTrial(Settings).Check<PruneStage, PruneParameters>(
            new PruneParameters { Bytes = new ByteTarget(0.1), Bits = PlannedBits.Free, Method = PruneMethod.L1 }, NetworkForms.Of(Zoo.Build("lenet5", new TensorShape(1, 28, 28), 10)));
        var problem = Assert.Single(forecast.Problems);
        Assert.Equal(("/bits", "is free, but method l1 does not measure what the loss feels; expected a number from 2 to 8, or method hfp"), (problem.Pointer, problem.Message));
    }

    [Fact]
    public void Stopped_at_random_steps_it_ends_with_the_same_bits()
    {
        var undisturbed = new StageTrial(Settings).Run<PruneStage, PruneParameters>(Parameters, "mnist", _dense).Output;
        // 28 steps in each of 3 epochs; the gates close for good in the middle of the second.
        Gen.Int[1, 39].Array[2].Sample(steps =>
        {
            var (outcome, stops) = Interrupted.Run<PruneStage, PruneParameters>(Settings, Parameters, "mnist", _dense, [1, .. steps]);
            Assert.Equal(3, stops);
            Assert.Equal(undisturbed, outcome.Output);
        }, iter: 1);
    }

    public void Dispose() => Directory.Delete(_root, recursive: true);
}
