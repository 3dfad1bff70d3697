using Lathe.NN.Graphs;

namespace Lathe.NN.Tests.Graphs;

/// <summary>Valid networks of every operation, drawn from a seed.</summary>
internal static class RandomNetworks
{
    public static NetworkGraph Network(int seed)
    {
        var random = new Random(seed);
        var size = random.Next(5, 10);
        var net = new GraphBuilder($"random{seed}", new TensorShape(random.Next(1, 4), size, size));
        var blocks = random.Next(2, 6);
        for (var b = 0; b < blocks; b++)
            Block(net, random, $"b{b}");
        if (random.Next(2) == 0) net.GlobalAvgPool("gap");
        else if (random.Next(3) == 0) net.AdaptiveAvgPool("adaptive", random.Next(1, 4), random.Next(1, 4));
        net.Flatten("flatten");
        if (random.Next(3) == 0) net.BatchNorm("flat.bn");
        if (random.Next(2) == 0)
        {
            net.Linear("hidden", random.Next(1, 7), random.Next(2) == 0);
            if (random.Next(2) == 0) net.BatchNorm("hidden.bn");
            Activate(net, random, "hidden.act");
        }

        net.Linear("logits", random.Next(1, 5), random.Next(2) == 0);
        return net.Build();
    }

    /// <summary>Which gates stay: in each prunable group at least one, everywhere else all.</summary>
    public static bool[] Live(ChannelGroups groups, Random random)
    {
        var live = new bool[groups.Gates.Count];
        foreach (var group in groups.Groups)
        {
            foreach (var gate in group.Gates) live[gate] = !group.Prunable || random.Next(2) == 0;
            live[group.Gates[random.Next(group.Gates.Count)]] = true;
        }

        return live;
    }

    public static int[] Counts(ChannelGroups groups, bool[] live) => [.. groups.Groups.Select(g => g.Gates.Count(gate => live[gate]))];

    private static void Block(GraphBuilder net, Random random, string name)
    {
        var from = net.Last;
        var shape = net.Shape;
        switch (random.Next(14))
        {
            case 0:
                Conv(net, random, name, random.Next(1, 7));
                break;
            case 1: // depthwise, or an ordinary convolution where there is one channel
                net.Conv($"{name}.dw", shape.Channels, 3, padding: 1, groups: shape.Channels, bias: random.Next(3) == 0);
                if (random.Next(2) == 0) net.BatchNorm($"{name}.bn");
                Activate(net, random, $"{name}.act");
                break;
            case 2: // grouped
                Conv(net, random, $"{name}.in", 2 * random.Next(1, 4));
                net.Conv($"{name}.grouped", 2 * random.Next(1, 4), 3, padding: 1, groups: 2, bias: random.Next(3) == 0);
                if (random.Next(2) == 0) net.BatchNorm($"{name}.bn");
                break;
            case 3: // residual, sometimes around the image itself
                Conv(net, random, $"{name}.a", random.Next(1, 6));
                var inner = Conv(net, random, $"{name}.b", shape.Channels);
                net.Add($"{name}.add", from, inner);
                Activate(net, random, $"{name}.act");
                break;
            case 4: // dense connection
                var grown = Conv(net, random, $"{name}.a", random.Next(1, 5));
                net.Concat($"{name}.cat", random.Next(2) == 0 ? [from, grown] : [grown, from, grown]);
                break;
            case 5: // two projections added
                var left = Conv(net, random, $"{name}.l", 4, from);
                var right = Conv(net, random, $"{name}.r", 4, from);
                net.Add($"{name}.add", left, right, left);
                break;
            case 6 when shape.Height >= 3:
                if (random.Next(2) == 0) net.Append(new MaxPool2d($"{name}.pool", [from], 3, 2, random.Next(2)));
                else net.Append(new AvgPool2d($"{name}.pool", [from], 2, random.Next(1, 3), random.Next(2)));
                break;
            case 7: // squeeze and excitation, of the image too; the sigmoid is never the end of it
                Squeeze(net, random, name, random.Next(3) == 0 ? from : Conv(net, random, name, random.Next(1, 5)));
                break;
            case 8: // a gate of the tensor's own size
                var value = Conv(net, random, $"{name}.value", shape.Channels);
                Conv(net, random, $"{name}.gate", shape.Channels, random.Next(2) == 0 ? from : value);
                net.Activation($"{name}.sigmoid", ActivationKind.Sigmoid);
                net.Mul($"{name}.mul", net.Last, value);
                if (random.Next(2) == 0) net.BatchNorm($"{name}.bn");
                break;
            case 9: // zero-padded shortcut
                Shortcut(net, random, name, from);
                break;
            case 10: // zero channels that are added to nothing
                net.Pad($"{name}.pad", random.Next(3), random.Next(3));
                if (random.Next(2) == 0) net.BatchNorm($"{name}.bn");
                if (random.Next(2) == 0) Activate(net, random, $"{name}.act");
                break;
            case 11: // bottleneck of grouped convolutions, as wide as its groups or wider
                var groups = random.Next(2, 4);
                Conv(net, random, $"{name}.in", groups * random.Next(1, 3));
                net.Conv($"{name}.grouped", groups * random.Next(1, 3), 3, padding: 1, groups: groups);
                net.BatchNorm($"{name}.bn");
                Conv(net, random, $"{name}.out", shape.Channels);
                net.Add($"{name}.add", net.Last, from);
                break;
            case 12:
                net.Dropout($"{name}.drop", 0.25);
                Conv(net, random, name, random.Next(1, 5), from: null);
                break;
            default:
                Conv(net, random, name, random.Next(1, 5));
                net.BatchNorm($"{name}.bn2");
                break;
        }
    }

