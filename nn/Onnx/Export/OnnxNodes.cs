using System.Runtime.InteropServices;
using Lathe.Contracts;
using Lathe.Graph;
using Lathe.Graph.Onnx.Format;
using static TorchSharp.torch;
using Messages = Lathe.Graph.Onnx.OnnxMessages;

namespace Lathe.NN.Onnx;

/// <summary>The ONNX form of each operation of a network.</summary>
internal static class OnnxNodes
{
    /// <summary>Appends the ONNX nodes of one node, in evaluation.</summary>
    /// <exception cref="LatheException">A tensor is missing or of another shape.</exception>
    public static void Write(OnnxGraphWriter to, Node node, IReadOnlyDictionary<string, Tensor> tensors)
    {
        var inputs = node.Inputs.Select(to.Value).ToList();
        switch (node)
        {
            case Conv2d or Linear:
                WriteLayer(to, node, [inputs[0], .. Parameters(to, node, tensors)]);
                break;
            case BatchNorm norm:
                // PyTorch's momentum is the share of the new value, ONNX's of the old one.
                to.Make(
                    node, "BatchNormalization", [inputs[0], .. Parameters(to, node, tensors)],
                    Messages.Attribute("epsilon", (float)norm.Epsilon), Messages.Attribute("momentum", (float)(1 - norm.Momentum)));
                break;
            case GroupNorm norm:
                Normalize(to, norm, inputs[0], tensors);
                break;
            case LeakyRelu leaky:
                to.Make(node, "LeakyRelu", inputs, Messages.Attribute("alpha", (float)leaky.Slope));
                break;
            case PRelu:
                // Slopes are aligned with the channels, which come before height and width.
                to.Make(node, "PRelu", [inputs[0], Parameters(to, node, tensors, to.Shapes[node.Name].IsFlat ? [] : [1, 1])[0]]);
                break;
            case Activation activation:
                Activate(to, activation, inputs[0]);
                break;
            case MaxPool2d pool:
                to.Make(node, "MaxPool", inputs, Kernel(pool.Kernel), Strides(pool.Stride), Pads(pool.Padding));
                break;
            case AvgPool2d pool:
                Pool(to, pool, inputs[0]);
                break;
            case GlobalAvgPool:
                to.Make(node, "GlobalAveragePool", inputs);
                break;
            case AdaptiveAvgPool2d pool:
                Pool(to, pool, to.Shapes[pool.Inputs[0]], inputs[0]);
                break;
            case Add:
                to.Make(node, inputs.Count == 2 ? "Add" : "Sum", inputs);
                break;
            case Mul:
                to.Make(node, "Mul", inputs);
                break;
            case Pad pad:
                var border = pad.Border;
                var pads = to.Constant(Messages.Tensor(
                    to.NewName($"{node.Name}.pads"), [0L, pad.Before, border.Top, border.Left, 0, pad.After, border.Bottom, border.Right], 8));
                to.Make(node, "Pad", [inputs[0], pads]);
                break;
            case Concat:
                to.Make(node, "Concat", inputs, Messages.Attribute("axis", 1));
                break;
            case Flatten:
                to.Make(node, "Flatten", inputs, Messages.Attribute("axis", 1));
                break;
            case Unflatten unflatten:
                var shape = to.Constant(Messages.Tensor(
                    to.NewName($"{node.Name}.shape"), [-1L, to.Shapes[node.Name].Channels, unflatten.Height, unflatten.Width], 4));
                to.Make(node, "Reshape", [inputs[0], shape]);
                break;
            case Dropout:
                to.Alias(node);
                break;
            case Quantize quantize:
                Round(to, quantize, inputs[0]);
                break;
            default:
                throw new LatheException($"node '{node.Name}' has an operation, {node.GetType().Name}, that has no form in ONNX");
        }
    }

    /// <summary>Appends a convolution or linear layer.</summary>
    /// <param name="to">Where to.</param>
    /// <param name="node">The layer.</param>
    /// <param name="inputs">What it reads, its weight, and its bias if it has one.</param>
    /// <param name="added">A constant that a separate node adds to the layer's output; null: none.</param>
    public static void WriteLayer(OnnxGraphWriter to, Node node, IReadOnlyList<string> inputs, string? added = null)
    {
        var (operation, attributes) = node is Conv2d conv
            ? ("Conv", (IReadOnlyList<AttributeProto>)
                [
                    Kernel(conv.Kernel), Strides(conv.Stride), Pads(conv.Padding),
                    Messages.Attribute("dilations", conv.Dilation.Height, conv.Dilation.Width), Messages.Attribute("group", conv.Groups),
                ])
            : ("Gemm", [Messages.Attribute("transB", 1)]);
        if (added is null) to.Make(node, operation, inputs, attributes);
        else to.Make(node, "Add", [to.Append(operation, $"{node.Name}.sums", inputs, attributes), added]);
    }

