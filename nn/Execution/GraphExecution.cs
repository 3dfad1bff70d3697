using Lathe.Contracts;
using Lathe.Graph;
using Lathe.NN.Runtime;
using static TorchSharp.torch;
using F = TorchSharp.torch.nn.functional;

namespace Lathe.NN.Execution;

/// <summary>Runs a graph's nodes in their order.</summary>
internal static class GraphExecution
{
    public static Tensor Run(
        NetworkGraph graph,
        int[] lastReader,
        Tensor input,
        bool training,
        Func<string, Tensor> parameter,
        IReadOnlyDictionary<string, Tensor> buffers,
        CounterRandom dropout,
        Precision precision,
        ActivationTap? tap = null,
        ActivationView? outputs = null)
    {
        tap?.Invoke(NetworkGraph.InputName, input);
        var live = new Dictionary<string, (Tensor Tensor, int Last)>
        {
            [NetworkGraph.InputName] = (Entering(input, precision), TensorLifetimes.LastReader(graph, NetworkGraph.InputName)),
        };
        for (var i = 0; i < graph.Nodes.Count; i++)
        {
            var node = graph.Nodes[i];
            var inputs = new Tensor[node.Inputs.Count];
            for (var j = 0; j < inputs.Length; j++)
                inputs[j] = live[node.Inputs[j]].Tensor;
            var output = Apply(node, inputs, training, parameter, buffers, dropout);
            if (outputs?.Invoke(node.Name, output) is { } replaced && !ReferenceEquals(replaced, output))
            {
                output.Dispose();
                output = replaced;
            }

            tap?.Invoke(node.Name, output);

            // In training, the backward pass keeps the tensors that it needs. This releases our references to all others.
            foreach (var name in node.Inputs)
            {
                if (live.TryGetValue(name, out var read) && read.Last == i)
                {
                    live.Remove(name);
                    if (!ReferenceEquals(read.Tensor, output))
                        read.Tensor.Dispose();
                }
            }

            if (lastReader[i] == i)
                output.Dispose();
            else
                live[node.Name] = (output, lastReader[i]);
        }

        var logits = live[graph.Output].Tensor;
        if (precision == Precision.Float32)
            return logits;
        using (logits)
            return logits.to(ScalarType.Float32);
    }

    private static Tensor Entering(Tensor input, Precision precision)
    {
        var pixels = input.dim() == 2 ? input.alias() : ChannelsLast(input);
        if (precision == Precision.Float32)
            return pixels;
        using (pixels)
            return pixels.to(ScalarType.BFloat16);
    }

    /// <summary>
    /// The same [N, C, H, W] values with a pixel's channels next to each other in memory. Every layer keeps this order,
    /// and libtorch's CPU kernels for pooling, batch norm and convolution are vectorized for it.
    /// </summary>
    private static Tensor ChannelsLast(Tensor input)
    {
        var (channels, height, width) = (input.shape[1], input.shape[2], input.shape[3]);
        using var permuted = input.permute(0, 2, 3, 1);
        using var pixels = permuted.contiguous();
        // Without its offset a view of several images would begin at the first of them.
        // Strides are explicit, because with one channel the strides of permute would look like the usual order.
        return pixels.as_strided(input.shape, [channels * height * width, 1, width * channels, channels], pixels.storage_offset());
    }

