using Lathe.Graph;

namespace Lathe.Pruner.Tests;

/// <summary>Networks for 1 x 28 x 28 images and 10 classes that train in seconds and have between them much of what ties channels.</summary>
internal static class SmallNetworks
{
    private static readonly TensorShape Image = new(1, 28, 28);

    /// <summary>A residual block with batch norms: the stem's channels and the second convolution's are one group.</summary>
    public static NetworkGraph Residual()
    {
        var net = new GraphBuilder("residual", Image);
        net.Conv("stem", 12, 5, stride: 2, padding: 2);
        net.BatchNorm("stem.norm");
        var stem = net.Relu("stem.relu");
        net.Conv("block.conv1", 10, 3, padding: 1);
        net.BatchNorm("block.norm1");
        net.Relu("block.relu1");
        net.Conv("block.conv2", 12, 3, padding: 1);
        var inner = net.BatchNorm("block.norm2");
        net.Add("block.sum", inner, stem);
        net.Relu("block.relu2");
        net.MaxPool("pool", 2);
        net.Flatten("flatten");
        net.Linear("hidden", 24);
        net.Relu("hidden.relu");
        net.Linear("logits", 10);
        return net.Build();
    }

    /// <summary>With so many channels that a convolution sums up in another order once some are gone.</summary>
    public static NetworkGraph Wide()
    {
        var net = new GraphBuilder("wide", Image);
        net.Conv("stem", 40, 5, stride: 2, padding: 2);
        net.BatchNorm("stem.norm");
        net.Relu("stem.relu");
        net.Conv("conv", 40, 3, padding: 1);
        net.BatchNorm("norm");
        net.Relu("relu");
        net.MaxPool("pool", 2);
        net.Flatten("flatten");
        net.Linear("logits", 10);
        return net.Build();
    }

    /// <summary>An inverted bottleneck with a depthwise convolution and squeeze-and-excitation, side by side with a layer without batch norm.</summary>
    public static NetworkGraph Depthwise()
    {
        var net = new GraphBuilder("depthwise", Image);
        net.Conv("stem", 8, 5, stride: 2, padding: 2);
        net.BatchNorm("stem.norm");
        var stem = net.Relu("stem.relu");
        net.Conv("expand", 16, 1);
        net.BatchNorm("expand.norm");
        net.Relu("expand.relu");
        net.Conv("depthwise", 16, 3, padding: 1, groups: 16);
        net.BatchNorm("depthwise.norm");
        var wide = net.Relu("depthwise.relu");
        net.GlobalAvgPool("squeeze");
        net.Conv("squeeze.down", 4, 1, bias: true);
        net.Relu("squeeze.relu");
        net.Conv("squeeze.up", 16, 1, bias: true);
        var scale = net.Activation("squeeze.scale", ActivationKind.Sigmoid);
        net.Mul("excite", wide, scale);
        net.Conv("project", 8, 1);
        var left = net.BatchNorm("project.norm");
        net.Conv("side", 6, 3, padding: 1, bias: true, from: stem);
        var right = net.Relu("side.relu");
        net.Concat("both", left, right);
        net.MaxPool("pool", 2);
        net.Flatten("flatten");
        net.Linear("logits", 10);
        return net.Build();
    }
}