    /// <summary>Rounds in floats. QuantizeLinear would have runtimes round the weights of layers beside it too.</summary>
    private static void Round(OnnxGraphWriter to, Quantize node, string input)
    {
        var step = MathF.ScaleB(1, -node.Fraction);
        var perStep = to.Constant(Messages.Tensor(to.NewName($"{node.Name}.perStep"), [1 / step]));
        var least = to.Constant(Messages.Tensor(to.NewName($"{node.Name}.min"), [(float)node.Least]));
        var most = to.Constant(Messages.Tensor(to.NewName($"{node.Name}.max"), [(float)node.Greatest]));
        var scale = to.Constant(Messages.Tensor(to.NewName($"{node.Name}.scale"), [step]));
        var whole = to.Append("Round", $"{node.Name}.whole", [to.Append("Mul", $"{node.Name}.steps", [input, perStep])]);
        to.Make(node, "Mul", [to.Append("Clip", $"{node.Name}.limited", [whole, least, most]), scale]);
    }

    /// <summary>Each group as the one channel of an instance normalization: operator set 18 has no group normalization with a gain for each channel.</summary>
    private static void Normalize(OnnxGraphWriter to, GroupNorm norm, string input, IReadOnlyDictionary<string, Tensor> tensors)
    {
        var shape = to.Shapes[norm.Name];
        var grouped = to.Constant(Messages.Tensor(to.NewName($"{norm.Name}.groups"), [0L, norm.Groups, -1], 3));
        var back = to.Constant(shape.IsFlat
            ? Messages.Tensor(to.NewName($"{norm.Name}.shape"), [-1L, shape.Channels], 2)
            : Messages.Tensor(to.NewName($"{norm.Name}.shape"), [-1L, shape.Channels, shape.Height, shape.Width], 4));
        var ones = to.Constant(Messages.Tensor(to.NewName($"{norm.Name}.ones"), [.. Enumerable.Repeat(1f, norm.Groups)], norm.Groups));
        var zeros = to.Constant(Messages.Tensor(to.NewName($"{norm.Name}.zeros"), new float[norm.Groups], norm.Groups));
        var parameters = Parameters(to, norm, tensors, shape.IsFlat ? [] : [1, 1]);
        var split = to.Append("Reshape", $"{norm.Name}.split", [input, grouped]);
        var normalized = to.Append(
            "InstanceNormalization", $"{norm.Name}.normalized", [split, ones, zeros], Messages.Attribute("epsilon", (float)norm.Epsilon));
        var joined = to.Append("Reshape", $"{norm.Name}.joined", [normalized, back]);
        to.Make(norm, "Add", [to.Append("Mul", $"{norm.Name}.scaled", [joined, parameters[0]]), parameters[1]]);
    }

    private static void Activate(OnnxGraphWriter to, Activation activation, string input)
    {
        switch (activation.Kind)
        {
            case ActivationKind.Relu:
                to.Make(activation, "Relu", [input]);
                break;
            case ActivationKind.Relu6:
                var least = to.Constant(Messages.Tensor(to.NewName($"{activation.Name}.min"), [0f]));
                var most = to.Constant(Messages.Tensor(to.NewName($"{activation.Name}.max"), [6f]));
                to.Make(activation, "Clip", [input, least, most]);
                break;
            case ActivationKind.HardSwish:
                to.Make(activation, "HardSwish", [input]);
                break;
            case ActivationKind.Silu:
                to.Make(activation, "Mul", [input, to.Append("Sigmoid", $"{activation.Name}.sigmoid", [input])]);
                break;
            case ActivationKind.Sigmoid:
                to.Make(activation, "Sigmoid", [input]);
                break;
            case ActivationKind.HardSigmoid:
                // PyTorch's own steps: ONNX's operator multiplies with a rounded sixth, and between fixed-point numbers a last bit may be a step.
                var three = to.Constant(Messages.Tensor(to.NewName($"{activation.Name}.three"), [3f]));
                var zero = to.Constant(Messages.Tensor(to.NewName($"{activation.Name}.zero"), [0f]));
                var six = to.Constant(Messages.Tensor(to.NewName($"{activation.Name}.six"), [6f]));
                var sum = to.Append("Add", $"{activation.Name}.sum", [input, three]);
                to.Make(activation, "Div", [to.Append("Clip", $"{activation.Name}.limited", [sum, zero, six]), six]);
                break;
            default:
                throw new LatheException($"node '{activation.Name}' has an activation, {activation.Kind}, that has no form in ONNX");
        }
    }

