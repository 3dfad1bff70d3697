using Lathe.NN.Execution;
using Lathe.NN.Graphs;
using Lathe.NN.Runtime;
using static TorchSharp.torch;

namespace Lathe.Pruner.Tests;

/// <summary>Networks of random blocks, with and without batch norm: plain, residual, depthwise, grouped, concatenated, squeezed and padded.</summary>
internal static class RandomNetworks
{
    /// <summary>The same seed makes the same network.</summary>
    public static NetworkGraph Make(int seed)
    {
        var random = new Random(seed);
        var net = new GraphBuilder($"random {seed}", new TensorShape(random.Next(1, 4), 16, 16));
        Layer("stem", random.Next(2, 20), 3);
        var blocks = random.Next(1, 5);
        for (var i = 0; i < blocks; i++) Block($"block{i}");
        if (random.Next(2) == 0) net.GlobalAvgPool("pool");
        else net.MaxPool("pool", 4);
        net.Flatten("flatten");
        if (random.Next(2) == 0)
        {
            net.Linear("hidden", random.Next(2, 20));
            net.Relu("hidden.relu");
        }

        net.Linear("logits", 5);
        return net.Build();

        string Layer(string name, int channels, int kernel, int groups = 1)
        {
            var norm = random.Next(3) > 0;
            net.Conv(name, channels, kernel, padding: kernel / 2, groups: groups, bias: !norm);
            if (norm) net.BatchNorm($"{name}.norm");
            return random.Next(4) > 0 ? net.Relu($"{name}.relu") : net.Last;
        }

        void Block(string name)
        {
            var from = net.Last;
            var channels = net.Shape.Channels;
            switch (random.Next(7))
            {
                case 0:
                    Layer(name, random.Next(2, 24), 3);
                    break;
                case 1:
                    Layer($"{name}.a", random.Next(2, 24), 3);
                    net.Add($"{name}.sum", Layer($"{name}.b", channels, 1), from);
                    break;
                case 2:
                    Layer($"{name}.expand", 2 * channels, 1);
                    Layer($"{name}.depthwise", 2 * channels, 3, groups: 2 * channels);
                    Layer($"{name}.project", random.Next(2, 24), 1);
                    break;
                case 3:
                    net.Concat($"{name}.both", Layer(name, random.Next(2, 12), 3), from);
                    break;
                case 4:
                    net.GlobalAvgPool($"{name}.squeeze");
                    net.Conv($"{name}.down", Math.Max(1, channels / 2), 1, bias: true);
                    net.Relu($"{name}.relu");
                    net.Conv($"{name}.up", channels, 1, bias: true);
                    net.Mul($"{name}.excite", from, net.Activation($"{name}.scale", ActivationKind.Sigmoid));
                    break;
                case 5:
                    // Grouped convolutions in a row, the inner one's outputs in groups of another number.
                    var groups = random.Next(2, 4);
                    Layer($"{name}.in", 6 * random.Next(1, 3), 1);
                    Layer($"{name}.grouped", 6 * random.Next(1, 4), 3, groups);
                    Layer($"{name}.regrouped", 6 * random.Next(1, 3), 3, 5 - groups);
                    if (random.Next(2) == 0) net.Concat($"{name}.both", net.Last, from);
                    break;
                default:
                    var wide = Layer($"{name}.wide", channels + 4, 3);
                    net.Add($"{name}.sum", wide, net.Pad($"{name}.pad", 1, 3, from));
                    break;
            }
        }
    }

    /// <summary>Gives the scales of batch norms, which start as ones, random values, some of them under HFP's threshold.</summary>
    public static void MoveScales(GraphModule module, int seed)
    {
        using var _ = no_grad();
        using var generator = new Generator((ulong)seed);
        foreach (var norm in module.Graph.Nodes.OfType<BatchNorm>())
            module.Parameters[$"{norm.Name}.weight"].copy_(randn(norm.Channels, generator: generator).Times(0.05));
    }
}