    private static Tensor Apply(
        Node node,
        Tensor[] inputs,
        bool training,
        Func<string, Tensor> parameter,
        IReadOnlyDictionary<string, Tensor> buffers,
        CounterRandom dropout)
    {
        var x = inputs.Length > 0 ? inputs[0] : throw new LatheException($"Layer '{node.Name}' reads nothing. It needs an input.");
        switch (node)
        {
            case Conv2d { Padding.IsSymmetric: true } conv:
                return Convolve(x, conv, [conv.Padding.Top, conv.Padding.Left]);
            case Conv2d conv:
                using (var bordered = Bordered(x, conv.Padding, 0))
                    return Convolve(bordered, conv, [0, 0]);
            case Linear linear:
                return F.linear(x, Value("weight"), linear.Bias ? Value("bias") : null);
            case BatchNorm norm:
                return Normalize(x, norm, training, parameter, buffers);
            case GroupNorm norm:
                return F.group_norm(x, norm.Groups, Value("weight"), Value("bias"), norm.Epsilon);
            case LeakyRelu leaky:
                return Leaky(x, leaky.Slope);
            case PRelu:
                return F.prelu(x, Value("weight"));
            case Activation activation:
                return Activate(x, activation.Kind);
            case MaxPool2d pool when IsUsual(pool.Kernel, pool.Padding):
                return F.max_pool2d(x, Pair(pool.Kernel), Pair(pool.Stride), [pool.Padding.Top, pool.Padding.Left]);
            case MaxPool2d pool:
                using (var bordered = Bordered(x, pool.Padding, double.NegativeInfinity))
                    return F.max_pool2d(bordered, Pair(pool.Kernel), Pair(pool.Stride));
            case AvgPool2d { Beyond.IsNone: true } pool when IsUsual(pool.Kernel, pool.Padding):
                return F.avg_pool2d(x, Pair(pool.Kernel), Pair(pool.Stride), [pool.Padding.Top, pool.Padding.Left]);
            case AvgPool2d pool:
                return Mean(x, pool);
            case GlobalAvgPool:
                return F.adaptive_avg_pool2d(x, [1L, 1L]);
            case AdaptiveAvgPool2d pool:
                return F.adaptive_avg_pool2d(x, [pool.Height, pool.Width]);
            case Add:
                return Sum(inputs);
            case Mul:
                return x * inputs[1];
            case Pad pad:
                // From the last dimension backwards: width, height, channels.
                return F.pad(x, [pad.Border.Left, pad.Border.Right, pad.Border.Top, pad.Border.Bottom, pad.Before, pad.After]);
            case Concat:
                return cat(inputs, 1);
            case Flatten:
                return x.flatten(1);
            case Unflatten unflatten:
                using (var planes = x.reshape(x.shape[0], -1, unflatten.Height, unflatten.Width))
                    return ChannelsLast(planes);
            case Dropout drop:
                return Drop(x, drop, training, dropout);
            case Quantize quantize:
                return Round(x, quantize);
            default:
                throw new LatheException($"Layer '{node.Name}' is a {node.GetType().Name}, which this version of Lathe cannot run.");
        }

        Tensor Convolve(Tensor image, Conv2d conv, long[] padding)
        {
            using var plain = ReadsBeyond(image, conv, padding) ? PlainStrides(image) : null;
            return F.conv2d(plain ?? image, Value("weight"), conv.Bias ? Value("bias") : null, Pair(conv.Stride), padding, Pair(conv.Dilation), conv.Groups);
        }

        // Parameters are stored in float32 and converted to the type of the input.
        Tensor Value(string name)
        {
            var value = parameter($"{node.Name}.{name}");
            return value.dtype == x.dtype ? value : value.to(x.dtype);
        }
    }

    private static long[] Pair(Extent extent) => [extent.Height, extent.Width];

    /// <summary>
    /// Whether libtorch's oneDNN would take values from beside a one-channel image in a batch. It does where the strides say channels last,
    /// the convolution steps over pixels of a row, and a row has one window: it then takes the order of the values for another.
    /// </summary>
    private static bool ReadsBeyond(Tensor image, Conv2d conv, long[] padding) =>
        image.shape[1] == 1 && conv.Stride.Width > 1
        && image.shape[3] + (2 * padding[1]) < (conv.Dilation.Width * (conv.Kernel.Width - 1)) + 1 + conv.Stride.Width;

    /// <summary>The same values of a one-channel image, [N, 1, H, W], under the strides of the usual order. Nothing is copied unless there are gaps.</summary>
    private static Tensor PlainStrides(Tensor image)
    {
        var (height, width) = (image.shape[2], image.shape[3]);
        using var pixels = image.contiguous();
        return pixels.as_strided(image.shape, [height * width, height * width, width, 1], pixels.storage_offset());
    }

    /// <summary>A border that libtorch's poolings have themselves.</summary>
    private static bool IsUsual(Extent kernel, Border padding) =>
        padding.IsSymmetric && padding.Top <= kernel.Height / 2 && padding.Left <= kernel.Width / 2;

    private static Tensor Bordered(Tensor x, Border border, double value) =>
        F.pad(x, [border.Left, border.Right, border.Top, border.Bottom], TorchSharp.PaddingModes.Constant, value);

