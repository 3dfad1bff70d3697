using Lathe.Contracts;
using Lathe.Graph;
using Lathe.Graph.Checkpoints;
using Lathe.NN.Checkpoints;
using static TorchSharp.torch;

namespace Lathe.NN.FixedPoint;

/// <summary>Compiles a checkpoint with quantized weights and activations to a network in whole numbers.</summary>
public static class FixedPointCompiler
{
    /// <summary>Compiles a network that runs without floats.</summary>
    /// <exception cref="LatheException">A weight or an activation is not quantized, or a sum could exceed 32 bits; the message names the layer.</exception>
    public static FixedPointNetwork Compile(Checkpoint checkpoint) => Compile(checkpoint.Graph, checkpoint.Tensors, checkpoint.Formats);

    /// <summary>As the other overload.</summary>
    /// <param name="graph">The network.</param>
    /// <param name="tensors">Its tensors by name.</param>
    /// <param name="formats">Formats of its weights by name.</param>
    public static FixedPointNetwork Compile(
        NetworkGraph graph, IReadOnlyDictionary<string, Tensor> tensors, IReadOnlyDictionary<string, WeightFormat> formats)
    {
        RefuseFloat(graph, formats);
        return new Compilation(graph, tensors, formats).Run();
    }

    private static void RefuseFloat(NetworkGraph graph, IReadOnlyDictionary<string, WeightFormat> formats)
    {
        var floats = graph.Nodes.Where(node => node is Conv2d or Linear && !formats.ContainsKey($"{node.Name}.weight")).Select(node => node.Name).ToList();
        if (floats.Count > 0)
            throw new LatheException($"network '{graph.Name}' has float weights in {string.Join(", ", floats.Take(5))}"
                + $"{(floats.Count > 5 ? $" and {floats.Count - 5} more layers" : "")}; fixed-point inference needs a checkpoint of the stage quantize with activations: 8, and no layer excluded");
        if (!graph.Nodes.Any(node => node is Quantize))
            throw new LatheException($"network '{graph.Name}' has float activations; fixed-point inference needs a checkpoint of quantize: {{ activations: 8 }}");
    }

    /// <summary>
    /// A value that is not rounded yet: the sum of a step, times a slope, plus an intercept, then limited. There is one slope and intercept for each
    /// channel, or one for all if the step has a single map. Step makes the step, given its output and the maps to it.
    /// </summary>
    private sealed record Pending(
        Func<int, Requantizer[], IntegerStep> Step, double[] Slopes, double[] Intercepts, PendingKind Kind, double Least = double.NegativeInfinity, double Greatest = double.PositiveInfinity)
    {
        public bool IsLimited => Least > double.NegativeInfinity || Greatest < double.PositiveInfinity;
    }

    private enum PendingKind
    {
        Product,
        Channels,
        Whole,
    }

