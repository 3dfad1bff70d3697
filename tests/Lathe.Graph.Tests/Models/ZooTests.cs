using Lathe.Contracts;
using Lathe.Graph.Models;
using Lathe.Graph.Sizing;

namespace Lathe.Graph.Tests.Models;

public class ZooTests
{
    // torchvision's figures; of the small ResNets, the papers' tables and common implementations with zero-padded shortcuts.
    [Theory]
    [InlineData("lenet5", 1, 28, 10, 215_546, 3_024_384)]
    [InlineData("vgg16", 3, 224, 1000, 138_365_992, 15_470_264_320)]
    [InlineData("vgg11", 3, 224, 1000, 132_868_840, 7_609_090_048)]
    [InlineData("resnet56", 3, 32, 10, 853_018, 125_485_696)]
    [InlineData("resnet18", 3, 224, 1000, 11_689_512, 1_814_073_344)]
    [InlineData("resnet34", 3, 224, 1000, 21_797_672, 3_663_761_408)]
    [InlineData("resnet50", 3, 224, 1000, 25_557_032, 4_089_184_256)]
    [InlineData("mobilenetv2", 3, 224, 1000, 3_504_872, 300_774_272)]
    public void Sizes_are_those_published(string name, int channels, int side, int classes, long parameters, long multiplications)
    {
        var size = Complexity.Of(Zoo.Build(name, new TensorShape(channels, side, side), classes));
        Assert.Equal(parameters, size.Parameters);
        Assert.Equal(multiplications, size.Multiplications);
        Assert.Equal(size.Parameters, size.Layers.Sum(l => l.Parameters));
    }

    [Theory]
    [InlineData("densenet121", 7_978_856)]
    [InlineData("densenet100-12", 769_162)]
    [InlineData("resnet20", 269_722)]
    [InlineData("resnet32", 464_154)]
    [InlineData("resnet44", 658_586)]
    [InlineData("resnet110", 1_727_962)]
    [InlineData("resnet101", 44_549_160)]
    [InlineData("mobilenetv2@0.75", 2_636_424)]
    [InlineData("mobilenetv2@0.5", 1_968_680)]
    [InlineData("mobilenetv2@1.4", 6_108_776)]
    public void Parameters_are_those_published(string name, long parameters)
    {
        var entry = Zoo.Entry(name);
        Assert.Equal(parameters, Complexity.Of(Zoo.Build(name, entry.Input, entry.Classes)).Parameters);
    }

    [Fact]
    public void The_small_residual_network_has_the_size_of_its_reference_once_batch_norm_is_folded()
    {
        var graph = Zoo.Build("resnet8", new(3, 32, 32), 10);
        var size = Complexity.Of(graph);
        Assert.Equal(12_501_632, size.Multiplications);
        // Folded, a batch norm is one bias for each channel.
        var norms = graph.Nodes.OfType<BatchNorm>().Select(norm => norm.Name).ToHashSet();
        Assert.Equal(77_706, size.Layers.Sum(layer => norms.Contains(layer.Node) ? layer.Parameters / 2 : layer.Parameters));
    }

