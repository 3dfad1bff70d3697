using CsCheck;
using Lathe.Graph;

namespace Lathe.Testing;

/// <summary>
/// Valid networks of every operation. They are composed of sizes and choices, the plainest first: where a test fails, shrinking leaves a
/// network of fewer blocks, plainer ones and fewer channels.
/// </summary>
public static class RandomNetworks
{
    /// <summary>Of a few channels and pixels; blocks may touch the image itself.</summary>
    public static Gen<NetworkGraph> Small { get; } = Networks(new Blocks(6), Gen.Int[5, 9], stem: Gen.Const<Block>((net, _) => { }), classes: Gen.Int[1, 4]);

    /// <summary>Of layers with channels to prune, the image's own never among them.</summary>
    public static Gen<NetworkGraph> Wide { get; } = Networks(new Blocks(24), Gen.Const(16), stem: new Blocks(20).Plain, classes: Gen.Const(5));

    /// <summary>Which gates stay: in each prunable group at least one, everywhere else all.</summary>
    public static Gen<bool[]> Live(ChannelGroups groups) => Gen.Bool.Array[groups.Gates.Count].Select(closed =>
    {
        var live = new bool[closed.Length];
        foreach (var group in groups.Groups)
        {
            foreach (var gate in group.Gates) live[gate] = !group.Prunable || !closed[gate];
            if (group.Gates.All(gate => !live[gate])) live[group.Gates[0]] = true;
        }

        return live;
    });

    /// <summary>A magnitude from 0 to 1 of each gate, group by group.</summary>
    public static Gen<double[][]> Magnitudes(ChannelGroups groups) => Gen.Double[0, 1].Array[groups.Gates.Count].Select(magnitudes =>
        groups.Groups.Select(group => group.Gates.Select(gate => magnitudes[gate]).ToArray()).ToArray());

    /// <summary>The value that a seed gives, the same in every run.</summary>
    public static T Example<T>(this Gen<T> gen, int seed) => gen.Generate(new PCG(1, (ulong)seed), null, out _);

    /// <summary>Appends to a network, reading the tensor made last.</summary>
    private delegate void Block(GraphBuilder net, string name);

    private static Gen<NetworkGraph> Networks(Blocks blocks, Gen<int> sides, Gen<Block> stem, Gen<int> classes) =>
        Gen.Select(blocks.Any.Array[1, 5], Gen.Int[1, 3], sides, stem, blocks.Head, classes, Gen.Bool, (body, channels, side, first, head, logits, bias) =>
        {
            var net = new GraphBuilder("random", new TensorShape(channels, side, side));
            first(net, "stem");
            foreach (var (i, block) in body.Index()) block(net, $"b{i}");
            head(net, "head");
            net.Linear("logits", logits, bias);
            return net.Build();
        });

    /// <summary>A convolution with what may follow it.</summary>
    private sealed record Layer(int Channels, bool Bias, bool Norm, ActivationKind? Activation)
    {
        /// <param name="channels">How many it makes; null: as drawn.</param>
        public string Append(GraphBuilder net, string name, int? channels = null, string? from = null, int groups = 1, int kernel = 3)
        {
            net.Conv($"{name}.conv", channels ?? Channels, kernel, padding: kernel / 2, groups: groups, bias: Bias, from: from);
            return Follow(net, name);
        }

        public string Follow(GraphBuilder net, string name)
        {
            if (Norm) net.BatchNorm($"{name}.norm");
            return Activation is { } kind ? net.Activation($"{name}.act", kind) : net.Last;
        }
    }

    private sealed class Blocks
    {
        private static readonly Gen<ActivationKind?> Activations = Gen.Int[0, 14].Select(i => i switch
        {
            < 7 => (ActivationKind?)null,
            < 10 => ActivationKind.Relu,
            10 => ActivationKind.Relu6,
            11 => ActivationKind.HardSwish,
            12 => ActivationKind.Silu,
            13 => ActivationKind.Sigmoid,
            _ => ActivationKind.HardSigmoid,
        });

        private static readonly Gen<bool> Seldom = Gen.Int[0, 2].Select(i => i == 2);
        private static readonly Gen<bool> Often = Gen.Int[0, 3].Select(i => i > 0);

        private readonly Gen<int> _widths;
        private readonly Gen<Layer> _layers;

