using Lathe.Contracts;
using Lathe.Graph.Onnx.Format;

namespace Lathe.Graph.Onnx;

/// <content>What changes shapes alone, and the table of operators.</content>
internal sealed partial class GraphImport
{
    private Dictionary<string, Func<NodeProto, OnnxValue>> Operations() => new()
    {
        ["Conv"] = Conv,
        ["Gemm"] = Gemm,
        ["MatMul"] = MatMul,
        ["BatchNormalization"] = BatchNormalization,
        ["Relu"] = node => Activate(node, ActivationKind.Relu),
        ["Sigmoid"] = node => Activate(node, ActivationKind.Sigmoid),
        ["HardSwish"] = node => Activate(node, ActivationKind.HardSwish),
        ["Swish"] = Swish,
        ["Clip"] = Clip,
        ["HardSigmoid"] = HardSigmoid,
        ["Add"] = Add,
        ["Sum"] = Add,
        ["Mul"] = Mul,
        ["Div"] = Div,
        ["Sub"] = Sub,
        ["MaxPool"] = MaxPool,
        ["AveragePool"] = AveragePool,
        ["GlobalAveragePool"] = GlobalAveragePool,
        ["ReduceMean"] = ReduceMean,
        ["Concat"] = Concat,
        ["Flatten"] = Flatten,
        ["Reshape"] = Reshape,
        ["Squeeze"] = Squeeze,
        ["Unsqueeze"] = Unsqueeze,
        ["Transpose"] = Transpose,
        ["Pad"] = Pad,
        ["Slice"] = Slice,
        ["Dropout"] = Dropout,
        ["Identity"] = node => Input(node, 0) ?? throw new LatheException("it reads nothing"),
        ["Constant"] = ConstantNode,
        ["Softmax"] = Softmax,
        ["LogSoftmax"] = Softmax,
        ["Shape"] = ShapeOf,
        ["Gather"] = Gather,
        ["Cast"] = Cast,
        ["ConstantOfShape"] = ConstantOfShape,
    };

    private OnnxValue Concat(NodeProto node)
    {
        if (Input(node, 0) is IntegerValue or ConstantValue) return ConcatIntegers(node);
        var parts = Several(node);
        var rank = parts[0].Axes.Length;
        var axis = new OnnxAttributes(node).Integer("axis", 0);
        if ((axis < 0 ? axis + rank : axis) != (parts[0].ChannelsLast ? 3 : 1) || parts[0].Unrolled is not null)
            throw new LatheException($"it joins along axis {axis} of {parts[0].Shape}; expected the channels");
        return parts.Count == 1 ? parts[0] : Append(new Concat(NewName(node), [.. parts.Select(p => p.Tensor)]), parts[0]);
    }

    private FeatureValue Flatten(NodeProto node)
    {
        var x = Feature(node, 0);
        var axis = new OnnxAttributes(node).Integer("axis", 1);
        return (axis < 0 ? axis + x.Axes.Length : axis) == 1
            ? Flat(x, OnnxText.NodeName(node, null))
            : throw new LatheException($"its axis is {axis}; expected 1");
    }

    /// <summary>Flattening in other words, or no change at all.</summary>
    private OnnxValue Reshape(NodeProto node)
    {
        if (Input(node, 0) is IntegerValue or ConstantValue) return ReshapeIntegers(node);
        var x = Feature(node, 0);
        var wanted = Integer(node, 1).Numbers;
        var isZeroKept = new OnnxAttributes(node).Integer("allowzero", 0) == 0;
        var target = wanted.Select((w, i) => w == 0 && isZeroKept && i < x.Axes.Length ? x.Axes[i] : w).ToArray();
        var features = (long)x.Shape.Channels * x.Shape.Height * x.Shape.Width;
        if (target is [var first, var second] && IsBatch(first) && (second == features || (second == -1 && first != -1)))
            return Flat(x, OnnxText.NodeName(node, null));
        var isSame = target.Length == x.Axes.Length && IsBatch(target[0]) && target.Count(t => t == -1) <= 1
            && target.Skip(1).Zip(x.Axes.Skip(1)).All(pair => pair.First == pair.Second || pair.First == -1);
        return isSame ? x : throw new LatheException(
            $"it reshapes {x.Shape} to [{string.Join(", ", wanted.Take(8).Select(w => w is null ? "N" : $"{w}"))}]; expected [N, {features}]");

        // Every image by itself: free, or where the export fixed it, their number.
        bool IsBatch(long? extent) => extent is null or -1 || extent == _batch;
    }

    private OnnxValue Squeeze(NodeProto node)
    {
        if (Input(node, 0) is IntegerValue numbers) return numbers with { Shape = [.. numbers.Shape.Where(e => e != 1)] };
        var x = Feature(node, 0);
        var axes = Axes(node, 1, since: 13).Select(a => a < 0 ? a + 4 : a).Order().ToList();
        return x.Shape is { IsFlat: false, Height: 1, Width: 1 } && axes.SequenceEqual(x.ChannelsLast ? [1L, 2] : [2L, 3])
            ? Flat(x, OnnxText.NodeName(node, null))
            : throw new LatheException($"it squeezes axes [{OnnxAttributes.List(axes)}] of {x.Shape}; expected height and width of [C, 1, 1]");
    }

    private IntegerValue Unsqueeze(NodeProto node) => Input(node, 0) is IntegerValue or ConstantValue
        && Integer(node, 0) is { Shape.Length: 0 } number && Axes(node, 1, since: 13) is [0 or -1]
        ? number with { Shape = [1] }
        : throw new LatheException("it adds dimensions; expected that for a number that a shape is made of");

    private OnnxValue Transpose(NodeProto node)
    {
        if (Input(node, 0) is IntegerValue numbers) return TransposeIntegers(numbers);
        if (Input(node, 0) is ConstantValue) throw new LatheException("it transposes a constant; export with constants folded");
        var order = new OnnxAttributes(node).Integers("perm") ?? [];
        var x = Feature(node, 0);
        return (x.Shape.IsFlat, x.ChannelsLast, order) switch
        {
            (false, true, [0, 3, 1, 2]) => x with { ChannelsLast = false },
            (false, false, [0, 2, 3, 1]) => x with { ChannelsLast = true },
            _ => throw new LatheException(
                $"it brings the axes of {x.Shape} into the order [{OnnxAttributes.List(order)}]; expected [N, H, W, C] to [N, C, H, W], or back"),
        };
    }

    private static OnnxValue ConstantNode(NodeProto node)
    {
        var attributes = new OnnxAttributes(node);
        if (attributes.Find("value")?.T is { } tensor) return new ConstantValue(tensor);
        if (attributes.Find("value_int") is { } number) return new IntegerValue([number.I], []);
        if (attributes.Find("value_ints") is { Ints.Count: <= MostIntegers } numbers) return new IntegerValue([.. numbers.Ints.Select(i => (long?)i)], [numbers.Ints.Count]);
        if (attributes.Find("value_float") is { } single) return new ConstantValue(OnnxMessages.Tensor(node.Output[0], [single.F]));
        if (attributes.Find("value_floats") is { } floats) return new ConstantValue(OnnxMessages.Tensor(node.Output[0], [.. floats.Floats], floats.Floats.Count));
        throw new LatheException("it holds no tensor or number");
    }

    /// <summary>Axes that an attribute lists, or since some version an input.</summary>
    private List<long> Axes(NodeProto node, int index, int since)
    {
        if (_version < since) return [.. new OnnxAttributes(node).Integers("axes") ?? []];
        return Input(node, index) is null ? [] : Numbers(node, index);
    }
}