    [Fact]
    public void Every_entry_builds_for_its_data_set()
    {
        foreach (var entry in Zoo.Entries)
        {
            var graph = Zoo.Build(entry.Name, entry.Input, entry.Classes);
            Assert.Equal(entry.Name, graph.Name);
            Assert.Equal(new TensorShape(entry.Classes, IsFlat: true), GraphValidation.Check(graph)[graph.Output]);
            Assert.True(entry.DataSet == "imagenet" || DataSetFiles.ByName.ContainsKey(entry.DataSet));
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
        Assert.Equal(
            "unknown model 'lenet-5' (did you mean 'lenet5'?); known are lenet5, vgg7, vgg11, vgg16, resnet8, resnet20, resnet32, resnet44, resnet56, "
            + "resnet110, densenet76-12, densenet100-12, resnet18, resnet34, resnet50, resnet101, mobilenetv2, densenet121, "
            + "and densenetL-K for any depth L = 6n + 4 from 10 to 400 and growth K from 1 to 64",
            e.Message);
        e = Assert.Throws<LatheException>(() => Zoo.Build("ResNet-50@0.5", new(3, 32, 32), 10));
        Assert.StartsWith("unknown model 'ResNet-50@0.5' (did you mean 'resnet50@0.5'?); known are", e.Message, StringComparison.Ordinal);
        e = Assert.Throws<LatheException>(() => Zoo.Build("DenseNet40-24", new(3, 32, 32), 10));
        Assert.StartsWith("unknown model 'DenseNet40-24' (did you mean 'densenet40-24'?); known are", e.Message, StringComparison.Ordinal);
    }

    // Of 250-24 and 190-40 the paper's table says 15.3M and 25.6M parameters.
    [Theory]
    [InlineData("densenet76-12", 486_730, 187_216_404, 266)]
    [InlineData("densenet100-12", 769_162, 287_929_692, 350)]
    [InlineData("densenet250-24", 15_324_406, 5_418_785_724, 875)]
    [InlineData("densenet190-40", 25_624_430, 9_301_945_740, 665)]
    [InlineData("densenet10-1", 259, 116_756, 35)]
    public void A_DenseNet_is_built_of_any_depth_and_growth(string name, long parameters, long multiplications, int nodes)
    {
        var entry = Zoo.Entry(name);
        Assert.Equal((name, "cifar-10", 10), (entry.Name, entry.DataSet, entry.Classes));
        var graph = Zoo.Build(name, entry.Input, entry.Classes);
        var size = Complexity.Of(graph);
        Assert.Equal((name, parameters, multiplications, nodes), (graph.Name, size.Parameters, size.Multiplications, graph.Nodes.Count));
        Assert.Equal(10, GraphValidation.Check(graph)[graph.Output].Channels);
        string[] some = ["features.conv0", "features.denseblock1.denselayer1.norm1", "features.denseblock3.denselayer1.cat", "features.transition2.pool", "features.norm4", "classifier"];
        Assert.Empty(some.Except(graph.Nodes.Select(node => node.Name)));
    }

    [Theory]
    [InlineData("densenet40-12", 40, 12, 6)]
    [InlineData("densenet22-5@0.5", 22, 3, 3)]
    [InlineData("densenet400-64", 400, 64, 66)]
    [InlineData("densenet010-08", 10, 8, 1)]
    public void Its_depth_is_that_of_its_layers_and_its_growth_what_each_adds(string name, int depth, int growth, int layers)
    {
        var graph = Zoo.Build(name, new(3, 32, 32), 10);
        Assert.Equal(depth, graph.Nodes.Count(node => node is Conv2d or Linear));
        var last = $"features.denseblock3.denselayer{layers}.conv2";
        Assert.Equal(growth, graph.Nodes.OfType<Conv2d>().Last().OutChannels);
        Assert.Equal(last, graph.Nodes.OfType<Conv2d>().Last().Name);
        Assert.Equal(Zoo.Entry(name).Name, graph.Name);
        Assert.DoesNotContain("t0", graph.Name, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("densenet77-12", "has the depth 77; expected 6n + 4, three blocks of n layers of two convolutions each, of which the nearest are 76 and 82: densenet76-12 or densenet82-12")]
    [InlineData("densenet43-24@0.5", "has the depth 43; expected 6n + 4, three blocks of n layers of two convolutions each, of which the nearest are 40 and 46: densenet40-24 or densenet46-24")]
    [InlineData("densenet9-12", "has the depth 9; expected 10 to 400 layers, as in densenet100-12")]
    [InlineData("densenet-76-12", "has the depth -76; expected 10 to 400 layers, as in densenet100-12")]
    [InlineData("densenet406-12", "has the depth 406; expected 10 to 400 layers, as in densenet100-12")]
    [InlineData("densenet99999999999999999999-12", "has the depth 99999999999999999999; expected 10 to 400 layers, as in densenet100-12")]
    [InlineData("densenet40-0", "has the growth 0; expected 1 to 64 channels, as in densenet40-12")]
    [InlineData("densenet40--3", "has the growth -3; expected 1 to 64 channels, as in densenet40-12")]
    [InlineData("densenet40-65", "has the growth 65; expected 1 to 64 channels, as in densenet40-12")]
    [InlineData("densenet40-99999999999999999999", "has the growth 99999999999999999999; expected 1 to 64 channels, as in densenet40-12")]
    public void A_depth_or_a_growth_that_no_DenseNet_has_is_refused(string name, string expected)
    {
        var e = Assert.Throws<LatheException>(() => Zoo.Entry(name));
        Assert.Equal($"model '{name.Split('@')[0]}' {expected}", e.Message);
    }

    [Theory]
    [InlineData("vgg16", 28, 32)]
    [InlineData("lenet5", 3, 4)]
    [InlineData("resnet20", 3, 4)]
    [InlineData("resnet50", 31, 32)]
    [InlineData("mobilenetv2@0.5", 31, 32)]
    [InlineData("densenet121", 31, 32)]
    public void Images_too_small_are_refused(string name, int side, int least)
    {
        var e = Assert.Throws<LatheException>(() => Zoo.Build(name, new(3, side, 40), 10));
        Assert.Equal(
            $"model '{name}' cannot be built for images [3, {side}, 40]: it needs at least {least} x {least} pixels", e.Message);
        Assert.Equal(name, Zoo.Build(name, new(3, least, least), 10).Name);
    }

    [Theory]
    [InlineData("lenet5@0.5", "lenet5@0.5", "features.0", 8)]
    [InlineData("vgg7@0.01", "vgg7@0.01", "features.0", 1)]
    [InlineData("resnet50@.50", "resnet50@0.5", "layer1.0.conv1", 32)]
    [InlineData("resnet20@1.0", "resnet20", "conv1", 16)]
    [InlineData("resnet20@0.3", "resnet20@0.3", "layer2.0.conv1", 10)]
    [InlineData("mobilenetv2@0.35", "mobilenetv2@0.35", "features.0.0", 16)]
    [InlineData("densenet121@0.5", "densenet121@0.5", "features.denseblock1.denselayer1.conv2", 16)]
    public void A_width_scales_every_layer_but_the_logits(string name, string canonical, string layer, int channels)
    {
        var graph = Zoo.Build(name, new(3, 32, 32), 10);
        Assert.Equal(canonical, graph.Name);
        Assert.Equal(canonical, Zoo.Entry(name).Name);
        Assert.Equal(channels, graph.Nodes.OfType<Conv2d>().Single(c => c.Name == layer).OutChannels);
        Assert.Equal(10, GraphValidation.Check(graph)[graph.Output].Channels);
    }

    [Theory]
    [InlineData("")]
    [InlineData("0")]
    [InlineData("0.0")]
    [InlineData("-1")]
    [InlineData("8.1")]
    [InlineData("1e-1")]
    [InlineData("0,5")]
    [InlineData(" 0.5")]
    [InlineData("half")]
    [InlineData("0.5@0.5")]
    public void A_width_that_is_none_is_refused(string width)
    {
        var e = Assert.Throws<LatheException>(() => Zoo.Build($"resnet50@{width}", new(3, 32, 32), 10));
        Assert.Equal(
            $"model 'resnet50@{width}' has the width '{width}' after its '@'; expected a decimal number above 0 and at most 8, as in resnet50@0.5",
            e.Message);
    }

    [Fact]
    public void Every_model_builds_at_odd_widths()
    {
        foreach (var entry in Zoo.Entries)
        {
            foreach (var width in (string[])["0.01", "0.3", "1.7"])
                Assert.Equal($"{entry.Name}@{width}", Zoo.Build($"{entry.Name}@{width}", entry.Input, 7).Name);
        }
    }

    // Keys of torchvision's state dicts, num_batches_tracked aside, which Lathe does not keep.
    [Theory]
    [InlineData("resnet18", 102, "conv1.weight", "bn1.running_mean", "layer2.0.downsample.0.weight", "layer2.0.downsample.1.bias", "layer4.1.bn2.weight", "fc.bias")]
    [InlineData("resnet50", 267, "layer1.0.conv3.weight", "layer1.0.downsample.1.running_var", "layer4.2.bn3.bias", "fc.weight")]
    [InlineData("mobilenetv2", 262, "features.0.0.weight", "features.0.1.running_mean", "features.1.conv.0.0.weight", "features.1.conv.1.weight", "features.1.conv.2.bias", "features.2.conv.1.1.weight", "features.17.conv.3.weight", "features.18.1.weight", "classifier.1.bias")]
    [InlineData("densenet121", 606, "features.conv0.weight", "features.norm0.weight", "features.denseblock1.denselayer1.norm1.weight", "features.denseblock4.denselayer16.conv2.weight", "features.transition3.conv.weight", "features.norm5.running_var", "classifier.weight")]
    public void Tensors_are_named_as_in_torchvision(string name, int count, params string[] some)
    {
        var names = ParameterShapes.Of(Zoo.Build(name, new(3, 224, 224), 1000)).Select(p => p.Name).ToList();
        Assert.Equal(count, names.Count);
        Assert.Empty(some.Except(names));
    }

    [Fact]
    public void Large_images_get_the_large_head_whatever_their_size()
    {
        var usual = Complexity.Of(Zoo.Build("vgg11", new(3, 224, 224), 1000)).Parameters;
        Assert.Equal(usual, Complexity.Of(Zoo.Build("vgg11", new(3, 288, 256), 1000)).Parameters);
    }
}