        /// <param name="widest">Most channels of a layer.</param>
        public Blocks(int widest)
        {
            _widths = Gen.Int[1, widest];
            _layers = Gen.Select(_widths, Seldom, Often, Activations, (c, bias, norm, kind) => new Layer(c, bias, norm, kind));
            Plain = _layers.Select<Layer, Block>(layer => (net, name) => layer.Append(net, name));
            Any = Gen.OneOf(
                Plain, TwiceNormalized, Depthwise, Residual, DenseConnection, TwoProjections, Pool, Dropout, Padded, PaddedShortcut, Squeeze, Gate,
                Grouped, GroupedBottleneck, Regrouped, InvertedResidual);
        }

        public Gen<Block> Plain { get; }

        public Gen<Block> Any { get; }

        /// <summary>From the last block to flat features.</summary>
        public Gen<Block> Head => Gen.Select(Pooling, Seldom, Gen.Bool, _layers, (pooling, norm, hidden, layer) => (Block)((net, name) =>
        {
            pooling(net, name);
            net.Flatten($"{name}.flatten");
            if (norm) net.BatchNorm($"{name}.bn");
            if (!hidden) return;
            net.Linear($"{name}.hidden", layer.Channels, layer.Bias);
            layer.Follow(net, $"{name}.hidden");
        }));

        private static Gen<Block> Pooling => Gen.Frequency(
            (3, Gen.Const<Block>((net, name) => net.GlobalAvgPool($"{name}.pool"))),
            (1, Gen.Select(Gen.Int[1, 3], Gen.Int[1, 3], (height, width) => (Block)((net, name) => net.AdaptiveAvgPool($"{name}.pool", height, width)))),
            (2, Gen.Const<Block>((_, _) => { })));

        private Gen<Block> TwiceNormalized => Of((net, name, layer) =>
        {
            layer.Append(net, name);
            net.BatchNorm($"{name}.bn2");
        });

        /// <summary>An ordinary convolution where there is one channel.</summary>
        private Gen<Block> Depthwise => Of((net, name, layer) => layer.Append(net, name, net.Shape.Channels, groups: net.Shape.Channels));

        private Gen<Block> Residual => OfTwo((net, name, first, second) =>
        {
            var (from, channels) = (net.Last, net.Shape.Channels);
            first.Append(net, $"{name}.a");
            net.Add($"{name}.add", from, second.Append(net, $"{name}.b", channels));
        });

        private Gen<Block> DenseConnection => Gen.Select(_layers, Gen.Bool, (layer, twice) => (Block)((net, name) =>
        {
            var from = net.Last;
            var grown = layer.Append(net, name);
            net.Concat($"{name}.cat", twice ? [grown, from, grown] : [from, grown]);
        }));

        private Gen<Block> TwoProjections => OfTwo((net, name, first, second) =>
        {
            var from = net.Last;
            var left = first.Append(net, $"{name}.l");
            net.Add($"{name}.add", left, second.Append(net, $"{name}.r", first.Channels, from), left);
        });

        /// <summary>Nothing where too few pixels are left.</summary>
        private static Gen<Block> Pool => Gen.Select(Gen.Bool, Gen.Int[1, 2], Gen.Int[0, 1], (mean, stride, padding) => (Block)((net, name) =>
        {
            if (net.Shape.Height < 3 || net.Shape.Width < 3) return;
            if (mean) net.Append(new AvgPool2d($"{name}.pool", [net.Last], 2, stride, padding));
            else net.Append(new MaxPool2d($"{name}.pool", [net.Last], 3, 2, padding));
        }));

        private Gen<Block> Dropout => Of((net, name, layer) =>
        {
            net.Dropout($"{name}.drop", 0.25);
            layer.Append(net, name);
        });

        /// <summary>Zero channels that are added to nothing.</summary>
        private Gen<Block> Padded => Gen.Select(_layers, Gen.Int[0, 2], Gen.Int[0, 2], (layer, before, after) => (Block)((net, name) =>
        {
            net.Pad($"{name}.pad", before, after);
            layer.Follow(net, name);
        }));

