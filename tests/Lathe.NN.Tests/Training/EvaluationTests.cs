using Lathe.Contracts;
using Lathe.Graph;
using Lathe.Graph.Models;
using Lathe.NN.Data;
using Lathe.NN.Execution;
using Lathe.NN.Runtime;
using Lathe.NN.Training;
using TorchSharp;

namespace Lathe.NN.Tests.Training;

public sealed class EvaluationTests
{
    public EvaluationTests() => TorchRuntime.Configure(1);

    [Fact]
    public void The_five_likeliest_are_those_of_sorting_by_hand()
    {
        var graph = Zoo.Build("lenet5", new TensorShape(1, 28, 28), 10);
        using var module = GraphModule.Create(graph, seed: 4);
        var random = CounterRandom.For(3, "pixels");
        var images = new byte[200 * 784];
        for (var i = 0; i < images.Length; i++) images[i] = (byte)random.Bits(i);
        var shape = new TensorShape(1, 28, 28);
        var split = new Split(images, [.. Enumerable.Range(0, 200).Select(i => (byte)(i % 10))], shape, 10, Normalization.Of(images, shape));

        var result = Evaluation.Run(module, split, batchSize: 64);

        var (top1, top5) = (0, 0);
        foreach (var batch in BatchLoader.InOrder(split, 1))
        {
            using (batch)
            using (torch.no_grad())
            using (var logits = module.Forward(batch.Images, training: false))
            {
                var values = logits.data<float>().ToArray();
                var order = Enumerable.Range(0, 10).OrderByDescending(c => values[c]).ToList();
                var label = (int)batch.Labels.item<long>();
                if (order[0] == label) top1++;
                if (order.IndexOf(label) < 5) top5++;
            }
        }

        Assert.Equal(top1 / 200.0, result.Top1);
        Assert.Equal(top5 / 200.0, result.Top5);
        Assert.Equal(Enumerable.Range(0, 200).Select(i => i % 10), result.Labels);
        // Five likeliest of three classes would say nothing.
        using var few = GraphModule.Create(Samples.Network(), seed: 1);
        Assert.Null(Evaluation.Run(few, Samples.Images()).Top5);
    }

    [Fact]
    public void A_confusion_matrix_counts_what_was_taken_for_what()
    {
        var matrix = ConfusionMatrix.Of([0, 0, 0, 1, 1, 2], [0, 1, 1, 1, 0, 2], 3);
        Assert.Equal([[1, 2, 0], [1, 1, 0], [0, 0, 1]], matrix.Images);
        Assert.Equal((3, 1), (matrix.CountOf(0), matrix.RightOf(0)));
        Assert.Equal([new Mistake(0, 1, 2), new Mistake(1, 0, 1)], matrix.Mistakes(5));
        Assert.Single(matrix.Mistakes(1));
        Assert.Contains("there are 3 classes", Assert.Throws<LatheException>(() => ConfusionMatrix.Of([0, 3], [0, 0], 3)).Message, StringComparison.Ordinal);
        Assert.Contains("2 labels and 1 predictions", Assert.Throws<LatheException>(() => ConfusionMatrix.Of([0, 1], [0], 3)).Message, StringComparison.Ordinal);
    }

    // R: prop.test(x, n, correct = FALSE)$conf.int.
    [Theory]
    [InlineData(9_114, 10_000, 0.905671, 0.916807)]
    [InlineData(5, 10, 0.236593, 0.763407)]
    [InlineData(10, 10, 0.722467, 1)]
    [InlineData(0, 10, 0, 0.277533)]
    public void An_interval_of_95_percent_is_Wilson_s(int right, int images, double low, double high)
    {
        var interval = WilsonInterval.Of(right / (double)images, images);
        Assert.Equal(low, interval.Low, 1e-5);
        Assert.Equal(high, interval.High, 1e-5);
    }
}
