using Lathe.Graph.Models;
using Lathe.Graph.Sizing;

namespace Lathe.Graph.Tests.Sizing;

public sealed class ActivationMemoryTests
{
    [Fact]
    public void At_a_residual_sum_both_branches_and_the_sum_live()
    {
        var net = new GraphBuilder("residual", new TensorShape(1, 8, 8));
        net.Conv("conv1", 4, 3, padding: 1);
        net.Relu("relu1");
        net.Conv("conv2", 4, 3, padding: 1);
        net.Add("add", "conv2", "relu1");
        net.MaxPool("pool", 2);
        net.Flatten("flat");
        net.Linear("fc", 3);
        // relu1, conv2 and add have 4 x 8 x 8 values each; before and after it is two of them at most.
        Assert.Equal(3 * 256, ActivationMemory.PeakValues(net.Build()));
    }

    [Fact]
    public void A_tensor_is_gone_once_its_last_reader_ran()
    {
        var chain = new NetworkGraph(
            "chain",
            new TensorShape(1, 8, 8),
            [
                new Conv2d("conv1", ["input"], 1, 4, 3, Padding: 1),
                new Activation("relu", ["conv1"], ActivationKind.Relu),
                new MaxPool2d("pool", ["relu"], 8, 8),
                new Dropout("drop", ["pool"], 0.5),
                new Flatten("flat", ["drop"]),
                new Linear("fc", ["flat"], 4, 3),
            ],
            "fc");
        Assert.Equal(2 * 256, ActivationMemory.PeakValues(chain));
        Assert.Equal(4 * 2 * 256, ActivationMemory.PeakBytes(chain));
    }

    [Fact]
    public void Dropout_and_flattening_of_one_pixel_take_nothing()
    {
        var graph = new NetworkGraph(
            "head",
            new TensorShape(8, 1, 1),
            [new Dropout("drop", ["input"], 0.5), new Flatten("flat", ["drop"]), new Linear("fc", ["flat"], 8, 3)],
            "fc");
        Assert.Equal(8 + 3, ActivationMemory.PeakValues(graph));
        // With more pixels the flat tensor is a copy in another order.
        Assert.Equal(2 * 32, ActivationMemory.PeakValues(graph with
        {
            Input = new TensorShape(8, 2, 2),
            Nodes = [graph.Nodes[0], graph.Nodes[1], new Linear("fc", ["flat"], 32, 3)],
        }));
    }

    [Theory]
    // The first convolution's 64 maps of 112 x 112, and the same once normalized.
    [InlineData("resnet18", 2 * 64 * 112 * 112)]
    public void Of_known_networks(string model, long peak) =>
        Assert.Equal(peak, ActivationMemory.PeakValues(Zoo.Build(model, new TensorShape(3, 224, 224), 1000)));
}
