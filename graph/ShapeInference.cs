using Lathe.Contracts;

namespace Lathe.Graph;

/// <summary>The shape of every tensor of a graph, worked out from the image's shape.</summary>
public static class ShapeInference
{
    /// <summary>Most values that one tensor may hold, weights and one image's activations alike: a gigabyte as float32.</summary>
    public const long MaxValues = 1L << 28;

    /// <summary>Shapes by tensor name, <see cref="NetworkGraph.InputName"/> included.</summary>
    /// <exception cref="LatheException">A node cannot read what its inputs give; the message names the node and the input.</exception>
    public static IReadOnlyDictionary<string, TensorShape> Infer(NetworkGraph graph)
    {
        CheckSize(graph.Input, "The image");
        var shapes = new Dictionary<string, TensorShape>(graph.Nodes.Count + 1) { [NetworkGraph.InputName] = graph.Input };
        foreach (var node in graph.Nodes)
        {
            NodeFields.Check(node);
            var inputs = new TensorShape[node.Inputs.Count];
            for (var i = 0; i < inputs.Length; i++)
            {
                if (!shapes.TryGetValue(node.Inputs[i], out inputs[i]))
                    throw new LatheException(
                        $"node '{node.Name}' reads '{node.Inputs[i]}', which no earlier node makes; nodes must be in topological order");
            }

            var shape = Infer(node, inputs);
            CheckSize(shape, $"The tensor of node '{node.Name}'");
            if (!shapes.TryAdd(node.Name, shape))
                throw new LatheException($"two nodes are named '{node.Name}'; names must be unique and '{NetworkGraph.InputName}' is the image");
        }

        return shapes;
    }

    /// <summary>Shape of the tensor that one node makes.</summary>
    /// <param name="node">The node.</param>
    /// <param name="inputs">Shapes of the tensors it reads, in order.</param>
    /// <exception cref="LatheException">The node cannot read these inputs.</exception>
    public static TensorShape Infer(Node node, IReadOnlyList<TensorShape> inputs)
    {
        CheckArity(node, inputs.Count);
        return node switch
        {
            Conv2d conv => Convolve(conv, inputs[0]),
            Linear linear => Multiply(linear, inputs[0]),
            BatchNorm norm => Normalize(norm, norm.Channels, inputs[0]),
            GroupNorm norm => Normalize(norm, norm.Channels, inputs[0]),
            PRelu relu => relu.Channels == 1 ? inputs[0] : Normalize(relu, relu.Channels, inputs[0]),
            MaxPool2d pool => Pool(pool, inputs[0], pool.Kernel, pool.Stride, pool.Padding),
            AvgPool2d pool => Pool(pool, inputs[0], pool.Kernel, pool.Stride, pool.Padding + pool.Beyond),
            GlobalAvgPool => new TensorShape(Spatial(node, inputs[0]).Channels),
            AdaptiveAvgPool2d pool => new TensorShape(Spatial(node, inputs[0]).Channels, pool.Height, pool.Width),
            Add => Same(node, inputs),
            Mul => Scale(node, inputs[0], inputs[1]),
            Pad pad => Widen(pad, Spatial(node, inputs[0])),
            Concat => Join(node, inputs),
            Flatten => Flat(node, inputs[0]),
            Unflatten unflatten => Spatial(unflatten, inputs[0]),
            Activation or LeakyRelu or Dropout or Quantize => inputs[0],
            _ => throw new LatheException($"node '{node.Name}' has an operation, {node.GetType().Name}, that has no shape rule"),
        };
    }

    private static void CheckArity(Node node, int count)
    {
        var several = node is Add or Concat;
        if (several && count < 2)
            throw new LatheException($"node '{node.Name}' joins tensors and needs at least 2 inputs, but has {count}");
        var expected = node is Mul ? 2 : 1;
        if (!several && count != expected)
            throw new LatheException($"node '{node.Name}' takes {expected} input{(expected > 1 ? "s" : "")}, but has {count}");
    }

    private static void CheckSize(TensorShape shape, string what)
    {
        if (shape.Channels < 1 || shape.Height < 1 || shape.Width < 1)
            throw new LatheException($"{what} has shape {shape}; every extent must be at least 1");
        if (shape.IsFlat && (shape.Height != 1 || shape.Width != 1))
            throw new LatheException($"{what} is flat, so its height and width must be 1");
        if ((Int128)shape.Channels * shape.Height * shape.Width > MaxValues)
            throw new LatheException($"{what} has shape {shape}, more than {MaxValues} values");
    }

    private static TensorShape Spatial(Node node, TensorShape input) => input.IsFlat
        ? throw new LatheException($"node '{node.Name}' needs [C, H, W], but its input '{node.Inputs[0]}' is flat, {input}")
        : input;

    private static void CheckChannels(Node node, int expected, int actual, string what = "channels")
    {
        if (expected != actual)
            throw new LatheException($"node '{node.Name}' expects {expected} {what} but its input '{node.Inputs[0]}' has {actual}");
    }

