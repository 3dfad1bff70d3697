using Lathe.Contracts;
using Lathe.Graph.Onnx.Format;

namespace Lathe.Graph.Onnx;

/// <content>Poolings, and operators that are equivalent to one.</content>
internal sealed partial class GraphImport
{
    private FeatureValue MaxPool(NodeProto node)
    {
        var x = Image(Plain(node, 0));
        var attributes = new OnnxAttributes(node);
        var (kernel, stride, padding, beyond) = Window(attributes, x, default);
        return Append(new MaxPool2d(NewName(node), [x.Tensor], kernel, stride, padding + beyond), x);
    }

    private FeatureValue AveragePool(NodeProto node)
    {
        var attributes = new OnnxAttributes(node);
        var (x, border) = Bordered(node);
        // What adaptive pooling to sides that divide the input's becomes.
        if (attributes.Integers("kernel_shape") is [> 0 and var high, > 0 and var wide] && high != wide && border.IsNone
            && attributes.Integers("strides") is [var down, var right] && (down, right) == (high, wide)
            && (attributes.Integers("pads") ?? []).All(p => p == 0) && x.Shape.Height % high == 0 && x.Shape.Width % wide == 0)
            return Append(new AdaptiveAvgPool2d(NewName(node), [x.Tensor], (int)(x.Shape.Height / high), (int)(x.Shape.Width / wide)), x);

        var (kernel, stride, padding, beyond) = Window(attributes, x, border);
        // The border that another node made is zeros that count always; the pooling's own as it says; what a last window reaches over never.
        var counted = attributes.Integer("count_include_pad", 0) != 0 ? border + padding : border;
        var uncounted = attributes.Integer("count_include_pad", 0) != 0 ? beyond : padding + beyond;
        return Append(new AvgPool2d(NewName(node), [x.Tensor], kernel, stride, counted, uncounted), x);
    }

    /// <summary>Kernel, stride and padding of a pooling, and what its last windows reach beyond that where their number is rounded up.</summary>
    private static (Extent Kernel, Extent Stride, Border Padding, Border Beyond) Window(OnnxAttributes attributes, FeatureValue x, Border border)
    {
        if (attributes.Integers("kernel_shape") is not { Count: > 0 }) throw new LatheException("it has no kernel_shape");
        var (kernel, stride) = (attributes.Extent("kernel_shape", 1, x.Dropped), attributes.Extent("strides", 1, x.Dropped));
        if (!attributes.Extent("dilations", 1, x.Dropped).IsOne) throw new LatheException("it is dilated; expected dilations of 1");
        attributes.Require("storage_order", 0, 0, "expected 0");
        var image = Around(x.Shape, border);
        var padding = attributes.Padding(kernel, stride, image, x.Dropped);
        if (attributes.Integer("ceil_mode", 0) == 0) return (kernel, stride, padding, default);
        return (kernel, stride, padding, new Border(
            0, 0,
            Beyond(image.Height, padding.Top, padding.Bottom, kernel.Height, stride.Height),
            Beyond(image.Width, padding.Left, padding.Right, kernel.Width, stride.Width)));

        static int Beyond(int extent, int before, int behind, int kernel, int stride)
        {
            var room = (long)extent + before + behind - kernel;
            if (room < 0) return 0;
            var steps = (room + stride - 1) / stride;
            // A last window that would begin behind the image is left out.
            if (steps * stride >= (long)extent + before) steps--;
            return (int)Math.Max(0, (steps * stride) - room);
        }
    }

    private FeatureValue GlobalAveragePool(NodeProto node)
    {
        var x = Image(Plain(node, 0));
        return Append(new GlobalAvgPool(NewName(node), [x.Tensor]), x);
    }

