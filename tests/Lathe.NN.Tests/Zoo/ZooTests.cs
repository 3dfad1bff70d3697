using Lathe.Contracts;
using Lathe.NN.Graphs;
using Lathe.NN.Models;
using Lathe.NN.Sizing;

namespace Lathe.NN.Tests.Models;

public class ZooTests
{
    [Theory]
    [InlineData("lenet5", 1, 28, 10, 215_546, 3_024_384)]
    [InlineData("vgg16", 3, 224, 1000, 138_365_992, 15_470_264_320)]
    [InlineData("vgg11", 3, 224, 1000, 132_868_840, 7_609_090_048)]
    public void Sizes_are_those_published(string name, int channels, int side, int classes, long parameters, long multiplications)
    {
        var size = Complexity.Of(Zoo.Build(name, new TensorShape(channels, side, side), classes));
        Assert.Equal(parameters, size.Parameters);
        Assert.Equal(multiplications, size.Multiplications);
        Assert.Equal(size.Parameters, size.Layers.Sum(l => l.Parameters));
    }

    [Fact]
    public void Every_entry_builds_for_its_data_set()
    {
        foreach (var entry in Zoo.Entries)
        {
            var graph = Zoo.Build(entry.Name, entry.Input, entry.Classes);
            Assert.Equal(entry.Name, graph.Name);
            Assert.Equal(new TensorShape(entry.Classes, IsFlat: true), GraphValidation.Check(graph)[graph.Output]);
            Assert.True(DataSetFiles.ByName.ContainsKey(entry.DataSet));
        }
    }

    [Fact]
    public void Small_images_get_the_small_head()
    {
        var graph = Zoo.Build("vgg16", new(3, 32, 32), 10);
        var head = Assert.Single(graph.Nodes.OfType<Linear>());
        Assert.Equal((512, 10), (head.InFeatures, head.OutFeatures));
        Assert.All(graph.Nodes.OfType<Conv2d>(), c => Assert.False(c.Bias));
    }

    [Fact]
    public void An_unknown_model_is_answered_with_the_known_ones()
    {
        var e = Assert.Throws<LatheException>(() => Zoo.Build("lenet-5", new(1, 28, 28), 10));
        Assert.Equal("there is no model 'lenet-5'. Did you mean 'lenet5'? Known: lenet5, vgg7, vgg11, vgg16, resnet20.", e.Message);
    }

    [Fact]
    public void Images_too_small_are_refused()
    {
        var e = Assert.Throws<LatheException>(() => Zoo.Build("vgg16", new(1, 28, 28), 10));
        Assert.StartsWith("model 'vgg16' cannot be built for images [1, 28, 28]: the window of node", e.Message, StringComparison.Ordinal);
    }
}