    /// <summary>Sums of windows, divided by the number of pixels that count.</summary>
    private static Tensor Mean(Tensor x, AvgPool2d pool)
    {
        using var bordered = Bordered(x, pool.Padding + pool.Beyond, 0);
        if (pool.Beyond.IsNone)
            return F.avg_pool2d(bordered, Pair(pool.Kernel), Pair(pool.Stride));
        using var sums = F.avg_pool2d(bordered, Pair(pool.Kernel), Pair(pool.Stride), divisor_override: 1);
        var rows = AveragedPixels.Rows(pool, (int)x.shape[2], (int)sums.shape[2]);
        var columns = AveragedPixels.Columns(pool, (int)x.shape[3], (int)sums.shape[3]);
        using var pixels = GraphModule.FloatTensor([.. rows.SelectMany(row => columns.Select(column => (float)((long)row * column)))], [rows.Length, columns.Length]);
        using var divisors = pixels.to(x.dtype, x.device);
        return sums / divisors;
    }

    private static Tensor Normalize(
        Tensor x, BatchNorm norm, bool training, Func<string, Tensor> parameter, IReadOnlyDictionary<string, Tensor> buffers)
    {
        // With few channels that do not fill whole vectors, the channels-last kernel is a scalar one, and converting to channels first takes a third
        // of its time. In bfloat16 the conversion takes longer, so it is not done (benchmarks/NarrowBatchNorm.cs).
        var isNarrow = x.dim() == 4 && x.dtype == ScalarType.Float32 && norm.Channels is > 1 and < 16 && norm.Channels % 8 != 0;
        if (!isNarrow)
            return Apply(x);
        using var planes = x.contiguous();
        using var normalized = Apply(planes);
        using var permuted = normalized.permute(0, 2, 3, 1);
        using var pixels = permuted.contiguous();
        return pixels.permute(0, 3, 1, 2);

        Tensor Apply(Tensor input) => F.batch_norm(
            input,
            buffers[$"{norm.Name}.running_mean"],
            buffers[$"{norm.Name}.running_var"],
            parameter($"{norm.Name}.weight"),
            parameter($"{norm.Name}.bias"),
            training,
            norm.Momentum,
            norm.Epsilon);
    }

    private static Tensor Leaky(Tensor x, double slope)
    {
        using var positive = F.relu(x);
        using var negative = x - positive;
        using var scaled = negative.Times(slope);
        return positive.Plus(scaled);
    }

    private static Tensor Activate(Tensor x, ActivationKind kind) => kind switch
    {
        ActivationKind.Relu => F.relu(x),
        ActivationKind.Relu6 => F.relu6(x),
        ActivationKind.HardSwish => F.hardswish(x),
        ActivationKind.Silu => F.silu(x),
        ActivationKind.Sigmoid => sigmoid(x),
        ActivationKind.HardSigmoid => F.hardsigmoid(x),
        _ => throw new LatheException($"Activation {kind} is unknown to this version of Lathe."),
    };

    /// <summary>
    /// Gradients of values in range pass straight through. The limited tensor is rounded in place, because no gradient needs its values. All of this is exact, in
    /// bfloat16 too: steps are powers of two, and bfloat16 holds whole numbers of eight bits.
    /// </summary>
    private static Tensor Round(Tensor x, Quantize quantize)
    {
        var step = Math.ScaleB(1, -quantize.Fraction);
        var rounded = x.Clamped(quantize.Least * step, quantize.Greatest * step);
        using (no_grad())
        {
            using var values = rounded.detach();
            values.TimesInPlace(1 / step).round_().TimesInPlace(step);
        }

        return rounded;
    }

    private static Tensor Sum(Tensor[] inputs)
    {
        var sum = inputs[0].alias();
        foreach (var other in inputs.AsSpan(1))
        {
            var next = sum.Plus(other);
            sum.Dispose();
            sum = next;
        }

        return sum;
    }

    private static Tensor Drop(Tensor x, Dropout drop, bool training, CounterRandom random)
    {
        if (!training || drop.Probability <= 0)
            return x.alias();
        var keep = 1 - drop.Probability;
        var stream = CounterRandom.For(unchecked((long)random.Key), drop.Name);
        var mask = new float[x.numel()];
        for (var i = 0; i < mask.Length; i++)
            mask[i] = stream.Uniform(i) < keep ? (float)(1 / keep) : 0f;
        using var factor = GraphModule.FloatTensor(mask, x.shape);
        using var typed = factor.to(x.dtype, x.device);
        return x * typed;
    }
}