    private FeatureValue ReduceMean(NodeProto node)
    {
        var x = Feature(node, 0);
        var rank = x.Axes.Length;
        var axes = Axes(node, 1, since: 18).Select(a => a < 0 ? a + rank : a).Order().ToList();
        if (x.Shape.IsFlat || x.Dropped == Dropped.Channel || !axes.SequenceEqual(x.PixelAxes))
            throw new LatheException($"it takes the mean over axes [{OnnxAttributes.List(axes)}] of {x.Shape}; expected height and width");
        var pooled = Append(new GlobalAvgPool(NewName(node), [x.Tensor]), x);
        if (new OnnxAttributes(node).Integer("keepdims", 1) != 0) return pooled;
        return Flat(pooled, $"{pooled.Tensor}.flatten");
    }

    /// <summary>A constant matrix times an image's rows: half of an adaptive average pooling.</summary>
    private PartialValue PoolRows(NodeProto node)
    {
        var x = Plain(node, 1);
        var tensor = Constant(node, 0);
        if (x.Shape.IsFlat || OnnxConstants.Shape(tensor) is not [> 0 and var made, > 0 and var read] || read != x.Shape.Height
            || !AreWindows(_constants.Floats(tensor), read, made, AdaptiveWindows.Matrix))
            throw new LatheException("it multiplies by a constant from the left; expected the windows of an adaptive average pooling");
        return new PartialValue(Part.PooledRows, x, OnnxText.Describe(node), made, OnnxText.NodeName(node, null));
    }

    private FeatureValue PoolColumns(NodeProto node, PartialValue rows)
    {
        var tensor = Constant(node, 1);
        if (OnnxConstants.Shape(tensor) is not [> 0 and var read, > 0 and var made] || read != rows.Of.Shape.Width
            || !AreWindows(_constants.Floats(tensor), read, made, AdaptiveWindows.Transposed))
            throw Unfinished(rows);
        return Append(new AdaptiveAvgPool2d(NewName(node), [rows.Of.Tensor], rows.Amount, made));
    }

    /// <summary>The windows are made only after the file has been seen to hold as many values.</summary>
    private static bool AreWindows(float[] values, int inputs, int outputs, Func<int, int, float[]> windows) =>
        values.Zip(windows(inputs, outputs)).All(pair => Math.Abs(pair.First - pair.Second) < 1e-6f);

    /// <summary>Every s-th pixel, which is pooling with a kernel of 1; or a part of the batch or channels that is all of it.</summary>
    private OnnxValue Slice(NodeProto node)
    {
        if (Input(node, 0) is IntegerValue or ConstantValue) return SliceIntegers(node);
        var x = Plain(node, 0);
        var (starts, ends) = (Numbers(node, 1), Numbers(node, 2));
        var axes = Input(node, 3) is null ? [.. Enumerable.Range(0, starts.Count).Select(i => (long)i)] : Numbers(node, 3);
        var steps = Input(node, 4) is null ? [.. starts.Select(_ => 1L)] : Numbers(node, 4);
        if (ends.Count != starts.Count || axes.Count != starts.Count || steps.Count != starts.Count)
            throw new LatheException("its starts, ends, axes and steps are not of one length");
        var rank = x.Axes.Length;
        var stride = new long[rank];
        Array.Fill(stride, 1);
        for (var i = 0; i < starts.Count; i++)
        {
            var axis = axes[i] < 0 ? axes[i] + rank : axes[i];
            var isWhole = axis >= 0 && axis < rank && starts[i] == 0 && steps[i] is > 0 and <= ShapeInference.MaxValues
                && (x.Axes[axis] is { } extent ? ends[i] >= extent : ends[i] >= int.MaxValue);
            if (!isWhole || (steps[i] > 1 && (x.Dropped == Dropped.Channel || !x.PixelAxes.Contains(axis) || x.Shape.IsFlat)))
                throw new LatheException($"it takes [{starts[i]}:{ends[i]}:{steps[i]}] of axis {axes[i]} of {x.Shape}; expected all, or every s-th row and column");
            stride[axis] = steps[i];
        }

        if (Array.TrueForAll(stride, step => step == 1)) return x;
        var taken = x.Dropped == Dropped.Height ? new Extent(1, (int)stride[2]) : new Extent((int)stride[2], (int)stride[3]);
        // Every s-th column of every s-th row, taken one after the other, is one node.
        if (_places.TryGetValue(x.Tensor, out var place) && _nodes[place] is AvgPool2d { IsSubsampling: true } before && (before.Stride.Width == 1 || before.Stride.Height == 1)
            && (long)before.Stride.Height * taken.Height <= ShapeInference.MaxValues && (long)before.Stride.Width * taken.Width <= ShapeInference.MaxValues)
        {
            var joined = new Extent(before.Stride.Height * taken.Height, before.Stride.Width * taken.Width);
            return Append(new AvgPool2d(NewName(node), before.Inputs, 1, joined), x);
        }

        return Append(new AvgPool2d(NewName(node), [x.Tensor], 1, taken), x);
    }