    private static TensorShape Convolve(Conv2d conv, TensorShape input)
    {
        CheckChannels(conv, conv.InChannels, Spatial(conv, input).Channels);
        return Slide(conv, input, conv.OutChannels, conv.Kernel, conv.Stride, conv.Padding, conv.Dilation);
    }

    private static TensorShape Pool(Node node, TensorShape input, Extent kernel, Extent stride, Border padding) =>
        Slide(node, Spatial(node, input), input.Channels, kernel, stride, padding, 1);

    private static TensorShape Slide(Node node, TensorShape input, int channels, Extent kernel, Extent stride, Border padding, Extent dilation)
    {
        var height = Steps(input.Height, kernel.Height, stride.Height, (long)padding.Top + padding.Bottom, dilation.Height);
        var width = Steps(input.Width, kernel.Width, stride.Width, (long)padding.Left + padding.Right, dilation.Width);
        if (height < 1 || width < 1)
            throw new LatheException($"the window of node '{node.Name}' (kernel {kernel}, dilation {dilation}, padding {padding}) "
                + $"is larger than its input '{node.Inputs[0]}', {input}");
        return height > MaxValues || width > MaxValues
            ? throw new LatheException($"The tensor of node '{node.Name}' has more than {MaxValues} values")
            : new TensorShape(channels, (int)height, (int)width);

        static long Steps(int extent, int window, int step, long border, int spread)
        {
            var room = extent + border - ((long)spread * (window - 1)) - 1;
            return room < 0 ? 0 : (room / step) + 1;
        }
    }

    private static TensorShape Multiply(Linear linear, TensorShape input)
    {
        if (!input.IsFlat)
            throw new LatheException($"node '{linear.Name}' needs a flat input, but '{linear.Inputs[0]}' is {input}; put a flatten between");
        CheckChannels(linear, linear.InFeatures, input.Channels, "features");
        return new TensorShape(linear.OutFeatures, IsFlat: true);
    }

    private static TensorShape Normalize(Node node, int channels, TensorShape input)
    {
        CheckChannels(node, channels, input.Channels);
        return input;
    }

    private static TensorShape Same(Node node, IReadOnlyList<TensorShape> inputs)
    {
        for (var i = 1; i < inputs.Count; i++)
        {
            if (inputs[i] != inputs[0])
                throw new LatheException($"node '{node.Name}' adds tensors of one shape, but its input '{node.Inputs[0]}' is {inputs[0]} "
                    + $"and '{node.Inputs[i]}' is {inputs[i]}");
        }

        return inputs[0];
    }

    private static TensorShape Scale(Node node, TensorShape left, TensorShape right)
    {
        if (left == right || right == ScaleOf(left)) return left;
        if (left == ScaleOf(right)) return right;
        throw new LatheException($"node '{node.Name}' multiplies tensors of one shape, or [C, H, W] by [C, 1, 1], but its input "
            + $"'{node.Inputs[0]}' is {left} and '{node.Inputs[1]}' is {right}");

        static TensorShape ScaleOf(TensorShape shape) => shape with { Height = 1, Width = 1 };
    }

    private static TensorShape Widen(Pad pad, TensorShape input)
    {
        var channels = (long)input.Channels + pad.Before + pad.After;
        var (height, width) = ((long)input.Height + pad.Border.Top + pad.Border.Bottom, (long)input.Width + pad.Border.Left + pad.Border.Right);
        return channels > MaxValues || height > MaxValues || width > MaxValues
            ? throw new LatheException($"The tensor of node '{pad.Name}' has more than {MaxValues} values")
            : new TensorShape((int)channels, (int)height, (int)width);
    }

    private static TensorShape Join(Node node, IReadOnlyList<TensorShape> inputs)
    {
        long channels = inputs[0].Channels;
        for (var i = 1; i < inputs.Count; i++)
        {
            if (inputs[i] with { Channels = inputs[0].Channels } != inputs[0])
                throw new LatheException($"node '{node.Name}' joins tensors of one height and width, but its input '{node.Inputs[0]}' is "
                    + $"{inputs[0]} and '{node.Inputs[i]}' is {inputs[i]}");
            channels += inputs[i].Channels;
        }

        return channels > MaxValues
            ? throw new LatheException($"The tensor of node '{node.Name}' has more than {MaxValues} values")
            : inputs[0] with { Channels = (int)channels };
    }

    private static TensorShape Spatial(Unflatten node, TensorShape input)
    {
        if (!input.IsFlat) throw new LatheException($"node '{node.Name}' needs a flat input, but '{node.Inputs[0]}' is {input}");
        var pixels = (long)node.Height * node.Width;
        return input.Channels % pixels == 0
            ? new TensorShape((int)(input.Channels / pixels), node.Height, node.Width)
            : throw new LatheException($"node '{node.Name}' makes images of {node.Height} x {node.Width}, but '{node.Inputs[0]}' has {input.Channels} features");
    }

    private static TensorShape Flat(Node node, TensorShape input) =>
        new(Spatial(node, input).Channels * input.Height * input.Width, IsFlat: true);
}
