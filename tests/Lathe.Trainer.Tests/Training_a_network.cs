using System.Text.Json;
using CsCheck;
using Lathe.Contracts;
using Lathe.Hosting;
using Lathe.NN.Checkpoints;
using Lathe.Testing;

namespace Lathe.Trainer.Tests;

public sealed class Training_a_network : IDisposable
{
    private readonly string _root = Directory.CreateTempSubdirectory("lathe-trainer-").FullName;

    public Training_a_network() => BarImages.Write(Path.Combine(_root, "data"), train: 1024, test: 256);

    [Fact]
    public void Learns_the_images_and_gives_the_same_bits_again()
    {
        var first = Train("first");
        Assert.InRange(first.Metrics["validationTop1"], 0.9, 1);
        Assert.Equal(first.Output, Train("second").Output);
        Assert.NotEqual(first.Output, Train("third", seed: 2).Output);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(0.95)]
    public void After_each_epoch_it_reports_the_held_out_accuracy(double averageDecay)
    {
        var reports = new List<StageProgress>();
        var outcome = new StageTrial(Settings("reported")) { OnProgress = reports.Add }.Run<TrainStage, TrainParameters>(
            JsonSerializer.SerializeToElement(new { model = "lenet5", epochs = 2, batchSize = 32, learningRate = 0.05, validation = 0.125, averageDecay }), "mnist");
        var epochs = reports.Where(r => r.LastEpoch is not null).DistinctBy(r => r.LastEpoch!.Epoch).Select(r => r.LastEpoch!.Metrics!["validationTop1"]).ToList();
        Assert.Equal(2, epochs.Count);
        Assert.Equal(outcome.Metrics["validationTop1"], epochs[^1]);
    }

    [Fact]
    public void The_first_weights_are_the_seed_s_own()
    {
        // At such a learning rate they are as good as untouched.
        Assert.Equal(First(1), First(1));
        Assert.NotEqual(First(1), First(2));

        float[] First(long seed)
        {
            var trial = Trial("untouched");
            var outcome = trial.Run<TrainStage, TrainParameters>(
                JsonSerializer.SerializeToElement(new { model = "lenet5", epochs = 1, learningRate = 1e-20, weightDecay = 0 }), "mnist", seed: seed);
            Assert.Empty(outcome.Metrics.Keys.Except(TrainStage.Manifest.Metrics!.Select(m => m.Name)));
            using var checkpoint = CheckpointFile.Read(trial.Checkpoints.PathOf(outcome.Output));
            return checkpoint.Tensors["features.0.weight"].data<float>().ToArray();
        }
    }