    private sealed class Compilation(
        NetworkGraph graph, IReadOnlyDictionary<string, Tensor> tensors, IReadOnlyDictionary<string, WeightFormat> formats)
    {
        private readonly IReadOnlyDictionary<string, TensorShape> _shapes = GraphValidation.Check(graph);
        private readonly List<ByteTensor> _tensors = [];
        private readonly List<IntegerStep> _steps = [];
        private readonly Dictionary<string, int> _stored = [];
        private readonly Dictionary<string, Pending> _pending = [];

        // A step of a network whose output has no format of its own has this many binary places.
        private const int UsualLogitFraction = 16;

        public FixedPointNetwork Run()
        {
            var input = -1;
            foreach (var node in graph.Nodes)
            {
                if (node is Quantize quantize && quantize.Inputs[0] == NetworkGraph.InputName)
                {
                    if (input >= 0) throw Refused(node, "is a second rounding of the image; there may be one");
                    input = Store(quantize);
                }
                else
                {
                    Take(node);
                }
            }

            if (input < 0) throw new LatheException($"network '{graph.Name}' reads the image as floats; expected a quantize node on '{NetworkGraph.InputName}'");
            var fraction = Finish();
            return new FixedPointNetwork(graph.Name, _tensors, input, _steps, _shapes[graph.Output].Channels, fraction);
        }

        private void Take(Node node)
        {
            switch (node)
            {
                case Quantize quantize: Round(quantize); break;
                case Conv2d conv: _pending.Add(node.Name, Multiply(conv)); break;
                case Linear linear: _pending.Add(node.Name, Multiply(linear)); break;
                case BatchNorm norm: _pending.Add(node.Name, Normalize(norm)); break;
                case LeakyRelu leaky: _pending.Add(node.Name, Activate(leaky)); break;
                case PRelu relu: _pending.Add(node.Name, Activate(relu)); break;
                case Activation activation: _pending.Add(node.Name, Activate(activation)); break;
                case Add: _pending.Add(node.Name, Sum(node)); break;
                case Mul: _pending.Add(node.Name, Product(node)); break;
                case AvgPool2d { IsSubsampling: true } pool:
                    Keep(node, (from, to) => new SubsampleStep([from], to, pool.Stride));
                    break;
                case AvgPool2d pool:
                    _pending.Add(node.Name, Mean(pool));
                    break;
                case GlobalAvgPool or AdaptiveAvgPool2d: _pending.Add(node.Name, Mean(node)); break;
                case MaxPool2d pool:
                    Keep(node, (from, to) => new MaximumStep([from], to, pool.Kernel, pool.Stride, pool.Padding.Top, pool.Padding.Left));
                    break;
                case Pad pad: Keep(node, (from, to) => new PadStep([from], to, pad.Before, pad.Border.Top, pad.Border.Left)); break;
                case Flatten: Keep(node, (from, to) => new FlattenStep([from], to, _shapes[node.Inputs[0]].Height * _shapes[node.Inputs[0]].Width)); break;
                // The other way round, channels and pixels change places.
                case Unflatten: Keep(node, (from, to) => new FlattenStep([from], to, _shapes[node.Name].Channels)); break;
                case Concat: _pending.Add(node.Name, Join(node)); break;
                case Dropout when _pending.TryGetValue(node.Inputs[0], out var value): _pending.Add(node.Name, value); break;
                case Dropout: _stored.Add(node.Name, Stored(node, 0)); break;
                default: throw Refused(node, "has no fixed-point form");
            }
        }

        /// <summary>Ends a computation: emits its step, with maps to the format of the node that rounds.</summary>
        private void Round(Quantize node)
        {
            if (_stored.TryGetValue(node.Inputs[0], out var from))
            {
                var table = Table(_tensors[from], Format(node), value => value);
                _steps.Add(new TableStep([from], Store(node), table));
                return;
            }

            var value = _pending[node.Inputs[0]];
            var output = Store(node, value.Least, value.Greatest);
            var scale = Math.ScaleB(1, node.Fraction);
            _steps.Add(value.Step(output, Maps(value, scale)));
        }

        private static Requantizer[] Maps(Pending value, double scale) =>
            [.. value.Slopes.Zip(value.Intercepts, (slope, intercept) => Requantizer.Of(slope * scale, intercept * scale))];

        private int Finish()
        {
            if (_stored.TryGetValue(graph.Output, out var stored))
            {
                _steps.Add(new LogitStep([stored]));
                return _tensors[stored].Fraction;
            }

            var value = _pending[graph.Output];
            if (value.Kind != PendingKind.Product || value.IsLimited)
                throw new LatheException($"the logits '{graph.Output}' of network '{graph.Name}' must come from a linear layer or a convolution, or be quantized");
            var fraction = value.Slopes.All(slope => slope == value.Slopes[0]) ? -Math.ILogB(value.Slopes[0]) : UsualLogitFraction;
            _steps.Add(value.Step(LogitStep.Logits, Maps(value, Math.ScaleB(1, fraction))));
            return fraction;
        }

        private Pending Multiply(Conv2d conv)
        {
            var (input, output) = (_shapes[conv.Inputs[0]], _shapes[conv.Name]);
            var shape = new ConvolutionShape(
                conv.InChannels, conv.OutChannels, conv.Kernel, conv.Stride, conv.Padding.Top, conv.Padding.Left, conv.Dilation, conv.Groups,
                input.Height, input.Width, output.Height, output.Width);
            return Multiply(conv, shape, conv.Bias);
        }

        private Pending Multiply(Linear linear) =>
            Multiply(linear, new ConvolutionShape(linear.InFeatures, linear.OutFeatures, 1, 1, 0, 0, 1, 1, 1, 1, 1, 1), linear.Bias);

        private Pending Multiply(Node node, ConvolutionShape shape, bool hasBias)
        {
            var from = Stored(node, 0);
            var format = formats[$"{node.Name}.weight"];
            var levels = Levels(Values(node, "weight"), format, shape);
            for (var channel = 0; channel < shape.OutChannels; channel++)
            {
                var most = 0L;
                foreach (var level in levels.AsSpan(channel * shape.Depth, shape.Depth)) most += 255L * Math.Abs((int)level);
                if (most > int.MaxValue) throw Refused(node, $"sums {shape.Depth} products of {format.Bits}-bit weights, which may exceed 32 bits");
            }

            var slope = Math.ScaleB(1, -format.Fraction - _tensors[from].Fraction);
            return new Pending(
                (to, maps) => new MultiplyStep([from], to, shape, format.Bits, levels, maps),
                [.. Enumerable.Repeat(slope, shape.OutChannels)],
                hasBias ? [.. Values(node, "bias").Select(bias => (double)bias)] : new double[shape.OutChannels],
                PendingKind.Product);
        }

        /// <summary>[out, in, y, x] of floats to [out, y, x, in] of levels.</summary>
        private static sbyte[] Levels(float[] weights, WeightFormat format, ConvolutionShape shape)
        {
            var levels = new sbyte[weights.Length];
            var (channels, positions) = (shape.InChannels / shape.Groups, (int)shape.Kernel.Area);
            for (var i = 0; i < levels.Length; i++)
            {
                var (position, rest) = (i % positions, i / positions);
                var (channel, output) = (rest % channels, rest / channels);
                levels[(((output * positions) + position) * channels) + channel] = (sbyte)MathF.ScaleB(weights[i], format.Fraction);
            }

            return levels;
        }

        private Pending Normalize(BatchNorm norm)
        {
            var (scale, shift) = (Values(norm, "weight"), Values(norm, "bias"));
            var (mean, variance) = (Values(norm, "running_mean"), Values(norm, "running_var"));
            var gain = scale.Select((gamma, c) => gamma / Math.Sqrt(variance[c] + norm.Epsilon)).ToArray();
            if (_pending.TryGetValue(norm.Inputs[0], out var value))
            {
                if (value.Kind != PendingKind.Product || value.IsLimited) throw Refused(norm, $"reads '{norm.Inputs[0]}', which is not quantized");
                return value with
                {
                    Slopes = [.. value.Slopes.Select((slope, c) => slope * gain[c])],
                    Intercepts = [.. value.Intercepts.Select((intercept, c) => ((intercept - mean[c]) * gain[c]) + shift[c])],
                };
            }

            var from = Stored(norm, 0);
            return new Pending(
                (to, maps) => new ChannelStep([from], to, maps),
                [.. gain.Select(g => Math.ScaleB(g, -_tensors[from].Fraction))],
                [.. gain.Select((g, c) => shift[c] - (mean[c] * g))],
                PendingKind.Channels);
        }

        private Pending Activate(Activation node)
        {
            if (_pending.TryGetValue(node.Inputs[0], out var value))
            {
                return node.Kind switch
                {
                    ActivationKind.Relu => value with { Least = Math.Max(0, value.Least) },
                    ActivationKind.Relu6 => value with { Least = Math.Max(0, value.Least), Greatest = Math.Min(6, value.Greatest) },
                    _ => throw Refused(node, $"reads '{node.Inputs[0]}', which is not quantized"),
                };
            }

            var from = Stored(node, 0);
            return new Pending(
                (to, _) => new TableStep([from], to, Table(_tensors[from], _tensors[to], x => Apply(node.Kind, x))), [], [], PendingKind.Whole);
        }

        private Pending Activate(LeakyRelu node)
        {
            var from = Stored(node, 0);
            return new Pending(
                (to, _) => new TableStep([from], to, Table(_tensors[from], _tensors[to], x => x < 0 ? (float)node.Slope * x : x)), [], [], PendingKind.Whole);
        }

        private Pending Activate(PRelu node)
        {
            var from = Stored(node, 0);
            var slopes = Values(node, "weight");
            var channels = _shapes[node.Name].Channels;
            return new Pending(
                (to, _) =>
                {
                    var scale = Math.ScaleB(1, _tensors[to].Fraction - _tensors[from].Fraction);
                    return new SlopeStep(
                        [from], to, Requantizer.Of(scale, 0), [.. Enumerable.Range(0, channels).Select(c => Requantizer.Of(slopes[slopes.Length == 1 ? 0 : c] * scale, 0))]);
                },
                [], [], PendingKind.Whole);
        }

        private Pending Sum(Node node)
        {
            int[] from = [.. node.Inputs.Select((_, i) => Stored(node, i))];
            if (from.FirstOrDefault(tensor => _tensors[tensor].Fraction != _tensors[from[0]].Fraction, -1) is >= 0 and var other)
                throw Refused(node, $"adds '{_tensors[from[0]].Name}' and '{_tensors[other].Name}', whose step sizes differ");
            return Whole((to, map) => new SumStep(from, to, map), -_tensors[from[0]].Fraction);
        }

        private Pending Product(Node node)
        {
            int[] from = [Stored(node, 0), Stored(node, 1)];
            return Whole((to, map) => new ProductStep(from, to, map), -_tensors[from[0]].Fraction - _tensors[from[1]].Fraction);
        }

        private static Pending Whole(Func<int, Requantizer, IntegerStep> step, int exponent) =>
            new((to, maps) => step(to, maps[0]), [Math.ScaleB(1, exponent)], [0], PendingKind.Whole);

        /// <summary>Over windows of the image alone.</summary>
        private Pending Mean(Node node)
        {
            var (input, output) = (_shapes[node.Inputs[0]], _shapes[node.Name]);
            var (rows, columns) = (AdaptiveWindows.Of(input.Height, output.Height), AdaptiveWindows.Of(input.Width, output.Width));
            return Mean(node, rows, columns, [.. rows.Select(row => row.Count)], [.. columns.Select(column => column.Count)]);
        }

        private Pending Mean(AvgPool2d pool)
        {
            var (input, output) = (_shapes[pool.Inputs[0]], _shapes[pool.Name]);
            var border = pool.Padding + pool.Beyond;
            return Mean(
                pool,
                Windows(pool.Kernel.Height, pool.Stride.Height, border.Top, input.Height, output.Height),
                Windows(pool.Kernel.Width, pool.Stride.Width, border.Left, input.Width, output.Width),
                AveragedPixels.Rows(pool, input.Height, output.Height),
                AveragedPixels.Columns(pool, input.Width, output.Width));
        }

        /// <param name="node">The pooling.</param>
        /// <param name="rows">Rows of the image under each output row's window.</param>
        /// <param name="columns">Columns likewise.</param>
        /// <param name="high">By how many rows each output row's sum is divided.</param>
        /// <param name="wide">By how many columns likewise.</param>
        private Pending Mean(Node node, (int First, int Count)[] rows, (int First, int Count)[] columns, int[] high, int[] wide)
        {
            var from = Stored(node, 0);
            return new Pending(
                (to, _) =>
                {
                    var places = _tensors[to].Fraction - _tensors[from].Fraction;
                    var divisions = new Quotient[rows.Length, columns.Length];
                    for (var y = 0; y < rows.Length; y++)
                    {
                        for (var x = 0; x < columns.Length; x++) divisions[y, x] = Quotient.Of(places, high[y] * wide[x]);
                    }

                    return new MeanStep([from], to, rows, columns, divisions);
                },
                [], [], PendingKind.Whole);
        }

        private static (int First, int Count)[] Windows(int kernel, int stride, int padding, int extent, int outputs) =>
        [
            .. Enumerable.Range(0, outputs).Select(i =>
            {
                var first = Math.Max(0, (i * stride) - padding);
                return (first, Math.Max(0, Math.Min(extent, (i * stride) - padding + kernel) - first));
            }),
        ];

        private Pending Join(Node node)
        {
            int[] from = [.. node.Inputs.Select((_, i) => Stored(node, i))];
            return new Pending(
                (to, _) => new JoinStep(from, to, [.. from.Select(tensor => Table(_tensors[tensor], _tensors[to], value => value))]), [], [], PendingKind.Whole);
        }

        /// <summary>A step that leaves its input's bytes as they are, so that its output has the same format.</summary>
        private void Keep(Node node, Func<int, int, IntegerStep> step)
        {
            var from = Stored(node, 0);
            _tensors.Add(_tensors[from] with { Name = node.Name, Shape = _shapes[node.Name] });
            _stored.Add(node.Name, _tensors.Count - 1);
            _steps.Add(step(from, _tensors.Count - 1));
        }

        private ByteTensor Format(Quantize node, double least = double.NegativeInfinity, double greatest = double.PositiveInfinity)
        {
            var zero = node.Signed ? 1 << (node.Bits - 1) : 0;
            var scale = Math.ScaleB(1, node.Fraction);
            var (low, high) = (Math.Max(node.Least, Math.Round(least * scale)), Math.Min(node.Greatest, Math.Round(greatest * scale)));
            return new ByteTensor(node.Name, _shapes[node.Name], node.Fraction, (byte)zero, (byte)(low + zero), (byte)(high + zero));
        }

        private int Store(Quantize node, double least = double.NegativeInfinity, double greatest = double.PositiveInfinity)
        {
            _tensors.Add(Format(node, least, greatest));
            _stored.Add(node.Name, _tensors.Count - 1);
            return _tensors.Count - 1;
        }

        private int Stored(Node node, int input) => _stored.TryGetValue(node.Inputs[input], out var tensor)
            ? tensor
            : throw Refused(node, $"reads '{node.Inputs[input]}', which is not quantized");

        private float[] Values(Node node, string name)
        {
            using var scope = NewDisposeScope();
            return tensors[$"{node.Name}.{name}"].detach().cpu().contiguous().data<float>().ToArray();
        }

        private LatheException Refused(Node node, string why) => new($"fixed-point inference of network '{graph.Name}': '{node.Name}' {why}");
    }

    /// <summary>A function of each of 256 bytes, rounded to another tensor's format, ties to even.</summary>
    private static byte[] Table(ByteTensor from, ByteTensor to, Func<double, double> function) =>
    [
        .. Enumerable.Range(0, 256).Select(q => to.Store(
            (long)Math.Round(Math.ScaleB(function(Math.ScaleB(q - from.Zero, -from.Fraction)), to.Fraction), MidpointRounding.ToEven))),
    ];

    private static double Apply(ActivationKind kind, double x) => kind switch
    {
        ActivationKind.Relu => Math.Max(0, x),
        ActivationKind.Relu6 => Math.Clamp(x, 0, 6),
        ActivationKind.HardSwish => x * Math.Clamp(x + 3, 0, 6) / 6,
        ActivationKind.Silu => x / (1 + Math.Exp(-x)),
        ActivationKind.Sigmoid => 1 / (1 + Math.Exp(-x)),
        ActivationKind.HardSigmoid => Math.Clamp(x + 3, 0, 6) / 6,
        _ => throw new LatheException($"activation {kind} has no fixed-point form"),
    };
}
