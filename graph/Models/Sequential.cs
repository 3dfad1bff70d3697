namespace Lathe.Graph.Models;

/// <summary>Networks without branches. Nodes are named as in torchvision: <c>features.N</c>, <c>classifier.N</c>.</summary>
internal static class Sequential
{
    private const int Pool = 0;

    /// <summary>LeNet-5 with 16 and 32 filters, 128 hidden units and batch norm.</summary>
    public static NetworkGraph LeNet5(ModelSpec spec)
    {
        var net = new GraphBuilder(spec.Name, spec.Input);
        var n = 0;
        foreach (var filters in (int[])[16, 32])
        {
            net.Conv($"features.{n++}", spec.Width.Of(filters), 5, padding: 2);
            net.BatchNorm($"features.{n++}");
            net.Relu($"features.{n++}");
            net.MaxPool($"features.{n++}", 2);
        }

        return HiddenLayer(net, spec, 128);
    }

    /// <summary>2x128C3-MP2-2x256C3-MP2-2x512C3-MP2-1024FC.</summary>
    public static NetworkGraph Vgg7(ModelSpec spec)
    {
        var net = new GraphBuilder(spec.Name, spec.Input);
        Features(net, spec.Width, [128, 128, Pool, 256, 256, Pool, 512, 512, Pool], bias: false);
        return HiddenLayer(net, spec, 1024);
    }

    public static NetworkGraph Vgg11(ModelSpec spec) =>
        Vgg(spec, [64, Pool, 128, Pool, 256, 256, Pool, 512, 512, Pool, 512, 512, Pool]);

    public static NetworkGraph Vgg16(ModelSpec spec) =>
        Vgg(spec, [64, 64, Pool, 128, 128, Pool, 256, 256, 256, Pool, 512, 512, 512, Pool, 512, 512, 512, Pool]);

    /// <summary>
    /// Where the map that five poolings leave is 7x7 or larger (images of 224x224), torchvision's network to the parameter, a larger
    /// map averaged to 7x7. With a smaller map (1x1 for 32x32 images) the usual small head: mean over the map and one linear layer, and
    /// no convolution bias, which batch norm would undo.
    /// </summary>
    private static NetworkGraph Vgg(ModelSpec spec, int[] plan)
    {
        const int Map = 7;
        var large = spec.Input.Height / 32 >= Map && spec.Input.Width / 32 >= Map;
        var net = new GraphBuilder(spec.Name, spec.Input);
        Features(net, spec.Width, plan, bias: large);
        if (!large)
        {
            net.GlobalAvgPool("avgpool");
            net.Flatten("flatten");
            net.Linear("classifier", spec.Classes);
            return net.Build();
        }

        if (net.Shape is not { Height: Map, Width: Map }) net.AdaptiveAvgPool("avgpool", Map, Map);
        net.Flatten("flatten");
        net.Linear("classifier.0", spec.Width.Of(4096));
        net.Relu("classifier.1");
        net.Dropout("classifier.2");
        net.Linear("classifier.3", spec.Width.Of(4096));
        net.Relu("classifier.4");
        net.Dropout("classifier.5");
        net.Linear("classifier.6", spec.Classes);
        return net.Build();
    }

    private static void Features(GraphBuilder net, Width width, int[] plan, bool bias)
    {
        var n = 0;
        foreach (var filters in plan)
        {
            if (filters == Pool)
            {
                net.MaxPool($"features.{n++}", 2);
                continue;
            }

            net.Conv($"features.{n++}", width.Of(filters), 3, padding: 1, bias: bias);
            net.BatchNorm($"features.{n++}");
            net.Relu($"features.{n++}");
        }
    }

    private static NetworkGraph HiddenLayer(GraphBuilder net, ModelSpec spec, int hidden)
    {
        net.Flatten("flatten");
        net.Linear("classifier.0", spec.Width.Of(hidden), bias: false);
        net.BatchNorm("classifier.1");
        net.Relu("classifier.2");
        net.Linear("classifier.3", spec.Classes);
        return net.Build();
    }
}
