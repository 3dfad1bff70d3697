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
        Gen.Select(blocks.Any.Array[1, 5], Gen.Int[1, 3], Gen.Select(sides, sides), stem, blocks.Head, classes, Gen.Bool, (body, channels, side, first, head, logits, bias) =>
        {
            var net = new GraphBuilder("random", new TensorShape(channels, side.Item1, side.Item2));
            first(net, "stem");
            foreach (var (i, block) in body.Index()) block(net, $"b{i}");
            head(net, "head");
            net.Linear("logits", logits, bias);
            return net.Build();
        });

    /// <summary>A convolution with what may follow it.</summary>
    private sealed record Layer(int Channels, bool Bias, bool Norm, ActivationKind? Activation, Window Window, int Slopes)
    {
        /// <param name="channels">How many it makes; null: as drawn.</param>
        public string Append(GraphBuilder net, string name, int? channels = null, string? from = null, int groups = 1, bool isPointwise = false, Extent stride = default)
        {
            var read = net.ShapeOf(from ?? net.Last);
            var window = isPointwise ? new Window(1, 1, true) : Window;
            net.Append(new Conv2d(
                $"{name}.conv", [from ?? net.Last], read.Channels, channels ?? Channels, window.Kernel, stride, window.Same(read, stride), window.Dilation, groups, Bias));
            return Follow(net, name);
        }

        public string Follow(GraphBuilder net, string name)
        {
            if (Norm) net.BatchNorm($"{name}.norm");
            return Slopes switch
            {
                1 => net.LeakyRelu($"{name}.leaky", 0.125),
                2 => net.PRelu($"{name}.prelu"),
                3 => net.PRelu($"{name}.prelu", isShared: true),
                _ => Activation is { } kind ? net.Activation($"{name}.act", kind) : net.Last,
            };
        }
    }

    /// <summary>What a convolution reads for each pixel.</summary>
    /// <param name="IsLate">Of an odd number of rows or columns of border, the larger half lies behind the image.</param>
    private sealed record Window(Extent Kernel, Extent Dilation, bool IsLate)
    {
        /// <summary>The border with which there are as many outputs as strides fit the image.</summary>
        public Border Same(TensorShape image, Extent stride)
        {
            var (rows, columns) = (
                Missing(image.Height, Kernel.Height, Dilation.Height, stride.Height), Missing(image.Width, Kernel.Width, Dilation.Width, stride.Width));
            var (top, left) = ((rows + (IsLate ? 0 : 1)) / 2, (columns + (IsLate ? 0 : 1)) / 2);
            return new Border(top, left, rows - top, columns - left);
        }

        private static int Missing(int extent, int kernel, int dilation, int stride) =>
            Math.Max(0, (((extent + stride - 1) / stride - 1) * stride) + ((kernel - 1) * dilation) + 1 - extent);
    }

    private sealed class Blocks
    {
        private static readonly Gen<Extent> Extents = Gen.Int[0, 5].Select(i => i switch
        {
            < 3 => (Extent)3,
            3 => 2,
            4 => new Extent(1, 3),
            _ => new Extent(5, 2),
        });

        private static readonly Gen<Window> Windows = Gen.Select(
            Extents, Gen.Int[0, 5], Gen.Bool, (kernel, dilation, late) => new Window(kernel, dilation switch { 5 => 2, 4 => new Extent(2, 1), _ => 1 }, late));

        private static readonly Gen<Extent> Strides = Gen.Int[0, 3].Select(i => i switch { 0 => (Extent)2, 1 => 1, 2 => new Extent(2, 1), _ => new Extent(1, 3) });

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
            _layers = Gen.Select(_widths, Seldom, Often, Activations, Windows, Gen.Int[0, 12], (c, bias, norm, kind, window, slopes) => new Layer(c, bias, norm, kind, window, slopes));
            Plain = _layers.Select<Layer, Block>(layer => (net, name) => layer.Append(net, name));
            Any = Gen.OneOf(
                Plain, TwiceNormalized, Depthwise, Residual, DenseConnection, TwoProjections, Pool, Dropout, Padded, PaddedShortcut, Squeeze, SqueezeByLinear, Gate,
                Strided, Bordered, Grouped, GroupedBottleneck, Regrouped, InvertedResidual);
        }

        public Gen<Block> Plain { get; }

        public Gen<Block> Any { get; }

        /// <summary>From the last block to flat features.</summary>
        public Gen<Block> Head => Gen.Select(Pooling, Seldom, Gen.Bool, Seldom, _layers, (pooling, norm, hidden, image, layer) => (Block)((net, name) =>
        {
            pooling(net, name);
            net.Flatten($"{name}.flatten");
            if (norm) net.BatchNorm($"{name}.bn");
            if (image && net.Shape.Channels % 2 == 0)
            {
                net.Unflatten($"{name}.image", 1, 2);
                net.Conv($"{name}.mix", 2, new Extent(1, 2), padding: new Border(0, 0, 0, 1));
                net.Flatten($"{name}.flatten2");
            }

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
        private static Gen<Block> Pool => Gen.Select(Gen.Int[0, 3], Strides, Windows, Gen.Int[0, 2], (kind, stride, window, padding) => (Block)((net, name) =>
        {
            if (net.Shape.Height < 3 || net.Shape.Width < 3) return;
            var border = padding == 0 ? default : (window with { Dilation = 1 }).Same(net.Shape, stride);
            var kernel = padding == 0 && (net.Shape.Height < window.Kernel.Height || net.Shape.Width < window.Kernel.Width) ? 1 : window.Kernel;
            switch (kind)
            {
                case 0: net.Append(new AvgPool2d($"{name}.pool", [net.Last], kernel, stride, border)); break;
                case 1: net.Append(new AvgPool2d($"{name}.pool", [net.Last], kernel, stride, default, border)); break;
                // A border of zeros that count and one pixel beyond it, as where the last window is rounded up.
                case 2: net.Append(new AvgPool2d($"{name}.pool", [net.Last], 3, 2, 1, padding == 2 ? new Border(0, 0, 1, 1) : default)); break;
                default: net.Append(new MaxPool2d($"{name}.pool", [net.Last], kernel, stride, border)); break;
            }
        }));

        private Gen<Block> Strided => Gen.Select(_layers, Strides, Seldom, (layer, stride, depthwise) => (Block)((net, name) =>
        {
            var channels = depthwise ? net.Shape.Channels : layer.Channels;
            layer.Append(net, name, channels, groups: depthwise ? channels : 1, stride: stride);
        }));

        /// <summary>Zero pixels around the image, that no layer takes in.</summary>
        private Gen<Block> Bordered => Gen.Select(Gen.Int[0, 1].Array[4], _layers, Seldom, (sides, layer, inside) => (Block)((net, name) =>
        {
            net.Pad($"{name}.border", new Border(sides[0], sides[1], sides[2], sides[3]));
            if (inside) layer.Append(net, name);
        }));

        /// <summary>Squeeze and excitation with linear layers.</summary>
        private Gen<Block> SqueezeByLinear => Gen.Select(_layers, Gen.Int[1, 3], Gen.Bool, (layer, reduced, norm) => (Block)((net, name) =>
        {
            var of = layer.Append(net, name);
            var channels = net.Shape.Channels;
            net.GlobalAvgPool($"{name}.squeeze", of);
            net.Flatten($"{name}.flat");
            net.Linear($"{name}.reduce", reduced);
            net.Relu($"{name}.relu");
            net.Linear($"{name}.expand", channels);
            if (norm) net.BatchNorm($"{name}.bn");
            net.Activation($"{name}.scale", ActivationKind.Sigmoid);
            net.Mul($"{name}.mul", of, net.Unflatten($"{name}.image", 1, 1));
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
            layer.Append(net, $"{name}.in", 6 * read, isPointwise: true);
            layer.Append(net, $"{name}.grouped", 6 * made, groups: groups);
            layer.Append(net, $"{name}.regrouped", 6 * read, groups: 5 - groups);
            if (joined) net.Concat($"{name}.cat", net.Last, from);
        }));

        private Gen<Block> InvertedResidual => OfTwo((net, name, first, second) =>
        {
            var channels = 2 * net.Shape.Channels;
            first.Append(net, $"{name}.expand", channels, isPointwise: true);
            first.Append(net, $"{name}.depthwise", channels, groups: channels);
            second.Append(net, $"{name}.project", isPointwise: true);
        });

        private Gen<Block> Of(Action<GraphBuilder, string, Layer> append) =>
            _layers.Select<Layer, Block>(layer => (net, name) => append(net, name, layer));

        private Gen<Block> OfTwo(Action<GraphBuilder, string, Layer, Layer> append) =>
            Gen.Select(_layers, _layers, (first, second) => (Block)((net, name) => append(net, name, first, second)));
    }
}
