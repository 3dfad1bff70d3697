namespace Lathe.Graph.Models;

/// <summary>ResNets (He et al. 2016). Nodes are named as in torchvision, so that its weights fit tensor by tensor.</summary>
internal static class Residual
{
    /// <summary>Appends what leads from a block's input to its addition, and names it.</summary>
    private delegate string Shortcut(GraphBuilder net, string name, string from, int channels, int stride);

    /// <summary>
    /// For small images: three stages of 16-32-64 filters, shortcuts without parameters (the paper's option A). 6n + 2 layers deep.
    /// </summary>
    public static NetworkGraph ForSmallImages(ModelSpec spec, int depth)
    {
        var net = new GraphBuilder(spec.Name, spec.Input);
        net.Conv("conv1", spec.Width.Of(16), 3, padding: 1);
        net.BatchNorm("bn1");
        net.Relu("relu");
        var blocks = (depth - 2) / 6;
        Stages(net, spec.Width, 16, [blocks, blocks, blocks], (name, filters, stride) => Basic(net, name, filters, stride, ZeroPadded));
        return Head(net, spec);
    }

    /// <summary>
    /// ResNet-8 of MLPerf Tiny: three blocks of 16, 32 and 64 filters, and 1x1 convolutions without batch norm as shortcuts where the shape changes. Convolutions in front of a batch norm have no bias here, which
    /// would do nothing: with batch norm folded the network has the 77,706 parameters of the reference.
    /// </summary>
    public static NetworkGraph OfMlperfTiny(ModelSpec spec)
    {
        var net = new GraphBuilder(spec.Name, spec.Input);
        net.Conv("conv1", spec.Width.Of(16), 3, padding: 1);
        net.BatchNorm("bn1");
        net.Relu("relu");
        Stages(net, spec.Width, 16, [1, 1, 1], (name, filters, stride) => Basic(net, name, filters, stride, Convolved));
        return Head(net, spec);
    }

    /// <summary>Torchvision's network of blocks of two 3x3 convolutions (ResNet-18, ResNet-34).</summary>
    public static NetworkGraph OfBasicBlocks(ModelSpec spec, int[] blocks)
    {
        var net = Stem(spec);
        Stages(net, spec.Width, 64, blocks, (name, filters, stride) => Basic(net, name, filters, stride, Projection));
        return Head(net, spec);
    }

    /// <summary>Torchvision's network of 1x1-3x3-1x1 blocks, the 3x3 convolution striding (ResNet-50 and deeper).</summary>
    public static NetworkGraph OfBottlenecks(ModelSpec spec, int[] blocks)
    {
        var net = Stem(spec);
        Stages(net, spec.Width, 64, blocks, (name, filters, stride) => Bottleneck(net, name, filters, stride));
        return Head(net, spec);
    }

    private static GraphBuilder Stem(ModelSpec spec)
    {
        var net = new GraphBuilder(spec.Name, spec.Input);
        net.Conv("conv1", spec.Width.Of(64), 7, stride: 2, padding: 3);
        net.BatchNorm("bn1");
        net.Relu("relu");
        net.MaxPool("maxpool", 3, 2, 1);
        return net;
    }

    /// <summary>Each stage has twice the filters of the one before and half its map.</summary>
    private static void Stages(GraphBuilder net, Width width, int filters, int[] blocks, Action<string, int, int> block)
    {
        for (var stage = 0; stage < blocks.Length; stage++)
        {
            for (var b = 0; b < blocks[stage]; b++)
                block($"layer{stage + 1}.{b}", width.Of(filters << stage), stage > 0 && b == 0 ? 2 : 1);
        }
    }

    private static NetworkGraph Head(GraphBuilder net, ModelSpec spec)
    {
        net.GlobalAvgPool("avgpool");
        net.Flatten("flatten");
        net.Linear("fc", spec.Classes);
        return net.Build();
    }

    private static void Basic(GraphBuilder net, string name, int filters, int stride, Shortcut shortcut)
    {
        var from = net.Last;
        net.Conv($"{name}.conv1", filters, 3, stride, padding: 1);
        net.BatchNorm($"{name}.bn1");
        net.Relu($"{name}.relu1");
        net.Conv($"{name}.conv2", filters, 3, padding: 1);
        var branch = net.BatchNorm($"{name}.bn2");
        net.Add($"{name}.add", branch, shortcut(net, name, from, filters, stride));
        net.Relu($"{name}.relu2");
    }

    private static void Bottleneck(GraphBuilder net, string name, int filters, int stride)
    {
        var from = net.Last;
        net.Conv($"{name}.conv1", filters, 1);
        net.BatchNorm($"{name}.bn1");
        net.Relu($"{name}.relu1");
        net.Conv($"{name}.conv2", filters, 3, stride, padding: 1);
        net.BatchNorm($"{name}.bn2");
        net.Relu($"{name}.relu2");
        net.Conv($"{name}.conv3", 4 * filters, 1);
        var branch = net.BatchNorm($"{name}.bn3");
        net.Add($"{name}.add", branch, Projection(net, name, from, 4 * filters, stride));
        net.Relu($"{name}.relu3");
    }

    /// <summary>A 1x1 convolution with batch norm where the shape changes, else the input itself.</summary>
    private static string Projection(GraphBuilder net, string name, string from, int channels, int stride)
    {
        if (stride == 1 && net.ShapeOf(from).Channels == channels) return from;
        net.Conv($"{name}.downsample.0", channels, 1, stride, from: from);
        return net.BatchNorm($"{name}.downsample.1");
    }

    /// <summary>A 1x1 convolution with bias where the shape changes, else the input itself.</summary>
    private static string Convolved(GraphBuilder net, string name, string from, int channels, int stride) =>
        stride == 1 && net.ShapeOf(from).Channels == channels ? from : net.Conv($"{name}.downsample", channels, 1, stride, bias: true, from: from);

    /// <summary>Every stride-th pixel, with zero channels in front and behind, as many on either side.</summary>
    private static string ZeroPadded(GraphBuilder net, string name, string from, int channels, int stride)
    {
        var shortcut = stride == 1 ? from : net.AvgPool($"{name}.subsample", 1, stride, from);
        var missing = channels - net.ShapeOf(from).Channels;
        return missing == 0 ? shortcut : net.Pad($"{name}.pad", missing / 2, missing - (missing / 2), shortcut);
    }
}
