using Lathe.Contracts;
using Lathe.Graph.Onnx.Format;

namespace Lathe.Graph.Onnx;

/// <content>Poolings, and operators that are equivalent to one.</content>
internal sealed partial class GraphImport
{
    private FeatureValue MaxPool(NodeProto node)
    {
        var x = Plain(node, 0);
        var (kernel, stride, padding) = Window(new OnnxAttributes(node), x, 0);
        return Append(new MaxPool2d(NewName(node), [x.Tensor], kernel, stride, padding));
    }

    private FeatureValue AveragePool(NodeProto node)
    {
        var attributes = new OnnxAttributes(node);
        var (x, border) = Bordered(node);
        // What adaptive pooling to sides that divide the input's becomes.
        if (attributes.Integers("kernel_shape") is [> 0 and var high, > 0 and var wide] && high != wide && border == 0
            && attributes.Integers("strides") is [var down, var right] && (down, right) == (high, wide)
            && (attributes.Integers("pads") ?? []).All(p => p == 0) && x.Shape.Height % high == 0 && x.Shape.Width % wide == 0)
            return Append(new AdaptiveAvgPool2d(NewName(node), [x.Tensor], (int)(x.Shape.Height / high), (int)(x.Shape.Width / wide)));

        var (kernel, stride, padding) = Window(attributes, x, border);
        if (padding > border && attributes.Integer("count_include_pad", 0) == 0)
            throw new LatheException("its border does not count (count_include_pad is 0); expected a border of zeros that count, or none");
        return Append(new AvgPool2d(NewName(node), [x.Tensor], kernel, stride, padding));
    }

    /// <summary>Kernel, stride and padding of a pooling.</summary>
    private static (int Kernel, int Stride, int Padding) Window(OnnxAttributes attributes, FeatureValue x, int border)
    {
        var kernel = attributes.Square("kernel_shape", 0);
        var stride = attributes.Square("strides", 1);
        if (kernel < 1 || stride < 1) throw new LatheException($"its kernel is {kernel} and its stride {stride}; expected at least 1");
        if (attributes.Square("dilations", 1) != 1) throw new LatheException("it is dilated; expected dilations of 1");
        attributes.Require("storage_order", 0, 0, "expected 0");
        var padding = Whole(attributes.Padding((kernel, stride, x.Shape.Height + (2 * border), x.Shape.Width + (2 * border))) + (long)border, "pads");
        var isWhole = Rest(x.Shape.Height) == 0 && Rest(x.Shape.Width) == 0;
        if (attributes.Integer("ceil_mode", 0) != 0 && !isWhole)
            throw new LatheException($"ceil_mode is 1, which makes a last window that reaches out of {x.Shape}; expected 0");
        return (kernel, stride, padding);

        long Rest(int extent) => (extent + (2L * padding) - kernel) % stride;
    }

    private FeatureValue GlobalAveragePool(NodeProto node)
    {
        var x = Plain(node, 0);
        return Append(new GlobalAvgPool(NewName(node), [x.Tensor]));
    }

    private FeatureValue ReduceMean(NodeProto node)
    {
        var x = Feature(node, 0);
        var axes = Axes(node, 1, since: 18).Select(a => a < 0 ? a + 4 : a).Order().ToList();
        if (x.Shape.IsFlat || !axes.SequenceEqual(x.ChannelsLast ? [1L, 2] : [2L, 3]))
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
        return new PartialValue(Part.PooledRows, x, OnnxText.Describe(node), made);
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
        var partial = Input(node, 0) as PartialValue;
        var x = partial is { Part: Part.EveryRow } ? partial.Of : Plain(node, 0);
        var (starts, ends) = (Numbers(node, 1), Numbers(node, 2));
        var axes = Input(node, 3) is null ? [.. Enumerable.Range(0, starts.Count).Select(i => (long)i)] : Numbers(node, 3);
        var steps = Input(node, 4) is null ? [.. starts.Select(_ => 1L)] : Numbers(node, 4);
        if (ends.Count != starts.Count || axes.Count != starts.Count || steps.Count != starts.Count)
            throw new LatheException("its starts, ends, axes and steps are not of one length");
        var rank = x.Axes.Length;
        var stride = new long[] { 1, 1, 1, 1 };
        for (var i = 0; i < starts.Count; i++)
        {
            var axis = axes[i] < 0 ? axes[i] + rank : axes[i];
            var isWhole = axis >= 0 && axis < rank && starts[i] == 0 && steps[i] is > 0 and <= int.MaxValue
                && (x.Axes[axis] is { } extent ? ends[i] >= extent : ends[i] >= int.MaxValue);
            if (!isWhole || (steps[i] > 1 && (axis < 2 || x.Shape.IsFlat)))
                throw new LatheException($"it takes [{starts[i]}:{ends[i]}:{steps[i]}] of axis {axes[i]} of {x.Shape}; expected all, or every s-th row and column");
            stride[axis] = steps[i];
        }

        if (partial is not null) stride[2] *= partial.Amount;
        if (stride[2] == stride[3])
            return stride[2] == 1 ? x : Append(new AvgPool2d(NewName(node), [x.Tensor], 1, Whole(stride[2], "steps")));
        if (stride[3] != 1) throw new LatheException($"it takes every {stride[2]}. row and every {stride[3]}. column; expected one number for both");
        return new PartialValue(Part.EveryRow, x, OnnxText.Describe(node), Whole(stride[2], "steps"));
    }

    /// <summary>Zero channels, or a border that the next node takes as its padding.</summary>
    private OnnxValue Pad(NodeProto node)
    {
        var x = Plain(node, 0);
        var attributes = new OnnxAttributes(node);
        if (attributes.Text("mode", "constant") is var mode && mode != "constant") throw new LatheException($"mode is '{OnnxText.Short(mode)}'; expected constant");
        if (Input(node, 2) is not null && Number(node, 2) != 0) throw new LatheException("it pads with another value than 0");
        if (Input(node, 3) is not null) throw new LatheException("it names axes; expected pads for all of them");
        var pads = Numbers(node, 1);
        if (x.Shape.IsFlat || pads.Count != 8 || pads.Any(p => p is < 0 or > int.MaxValue) || pads[0] + pads[4] != 0)
            throw new LatheException($"its pads are [{OnnxAttributes.List(pads)}]; expected 4 for the beginnings and 4 for the ends, from 0 up, and none for the batch");
        var (before, after) = ((int)pads[1], (int)pads[5]);
        long[] border = [pads[2], pads[3], pads[6], pads[7]];
        if (Array.TrueForAll(border, p => p == 0))
            return before + (long)after == 0 ? x : Append(new Pad(NewName(node), [x.Tensor], before, after));
        if (before != 0 || after != 0 || border.Distinct().Skip(1).Any())
            throw new LatheException($"its pads are [{OnnxAttributes.List(pads)}]; expected channels alone, or as many pixels on all four sides");
        return new PartialValue(Part.Bordered, x, OnnxText.Describe(node), (int)border[0]);
    }

    /// <summary>The first input of a convolution or average pooling, and the border of zeros put around it before.</summary>
    private (FeatureValue Value, int Border) Bordered(NodeProto node)
    {
        var (x, border) = Input(node, 0) is PartialValue { Part: Part.Bordered } bordered ? (bordered.Of, bordered.Amount) : (Plain(node, 0), 0);
        return x.Shape.IsFlat ? throw new LatheException($"it reads {x.Shape}; expected [C, H, W]") : (x, border);
    }
}
