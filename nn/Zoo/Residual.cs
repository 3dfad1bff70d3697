using Lathe.NN.Graphs;

namespace Lathe.NN.Models;

/// <summary>Networks with residual additions. Nodes are named as in torchvision.</summary>
internal static class Residual
{
    /// <summary>
    /// ResNet-20 for small images (He et al. 2016, three stages of three blocks, 16-32-64 filters). Where a stage halves the map its
    /// shortcut is a 1x1 convolution with batch norm.
    /// </summary>
    public static NetworkGraph ResNet20(TensorShape input, int classes)
    {
        var net = new GraphBuilder("resnet20", input);
        net.Conv("conv1", 16, 3, padding: 1);
        net.BatchNorm("bn1");
        net.Relu("relu");
        for (var stage = 1; stage <= 3; stage++)
        {
            for (var block = 0; block < 3; block++)
                Block(net, $"layer{stage}.{block}", 8 << stage, stride: stage > 1 && block == 0 ? 2 : 1);
        }

        net.GlobalAvgPool("avgpool");
        net.Flatten("flatten");
        net.Linear("fc", classes);
        return net.Build();
    }

    private static void Block(GraphBuilder net, string name, int filters, int stride)
    {
        var from = net.Last;
        net.Conv($"{name}.conv1", filters, 3, stride, padding: 1);
        net.BatchNorm($"{name}.bn1");
        net.Relu($"{name}.relu1");
        net.Conv($"{name}.conv2", filters, 3, padding: 1);
        var branch = net.BatchNorm($"{name}.bn2");
        var shortcut = from;
        if (stride != 1 || net.ShapeOf(from).Channels != filters)
        {
            net.Conv($"{name}.downsample.0", filters, 1, stride, from: from);
            shortcut = net.BatchNorm($"{name}.downsample.1");
        }

        net.Add($"{name}.add", branch, shortcut);
        net.Relu($"{name}.relu2");
    }
}
