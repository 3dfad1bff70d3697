using Lathe.NN.Graphs;

namespace Lathe.NN.Models;

/// <summary>Networks without branches. Nodes are named as in torchvision: <c>features.N</c>, <c>classifier.N</c>.</summary>
internal static class Sequential
{
    private const int Pool = 0;

    /// <summary>LeNet-5 with 16 and 32 filters, 128 hidden units and batch norm.</summary>
    public static NetworkGraph LeNet5(TensorShape input, int classes)
    {
        var net = new GraphBuilder("lenet5", input);
        var n = 0;
        foreach (var filters in (int[])[16, 32])
        {
            net.Conv($"features.{n++}", filters, 5, padding: 2);
            net.BatchNorm($"features.{n++}");
            net.Relu($"features.{n++}");
            net.MaxPool($"features.{n++}", 2);
        }

        return HiddenLayer(net, 128, classes);
    }

    /// <summary>2x128C3-MP2-2x256C3-MP2-2x512C3-MP2-1024FC.</summary>
    public static NetworkGraph Vgg7(TensorShape input, int classes)
    {
        var net = new GraphBuilder("vgg7", input);
        Features(net, [128, 128, Pool, 256, 256, Pool, 512, 512, Pool], bias: false);
        return HiddenLayer(net, 1024, classes);
    }

    public static NetworkGraph Vgg11(TensorShape input, int classes) =>
        Vgg("vgg11", [64, Pool, 128, Pool, 256, 256, Pool, 512, 512, Pool, 512, 512, Pool], input, classes);

    public static NetworkGraph Vgg16(TensorShape input, int classes) => Vgg(
        "vgg16",
        [64, 64, Pool, 128, 128, Pool, 256, 256, 256, Pool, 512, 512, 512, Pool, 512, 512, 512, Pool],
        input,
        classes);

    /// <summary>
    /// With the 7x7 map that 224x224 images leave, torchvision's network to the parameter. With any other map (1x1 for 32x32 images)
    /// the usual small head: mean over the map and one linear layer, and no convolution bias, which batch norm would undo.
    /// </summary>
    private static NetworkGraph Vgg(string name, int[] plan, TensorShape input, int classes)
    {
        var large = input.Height / 32 == 7 && input.Width / 32 == 7;
        var net = new GraphBuilder(name, input);
        Features(net, plan, bias: large);
        if (!large)
        {
            net.GlobalAvgPool("avgpool");
            net.Flatten("flatten");
            net.Linear("classifier", classes);
            return net.Build();
        }

        net.Flatten("flatten");
        net.Linear("classifier.0", 4096);
        net.Relu("classifier.1");
        net.Dropout("classifier.2");
        net.Linear("classifier.3", 4096);
        net.Relu("classifier.4");
        net.Dropout("classifier.5");
        net.Linear("classifier.6", classes);
        return net.Build();
    }

    private static void Features(GraphBuilder net, int[] plan, bool bias)
    {
        var n = 0;
        foreach (var filters in plan)
        {
            if (filters == Pool)
            {
                net.MaxPool($"features.{n++}", 2);
                continue;
            }

            net.Conv($"features.{n++}", filters, 3, padding: 1, bias: bias);
            net.BatchNorm($"features.{n++}");
            net.Relu($"features.{n++}");
        }
    }

    private static NetworkGraph HiddenLayer(GraphBuilder net, int hidden, int classes)
    {
        net.Flatten("flatten");
        net.Linear("classifier.0", hidden, bias: false);
        net.BatchNorm("classifier.1");
        net.Relu("classifier.2");
        net.Linear("classifier.3", classes);
        return net.Build();
    }
}