    [Fact]
    public void Stopped_at_random_steps_it_ends_with_the_same_bits()
    {
        var undisturbed = Train("undisturbed").Output;
        // 28 steps in each of 3 epochs.
        Gen.Int[1, 39].Array[2].Sample(steps =>
        {
            var (outcome, stops) = Interrupted.Run<TrainStage, TrainParameters>(Settings("interrupted"), Parameters, "mnist", null, [1, .. steps]);
            Assert.Equal(3, stops);
            Assert.Equal(undisturbed, outcome.Output);
        }, iter: 1);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_damaged_state_is_warned_of_and_training_starts_over_to_the_same_bits(bool truncated)
    {
        var undisturbed = Train("undisturbed").Output;
        var (home, log) = ("damaged", new Warnings());
        using (var stop = new CancellationTokenSource())
        {
            var left = 40;
            var trial = new StageTrial(Settings(home)) { OnImages = _ => { if (--left == 0) stop.Cancel(); } };
            Assert.Throws<OperationCanceledException>(() => trial.Run<TrainStage, TrainParameters>(Parameters, "mnist", stop: stop.Token));
        }

        var file = Assert.Single(Directory.GetFiles(_root, "*.state", SearchOption.AllDirectories));
        var bytes = File.ReadAllBytes(file);
        bytes[^5] ^= 4;
        File.WriteAllBytes(file, truncated ? bytes[..^1000] : bytes);
        var steps = 0;
        var again = new StageTrial(Settings(home)) { Logger = log, OnImages = _ => steps++ };
        Assert.Equal(undisturbed, again.Run<TrainStage, TrainParameters>(Parameters, "mnist").Output);
        Assert.Equal(84, steps);
        Assert.StartsWith($"{file} is damaged: ", Assert.Single(log.Messages), StringComparison.Ordinal);
        Assert.EndsWith(". The stage starts over from its beginning", log.Messages[0], StringComparison.Ordinal);
        Assert.False(File.Exists(file));
    }

    [Fact]
    public void Goes_on_from_the_weights_of_a_file()
    {
        var first = Train("home", out var trial);
        using var checkpoint = CheckpointFile.Read(trial.Checkpoints.PathOf(first.Output));
        // A checkpoint is a file of weights too.
        var outcome = trial.Run<TrainStage, TrainParameters>(
            JsonSerializer.SerializeToElement(new { model = "lenet5", init = first.Output.Sha256, epochs = 1, learningRate = 1e-20, weightDecay = 0 }), "mnist");
        using var untouched = CheckpointFile.Read(trial.Checkpoints.PathOf(outcome.Output));
        Assert.Equal(checkpoint.Tensors["features.0.weight"].data<float>().ToArray(), untouched.Tensors["features.0.weight"].data<float>().ToArray());
        Assert.Equal(first.Output.Sha256, Assert.Single(untouched.Lineage.Steps).Parameters.GetProperty("init").GetString());

        Assert.Contains("no checkpoint", Assert.Throws<LatheException>(() => trial.Run<TrainStage, TrainParameters>(
            JsonSerializer.SerializeToElement(new { model = "lenet5", init = new string('0', 64) }), "mnist")).Message);
    }

    [Fact]
    public void No_epochs_take_the_weights_of_a_file_as_they_are()
    {
        var first = Train("home", out var trial);
        var outcome = trial.Run<TrainStage, TrainParameters>(
            JsonSerializer.SerializeToElement(new { model = "lenet5", init = first.Output.Sha256, epochs = 0 }), "mnist");
        using var before = CheckpointFile.Read(trial.Checkpoints.PathOf(first.Output));
        using var after = CheckpointFile.Read(trial.Checkpoints.PathOf(outcome.Output));
        Assert.All(before.Tensors, pair => Assert.Equal(pair.Value.data<float>().ToArray(), after.Tensors[pair.Key].data<float>().ToArray()));
        Assert.Equal(first.Metrics["validationTop1"], outcome.Metrics["validationTop1"]);
        Assert.DoesNotContain("trainingTop1", outcome.Metrics);
    }

    [Fact]
    public void Writes_down_where_the_checkpoint_came_from()
    {
        var outcome = Train("home", out var trial);
        using var checkpoint = CheckpointFile.Read(trial.Checkpoints.PathOf(outcome.Output));
        var step = Assert.Single(checkpoint.Lineage.Steps);
        Assert.Equal((TrainStage.Manifest.Name, TrainStage.Manifest.Version, 1L), (step.Stage, step.Version, step.Seed));
        Assert.Equal(3, step.Parameters.GetProperty("epochs").GetInt32());
        Assert.Equal("mnist", step.Data!.Name);
        Assert.Equal("1", step.Versions["threads"]);
        Assert.Null(checkpoint.Lineage.Dense);
        var course = NN.Training.TrainingRecord.TryRead(step.Records)!.Training;
        Assert.Equal([1, 2, 3], course.Epochs);
        Assert.Equal(outcome.Metrics["trainingLoss"], course.Loss[^1], 1e-5);
        Assert.Equal(outcome.Metrics["trainingTop1"], course.Accuracy[^1], 1e-5);
        Assert.True(course.LearningRate[0] > course.LearningRate[2]);
    }

    [Fact]
    public void Says_which_models_there_are()
    {
        var wrong = Assert.Throws<LatheException>(() => Trial("home").Run<TrainStage, TrainParameters>(
            JsonSerializer.SerializeToElement(new { model = "lenet6" }), "mnist"));
        Assert.Contains("lenet5", wrong.Message);
    }

    [Fact]
    public void Advises_what_a_training_that_diverges_can_change()
    {
        var diverged = Assert.Throws<LatheException>(() => Trial("home").Run<TrainStage, TrainParameters>(
            JsonSerializer.SerializeToElement(new { model = "lenet5", epochs = 3, learningRate = 100, momentum = 0.99, weightDecay = 1 }), "mnist"));
        Assert.EndsWith("Try a smaller learningRate, or some warmupEpochs.", diverged.Message);
    }

    public void Dispose() => Directory.Delete(_root, recursive: true);

    private StageOutcome Train(string home, long seed = 1) => Train(home, out _, seed);

    private StageOutcome Train(string home, out StageTrial trial, long seed = 1)
    {
        trial = Trial(home);
        return trial.Run<TrainStage, TrainParameters>(
            Parameters, "mnist", seed: seed);
    }

    private static JsonElement Parameters => JsonSerializer.SerializeToElement(
        new { model = "lenet5", epochs = 3, batchSize = 32, learningRate = 0.05, validation = 0.125 });

    private StageTrial Trial(string home) => new(Settings(home));

    private HostingSettings Settings(string home) => HostingSettings.In(Path.Combine(_root, home)) with
    {
        Data = Path.Combine(_root, "data"),
        Threads = 1,
        SlotFolder = Path.Combine(_root, "slots"),
    };
}