    private static void Pool(OnnxGraphWriter to, AdaptiveAvgPool2d pool, TensorShape from, string input)
    {
        if (pool is { Height: 1, Width: 1 })
        {
            to.Make(pool, "GlobalAveragePool", [input]);
        }
        else if (AdaptiveWindows.AreEqual(from.Height, pool.Height) && AdaptiveWindows.AreEqual(from.Width, pool.Width))
        {
            ReadOnlySpan<long> window = [from.Height / pool.Height, from.Width / pool.Width];
            to.Make(pool, "AveragePool", [input], Messages.Attribute("kernel_shape", window), Messages.Attribute("strides", window));
        }
        else
        {
            // 1/n is no float: a mean in the middle between two steps is found only by a division of the sum.
            var rows = to.Constant(Messages.Tensor(
                to.NewName($"{pool.Name}.rows"), AdaptiveWindows.Matrix(from.Height, pool.Height, to.IsRounded), pool.Height, from.Height));
            var columns = to.Constant(Messages.Tensor(
                to.NewName($"{pool.Name}.columns"), AdaptiveWindows.Transposed(from.Width, pool.Width, to.IsRounded), from.Width, pool.Width));
            var overRows = to.Append("MatMul", $"{pool.Name}.over_rows", [rows, input]);
            if (!to.IsRounded)
            {
                to.Make(pool, "MatMul", [overRows, columns]);
                return;
            }

            var pixels = to.Constant(Messages.Tensor(
                to.NewName($"{pool.Name}.pixels"),
                [.. AdaptiveWindows.Of(from.Height, pool.Height).SelectMany(y => AdaptiveWindows.Of(from.Width, pool.Width).Select(x => (float)(y.Count * x.Count)))],
                pool.Height, pool.Width));
            to.Make(pool, "Div", [to.Append("MatMul", $"{pool.Name}.sums", [overRows, columns]), pixels]);
        }
    }

    /// <summary>Appends a node's tensors as constants and names them, in the order of ONNX's inputs, which is ours.</summary>
    /// <param name="to">Where to.</param>
    /// <param name="node">The node.</param>
    /// <param name="tensors">The network's.</param>
    /// <param name="more">Extents of 1 behind those of each tensor.</param>
    public static List<string> Parameters(OnnxGraphWriter to, Node node, IReadOnlyDictionary<string, Tensor> tensors, params ReadOnlySpan<long> more)
    {
        var names = new List<string>();
        foreach (var parameter in ParameterShapes.Of(node))
        {
            if (!tensors.TryGetValue(parameter.Name, out var tensor))
                throw new LatheException($"tensor '{parameter.Name}' is missing, which the network needs");
            if (!tensor.shape.AsSpan().SequenceEqual([.. parameter.Shape]))
                throw new LatheException($"tensor '{parameter.Name}' is [{string.Join(", ", tensor.shape)}]; "
                    + $"the network needs [{string.Join(", ", parameter.Shape)}]");
            using var scope = NewDisposeScope();
            var values = MemoryMarshal.Cast<byte, float>(tensor.detach().to(ScalarType.Float32).cpu().contiguous().bytes);
            names.Add(to.Constant(Messages.Tensor(parameter.Name, values, [.. parameter.Shape, .. more])));
        }

        return names;
    }

    /// <summary>A border that counts is the pooling's own padding, unless there is one beyond it that does not.</summary>
    private static void Pool(OnnxGraphWriter to, AvgPool2d pool, string input)
    {
        // Runtimes refuse a padding as wide as the kernel.
        var isOwn = Math.Max(pool.Padding.Top, pool.Padding.Bottom) < pool.Kernel.Height && Math.Max(pool.Padding.Left, pool.Padding.Right) < pool.Kernel.Width;
        if (pool.Beyond.IsNone && isOwn)
        {
            to.Make(pool, "AveragePool", [input], Kernel(pool.Kernel), Strides(pool.Stride), Pads(pool.Padding), Messages.Attribute("count_include_pad", 1));
            return;
        }

        if (!pool.Padding.IsNone)
        {
            var padding = pool.Padding;
            var pads = to.Constant(Messages.Tensor(
                to.NewName($"{pool.Name}.pads"), [0L, 0, padding.Top, padding.Left, 0, 0, padding.Bottom, padding.Right], 8));
            input = to.Append("Pad", $"{pool.Name}.padded", [input, pads]);
        }

        to.Make(pool, "AveragePool", [input], Kernel(pool.Kernel), Strides(pool.Stride), Pads(pool.Beyond), Messages.Attribute("count_include_pad", 0));
    }

    private static AttributeProto Kernel(Extent size) => Messages.Attribute("kernel_shape", size.Height, size.Width);

    private static AttributeProto Strides(Extent stride) => Messages.Attribute("strides", stride.Height, stride.Width);

    private static AttributeProto Pads(Border padding) => Messages.Attribute("pads", padding.Top, padding.Left, padding.Bottom, padding.Right);
}