    /// <summary>Zero channels, or a border that the next node takes as its padding.</summary>
    private OnnxValue Pad(NodeProto node)
    {
        var x = InOrder(node, 0, mayBeLast: true);
        var attributes = new OnnxAttributes(node);
        if (attributes.Text("mode", "constant") is var mode && mode != "constant") throw new LatheException($"mode is '{OnnxText.Short(mode)}'; expected constant");
        if (Input(node, 2) is not null && Number(node, 2) != 0) throw new LatheException("it pads with another value than 0");
        if (Input(node, 3) is not null) throw new LatheException("it names axes; expected pads for all of them");
        var pads = Numbers(node, 1);
        var rank = x.Axes.Length;
        if (x.Shape.IsFlat || x.Dropped == Dropped.Channel || pads.Count != 2 * rank || pads.Any(p => p is < 0 or > ShapeInference.MaxValues) || pads[0] + pads[rank] != 0)
            throw new LatheException($"its pads are [{OnnxAttributes.List(pads)}]; expected {rank} for the beginnings and {rank} for the ends, from 0 up, and none for the batch");
        var (before, after) = ((int)pads[x.ChannelAxis], (int)pads[x.ChannelAxis + rank]);
        var pixels = x.PixelAxes;
        var (y, column) = (pixels.Length > 1 ? pixels[0] : -1, pixels[^1]);
        var border = new Border(y < 0 ? 0 : (int)pads[(int)y], (int)pads[(int)column], y < 0 ? 0 : (int)pads[(int)y + rank], (int)pads[(int)column + rank]);
        if (border.IsNone) return before + (long)after == 0 ? x : Append(new Pad(NewName(node), [x.Tensor], before, after), x);
        if (before != 0 || after != 0) return Append(new Pad(NewName(node), [x.Tensor], before, after, border), x);
        return new PartialValue(Part.Bordered, x, OnnxText.Describe(node), Name: OnnxText.NodeName(node, null), Border: border);
    }

    /// <summary>A border that no node takes as its padding; later readers read the same node.</summary>
    private FeatureValue Border(string output, PartialValue partial)
    {
        var made = Append(new Pad(NewName(partial.Name), [partial.Of.Tensor], 0, 0, partial.Border), partial.Of);
        _values[output] = made;
        return made;
    }

    /// <summary>The first input of a convolution or average pooling, and the border of zeros put around it before.</summary>
    private (FeatureValue Value, Border Border) Bordered(NodeProto node)
    {
        var (x, border) = Input(node, 0) is PartialValue { Part: Part.Bordered, Of.ChannelsLast: false } bordered ? (bordered.Of, bordered.Border) : (Plain(node, 0), default);
        return (Image(x), border);
    }

    /// <summary>The same, which has channels and pixels.</summary>
    private static FeatureValue Image(FeatureValue x) =>
        x.Shape.IsFlat || x.Dropped == Dropped.Channel ? throw new LatheException($"it reads [{OnnxAttributes.List(x.Axes.Skip(1).Select(e => e ?? 0))}]; expected [C, H, W]") : x;
}