    private static void Squeeze(GraphBuilder net, Random random, string name, string of)
    {
        var channels = net.ShapeOf(of).Channels;
        net.GlobalAvgPool($"{name}.squeeze", of);
        net.Conv($"{name}.reduce", random.Next(1, 4), 1, bias: true);
        Activate(net, random, $"{name}.act");
        net.Conv($"{name}.expand", channels, 1, bias: true);
        var scale = net.Activation($"{name}.scale", channels % 2 == 0 ? ActivationKind.Sigmoid : ActivationKind.HardSigmoid);
        if (random.Next(2) == 0) net.Mul($"{name}.mul", of, scale);
        else net.Mul($"{name}.mul", scale, of);
    }

    private static void Shortcut(GraphBuilder net, Random random, string name, string from)
    {
        var stride = random.Next(1, 3);
        var (before, after) = (random.Next(3), random.Next(3));
        var branch = Conv(net, random, $"{name}.a", net.ShapeOf(from).Channels + before + after);
        if (stride > 1) branch = net.AvgPool($"{name}.pool", 1, stride);
        var shortcut = stride > 1 ? net.AvgPool($"{name}.subsample", 1, stride, from) : from;
        net.Add($"{name}.add", branch, net.Pad($"{name}.pad", before, after, shortcut));
        Activate(net, random, $"{name}.relu");
    }

    private static string Conv(GraphBuilder net, Random random, string name, int channels, string? from = null)
    {
        net.Conv($"{name}.conv", channels, 3, padding: 1, bias: random.Next(3) == 0, from: from);
        if (random.Next(4) != 0) net.BatchNorm($"{name}.norm");
        return random.Next(2) == 0 ? Activate(net, random, $"{name}.relu") : net.Last;
    }

    private static string Activate(GraphBuilder net, Random random, string name)
    {
        ActivationKind[] kinds =
            [ActivationKind.Relu, ActivationKind.Relu, ActivationKind.Relu6, ActivationKind.HardSwish, ActivationKind.Silu, ActivationKind.Sigmoid, ActivationKind.HardSigmoid];
        return net.Append(new Activation(name, [net.Last], kinds[random.Next(kinds.Length)]));
    }
}
