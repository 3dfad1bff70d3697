using Lathe.Contracts;
using Lathe.Evaluator.Latency;
using Lathe.Graph;
using Lathe.Graph.Checkpoints;
using Lathe.Graph.Models;
using Lathe.NN.Checkpoints;
using Lathe.NN.Execution;
using Lathe.NN.Runtime;
using Lathe.NN.Tests.FixedPoint;

namespace Lathe.Evaluator.Tests.Latency;

public sealed class Taking_times
{
    public Taking_times() => TorchRuntime.Configure(1);

    [Fact]
    public void Each_runs_as_often_as_the_others_and_begins_every_other_round()
    {
        var calls = new List<int>();
        // Nothing is long enough to be run once only in a round.
        var times = LatencyMeasurement.Of([() => calls.Add(0), () => calls.Add(1)], rounds: 4, TimeSpan.Zero, CancellationToken.None);
        Assert.Equal(2, times.Count);
        Assert.All(times, time => Assert.True(time.Low >= 0 && time.Low <= time.Median && time.Median <= time.High));
        Assert.Equal([0, 1, 1, 0, 0, 1, 1, 0], calls.TakeLast(8));
    }

    [Fact]
    public void Asked_to_stop_it_stops() => Assert.Throws<OperationCanceledException>(
        () => LatencyMeasurement.Of([() => { }], rounds: 4, TimeSpan.Zero, new CancellationToken(canceled: true)));

    [Theory]
    [InlineData(new double[] { 3 }, 3, 3, 3)]
    [InlineData(new double[] { 4, 1, 2, 3, 5 }, 2, 3, 4)]
    [InlineData(new double[] { 1, 2 }, 1.25, 1.5, 1.75)]
    public void Quartiles_are_those_of_the_textbook(double[] values, double low, double median, double high) =>
        Assert.Equal(new Quartiles(low, median, high), Quartiles.Of(values));

    [Fact]
    public void A_network_without_whole_numbers_or_ancestor_is_timed_alone()
    {
        var graph = Zoo.Build("lenet5@0.25", new TensorShape(1, 28, 28), 10);
        using var module = GraphModule.Create(graph, 1);
        using var checkpoint = new Checkpoint(graph, module.Snapshot(), Lineage.Empty, new Dictionary<string, WeightFormat>());
        var metrics = new Dictionary<string, double>();
        LatencyComparison.Measure(checkpoint, null, 1, CancellationToken.None).AddTo(metrics);
        Assert.Equal(
            ["latency1", "latency1High", "latency1Low", "latency32", "latency32High", "latency32Low", "latencyThreads"], metrics.Keys.Order(StringComparer.Ordinal));
    }
}