        private Gen<Block> PaddedShortcut => Gen.Select(_layers, Gen.Int[1, 2], Gen.Int[0, 2], Gen.Int[0, 3], (layer, stride, before, after) => (Block)((net, name) =>
        {
            var from = net.Last;
            var branch = layer.Append(net, name, net.Shape.Channels + before + after);
            if (stride > 1) branch = net.AvgPool($"{name}.pool", 1, stride);
            var shortcut = stride > 1 ? net.AvgPool($"{name}.subsample", 1, stride, from) : from;
            net.Add($"{name}.add", branch, net.Pad($"{name}.pad", before, after, shortcut));
            net.Relu($"{name}.relu");
        }));

        /// <summary>Squeeze and excitation of a layer or of what is there already, the image too; the sigmoid is never the end of it.</summary>
        private Gen<Block> Squeeze => Gen.Select(_layers, Seldom, Gen.Int[1, 3], Gen.Bool, Gen.Bool, (layer, isOfInput, reduced, isHard, isFirst) => (Block)((net, name) =>
        {
            var of = isOfInput ? net.Last : layer.Append(net, name);
            var channels = net.Shape.Channels;
            net.GlobalAvgPool($"{name}.squeeze", of);
            net.Conv($"{name}.reduce", reduced, 1, bias: true);
            net.Relu($"{name}.relu");
            net.Conv($"{name}.expand", channels, 1, bias: true);
            var scale = net.Activation($"{name}.scale", isHard ? ActivationKind.HardSigmoid : ActivationKind.Sigmoid);
            net.Mul($"{name}.mul", isFirst ? scale : of, isFirst ? of : scale);
        }));

        /// <summary>A gate of the tensor's own size.</summary>
        private Gen<Block> Gate => Gen.Select(_layers, _layers, Gen.Bool, Gen.Bool, (values, gates, isOfValue, norm) => (Block)((net, name) =>
        {
            var (from, channels) = (net.Last, net.Shape.Channels);
            var value = values.Append(net, $"{name}.value", channels);
            gates.Append(net, $"{name}.gate", channels, isOfValue ? value : from);
            net.Activation($"{name}.sigmoid", ActivationKind.Sigmoid);
            net.Mul($"{name}.mul", net.Last, value);
            if (norm) net.BatchNorm($"{name}.bn");
        }));

        private Gen<Block> Grouped => OfTwo((net, name, first, second) =>
        {
            first.Append(net, $"{name}.in", 2 * first.Channels);
            second.Append(net, $"{name}.grouped", 2 * second.Channels, groups: 2);
        });

        /// <summary>As wide as its groups or wider.</summary>
        private Gen<Block> GroupedBottleneck => Gen.Select(_layers, _layers, Gen.Int[2, 3], Gen.Int[1, 2], (inner, outer, groups, wide) => (Block)((net, name) =>
        {
            var (from, channels) = (net.Last, net.Shape.Channels);
            inner.Append(net, $"{name}.in", groups * wide);
            inner.Append(net, $"{name}.grouped", groups * inner.Channels, groups: groups);
            net.Add($"{name}.add", outer.Append(net, $"{name}.out", channels), from);
        }));

        /// <summary>Grouped convolutions in a row, the inner one's outputs in groups of another number.</summary>
        private Gen<Block> Regrouped => Gen.Select(_layers, Gen.Int[2, 3], Gen.Int[1, 2], Gen.Int[1, 3], Gen.Bool, (layer, groups, read, made, joined) => (Block)((net, name) =>
        {
            var from = net.Last;
            layer.Append(net, $"{name}.in", 6 * read, kernel: 1);
            layer.Append(net, $"{name}.grouped", 6 * made, groups: groups);
            layer.Append(net, $"{name}.regrouped", 6 * read, groups: 5 - groups);
            if (joined) net.Concat($"{name}.cat", net.Last, from);
        }));

        private Gen<Block> InvertedResidual => OfTwo((net, name, first, second) =>
        {
            var channels = 2 * net.Shape.Channels;
            first.Append(net, $"{name}.expand", channels, kernel: 1);
            first.Append(net, $"{name}.depthwise", channels, groups: channels);
            second.Append(net, $"{name}.project", kernel: 1);
        });

        private Gen<Block> Of(Action<GraphBuilder, string, Layer> append) =>
            _layers.Select<Layer, Block>(layer => (net, name) => append(net, name, layer));

        private Gen<Block> OfTwo(Action<GraphBuilder, string, Layer, Layer> append) =>
            Gen.Select(_layers, _layers, (first, second) => (Block)((net, name) => append(net, name, first, second)));
    }
}
