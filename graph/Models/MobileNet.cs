namespace Lathe.Graph.Models;

/// <summary>MobileNetV2 (Sandler et al. 2018). Nodes are named as in torchvision, so that its weights fit tensor by tensor.</summary>
internal static class MobileNet
{
    /// <summary>Inverted residual blocks: expansion, filters, how many, stride of the first.</summary>
    private static readonly (int Expansion, int Filters, int Blocks, int Stride)[] Stages =
        [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)];

    /// <summary>A width scales to multiples of 8, and the last convolution only upwards, as in torchvision.</summary>
    public static NetworkGraph V2(ModelSpec spec)
    {
        var net = new GraphBuilder(spec.Name, spec.Input);
        ConvNormRelu6(net, "features.0", InEights(32, spec.Width), 3, 2);
        var n = 1;
        foreach (var (expansion, filters, blocks, stride) in Stages)
        {
            for (var b = 0; b < blocks; b++)
                InvertedResidual(net, $"features.{n++}", expansion, InEights(filters, spec.Width), b == 0 ? stride : 1);
        }

        ConvNormRelu6(net, $"features.{n}", InEights(1280, new Width(Math.Max(1, spec.Width.Factor))), 1, 1);
        net.GlobalAvgPool("avgpool");
        net.Flatten("flatten");
        net.Dropout("classifier.0", 0.2);
        net.Linear("classifier.1", spec.Classes);
        return net.Build();
    }

    /// <summary>1x1 to the expanded width, 3x3 depthwise, 1x1 back without an activation.</summary>
    private static void InvertedResidual(GraphBuilder net, string name, int expansion, int filters, int stride)
    {
        var from = net.Last;
        var channels = net.Shape.Channels;
        var n = 0;
        if (expansion > 1) ConvNormRelu6(net, $"{name}.conv.{n++}", expansion * channels, 1, 1);
        ConvNormRelu6(net, $"{name}.conv.{n++}", expansion * channels, 3, stride, groups: expansion * channels);
        net.Conv($"{name}.conv.{n++}", filters, 1);
        var branch = net.BatchNorm($"{name}.conv.{n}");
        if (stride == 1 && filters == channels) net.Add($"{name}.add", branch, from);
    }

    private static void ConvNormRelu6(GraphBuilder net, string name, int filters, int kernel, int stride, int groups = 1)
    {
        net.Conv($"{name}.0", filters, kernel, stride, padding: (kernel - 1) / 2, groups: groups);
        net.BatchNorm($"{name}.1");
        net.Activation($"{name}.2", ActivationKind.Relu6);
    }

    /// <summary>To the nearest multiple of 8, at least 8, and never by more than a tenth down.</summary>
    private static int InEights(int channels, Width width)
    {
        var wanted = channels * width.Factor;
        var rounded = Math.Max(8, (int)(wanted + 4) / 8 * 8);
        return rounded < 0.9 * wanted ? rounded + 8 : rounded;
    }
}
