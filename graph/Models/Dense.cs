namespace Lathe.Graph.Models;

/// <summary>
/// DenseNets with bottlenecks and halving transitions, DenseNet-BC (Huang et al. 2017): each layer adds its growth k to all that the
/// layers before it in its block have made. Nodes are named as in torchvision, so that its weights fit tensor by tensor.
/// </summary>
internal static class Dense
{
    /// <summary>For small images: three blocks of n layers, 6n + 4 convolutions and linear layers deep; 2k filters first.</summary>
    /// <param name="spec">What to build. A width scales the growth.</param>
    /// <param name="depth">L = 6n + 4.</param>
    /// <param name="growth">k.</param>
    public static NetworkGraph ForSmallImages(ModelSpec spec, int depth, int growth)
    {
        var net = new GraphBuilder(spec.Name, spec.Input);
        net.Conv("features.conv0", spec.Width.Of(2 * growth), 3, padding: 1);
        var layers = (depth - 4) / 6;
        return Blocks(net, spec, spec.Width.Of(growth), [layers, layers, layers]);
    }

    /// <summary>Torchvision's DenseNet-121: k = 32, blocks of 6, 12, 24 and 16 layers.</summary>
    public static NetworkGraph DenseNet121(ModelSpec spec)
    {
        var net = new GraphBuilder(spec.Name, spec.Input);
        net.Conv("features.conv0", spec.Width.Of(64), 7, stride: 2, padding: 3);
        net.BatchNorm("features.norm0");
        net.Relu("features.relu0");
        net.MaxPool("features.pool0", 3, 2, 1);
        return Blocks(net, spec, spec.Width.Of(32), [6, 12, 24, 16]);
    }

    private static NetworkGraph Blocks(GraphBuilder net, ModelSpec spec, int growth, int[] blocks)
    {
        for (var block = 1; block <= blocks.Length; block++)
        {
            if (block > 1) Transition(net, $"features.transition{block - 1}");
            for (var layer = 1; layer <= blocks[block - 1]; layer++)
                Layer(net, $"features.denseblock{block}.denselayer{layer}", growth);
        }

        net.BatchNorm($"features.norm{blocks.Length + 1}");
        net.Relu("relu");
        net.GlobalAvgPool("avgpool");
        net.Flatten("flatten");
        net.Linear("classifier", spec.Classes);
        return net.Build();
    }

    private static void Layer(GraphBuilder net, string name, int growth)
    {
        var from = net.Last;
        net.BatchNorm($"{name}.norm1");
        net.Relu($"{name}.relu1");
        net.Conv($"{name}.conv1", 4 * growth, 1);
        net.BatchNorm($"{name}.norm2");
        net.Relu($"{name}.relu2");
        var made = net.Conv($"{name}.conv2", growth, 3, padding: 1);
        net.Concat($"{name}.cat", from, made);
    }

    private static void Transition(GraphBuilder net, string name)
    {
        var channels = net.Shape.Channels;
        net.BatchNorm($"{name}.norm");
        net.Relu($"{name}.relu");
        net.Conv($"{name}.conv", Math.Max(1, channels / 2), 1);
        net.AvgPool($"{name}.pool", 2, 2);
    }
}
