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
        ["InstanceNormalization"] = InstanceNormalization,
        ["GroupNormalization"] = GroupNormalization,
        ["LeakyRelu"] = LeakyRelu,
        ["PRelu"] = PRelu,
        ["Relu"] = Relu,
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
        ["Expand"] = Expand,
        ["Equal"] = Equal,
        ["Where"] = Where,
        ["Min"] = node => Limited(node, isLeast: false),
        ["Max"] = node => Limited(node, isLeast: true),
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
        if ((axis < 0 ? axis + rank : axis) != parts[0].ChannelAxis || parts[0].Unrolled is not null || parts[0].Dropped == Dropped.Channel)
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

    private OnnxValue Reshape(NodeProto node)
    {
        if (Input(node, 0) is IntegerValue or ConstantValue) return ReshapeIntegers(node);
        if (Input(node, 0) is PartialValue { Part: Part.NormalizedGroups } groups) return GroupNormalized(node, groups);
        var x = Feature(node, 0);
        var wanted = Integer(node, 1).Numbers;
        var isZeroKept = new OnnxAttributes(node).Integer("allowzero", 0) == 0;
        return View(node, x, [.. wanted.Select((w, i) => w == 0 && isZeroKept && i < x.Axes.Length ? x.Axes[i] : w)]);
    }

    private OnnxValue Squeeze(NodeProto node)
    {
        if (Input(node, 0) is IntegerValue numbers) return numbers with { Shape = [.. numbers.Shape.Where(e => e != 1)] };
        var x = Feature(node, 0);
        var rank = x.Axes.Length;
        var axes = Axes(node, 1, since: 13).Select(a => a < 0 ? a + rank : a).Order().ToList();
        if (axes.Count == 0 || axes.Exists(a => a < 1 || a >= rank || x.Axes[a] != 1))
            throw new LatheException($"it squeezes axes [{OnnxAttributes.List(axes)}] of {x.Shape}; expected axes of extent 1, and not the batch");
        return View(node, x, [.. x.Axes.Where((_, i) => !axes.Contains(i))]);
    }

    private OnnxValue Unsqueeze(NodeProto node)
    {
        if (Input(node, 0) is IntegerValue or ConstantValue)
        {
            return Integer(node, 0) is { Shape.Length: 0 } number && Axes(node, 1, since: 13) is [0 or -1]
                ? number with { Shape = [1] }
                : throw new LatheException("it adds dimensions to a constant; expected that for a number that a shape is made of");
        }

        var x = Feature(node, 0);
        var added = Axes(node, 1, since: 13);
        var rank = x.Axes.Length + added.Count;
        var axes = added.Select(a => a < 0 ? a + rank : a).ToHashSet();
        if (axes.Count != added.Count || rank > 4 || axes.Any(a => a < 1 || a >= rank))
            throw new LatheException($"it adds axes [{OnnxAttributes.List(added)}] to {x.Shape}; expected at most 4 in all, the batch first");
        var own = new Queue<long?>(x.Axes);
        return View(node, x, [.. Enumerable.Range(0, rank).Select(i => axes.Contains(i) ? 1 : own.Dequeue())]);
    }

    /// <summary>The same values under other extents: a flattening, its undoing, or axes of extent 1 that come and go.</summary>
    private OnnxValue View(NodeProto node, FeatureValue x, long?[] target)
    {
        var features = (long)x.Shape.Channels * x.Shape.Height * x.Shape.Width;
        if (Resolved() is not { } rest) throw Refused();
        if (rest.SequenceEqual(x.Axes.Skip(1).Select(extent => extent!.Value))) return x;
        if (rest is [_]) return Flat(x, OnnxText.NodeName(node, null));
        if (x.Shape.IsFlat) return Unflattened() ?? throw Refused();
        // Pixel by pixel and channel by channel are the same where there is one channel, or one pixel.
        var isEither = x.Shape.Channels == 1 || (x.Shape.Height == 1 && x.Shape.Width == 1);
        var (channels, height, width) = ((long)x.Shape.Channels, (long)x.Shape.Height, (long)x.Shape.Width);
        foreach (var isLast in (bool[])[x.ChannelsLast, !x.ChannelsLast])
        {
            if (isLast != x.ChannelsLast && !isEither) continue;
            if (rest.SequenceEqual(isLast ? [height, width, channels] : [channels, height, width])) return x with { ChannelsLast = isLast, Dropped = Dropped.None };
            if (height == 1 && rest.SequenceEqual(isLast ? [width, channels] : [channels, width])) return x with { ChannelsLast = isLast, Dropped = Dropped.Height };
        }

        if (channels == 1 && rest.SequenceEqual([height, width])) return x with { Dropped = Dropped.Channel };
        return rest is [var groups, _] && !x.ChannelsLast && x.Shape.Channels % groups == 0
            ? new PartialValue(Part.Grouped, x, OnnxText.Describe(node), (int)groups, OnnxText.NodeName(node, null))
            : throw Refused();

        // Extents without the batch; null where they do not hold as many values.
        List<long>? Resolved()
        {
            if (target.Length < 2 || !IsBatch(target[0]) || target.Skip(1).Any(extent => extent is null or < -1 or 0)) return null;
            var known = target.Skip(1).Where(extent => extent > 0).Aggregate((Int128)1, (product, extent) => product * extent!.Value);
            var free = target.Skip(1).Count(extent => extent == -1);
            if (free > 1 || (free == 1 && target[0] == -1) || features % known != 0 || (free == 0 && known != features)) return null;
            return [.. target.Skip(1).Select(extent => extent == -1 ? (long)(features / known) : extent!.Value)];
        }

        // Every image by itself: free, or where the export fixed it, their number.
        bool IsBatch(long? extent) => extent is null or -1 || extent == _batch;

        FeatureValue? Unflattened()
        {
            if (x.Unrolled is { } shape)
            {
                return rest.SequenceEqual([shape.Height, shape.Width, shape.Channels])
                    ? Append(new Unflatten(NewName(node), [x.Tensor], shape.Height, shape.Width)) with { ChannelsLast = true }
                    : null;
            }

            return rest switch
            {
                // As Keras has the channels of one pixel.
                [1, 1, > 1] when !IsConvolved() => Append(new Unflatten(NewName(node), [x.Tensor], 1, 1)) with { ChannelsLast = true },
                // Of one channel, as Keras has images.
                [var high, var wide and > 1, 1] => Append(new Unflatten(NewName(node), [x.Tensor], (int)high, (int)wide)) with { ChannelsLast = true },
                [_, var high, var wide] => Append(new Unflatten(NewName(node), [x.Tensor], (int)high, (int)wide)),
                [_, var wide] => Append(new Unflatten(NewName(node), [x.Tensor], 1, (int)wide)) with { Dropped = Dropped.Height },
                _ => null,
            };
        }

        bool IsConvolved() => _graph.Node.Any(reader => reader.OpType is "Conv" or "AveragePool" or "MaxPool" && reader.Input.Contains(node.Output[0]));

        LatheException Refused() => new(
            $"it reshapes {x.Shape} to [{string.Join(", ", target.Take(8).Select(w => w is null ? "N" : $"{w}"))}]; expected [N, {features}], or the same image with other axes of extent 1");
    }

    private OnnxValue Transpose(NodeProto node)
    {
        if (Input(node, 0) is IntegerValue numbers) return TransposeIntegers(numbers);
        if (Input(node, 0) is ConstantValue) throw new LatheException("it transposes a constant; export with constants folded");
        var order = new OnnxAttributes(node).Integers("perm") ?? [];
        var x = Feature(node, 0);
        return (x.Shape.IsFlat, x.Dropped, x.ChannelsLast, order) switch
        {
            (false, Dropped.None, true, [0, 3, 1, 2]) => x with { ChannelsLast = false },
            (false, Dropped.None, false, [0, 2, 3, 1]) => x with { ChannelsLast = true },
            // One number for each image is in either order.
            (false, Dropped.None, _, [0, 3, 1, 2] or [0, 2, 3, 1]) when x.Shape is { Channels: 1, Height: 1, Width: 1 } => x with { ChannelsLast = order[1] == 2 },
            (false, Dropped.Height, _, [0, 2, 1]) => x with { ChannelsLast = !x.ChannelsLast },
            _ => throw new LatheException(
                $"it brings the axes of {x.Shape} into the order [{OnnxAttributes.List(order)}]; expected [N, H, W, C] to [N, C, H, W], or back"),
        };
    }

    /// <summary>[C, 1, 1] repeated over the image that it will be multiplied with.</summary>
    private OnnxValue Expand(NodeProto node)
    {
        var x = Feature(node, 0);
        var target = Integer(node, 1).Numbers;
        var axes = x.Axes;
        if (target is [{ } images, ..] && target.Length == axes.Length && images != 1 && images != _batch)
            throw new LatheException($"it repeats the images {images} times; expected each by itself");
        var isSame = target.Length == axes.Length && Enumerable.Range(1, axes.Length - 1).All(i => target[i] is 1 || target[i] == axes[i]);
        if (isSame) return x;
        return target.Length == axes.Length && x.Shape is { IsFlat: false, Height: 1, Width: 1 } && (target[x.ChannelAxis] is 1 || target[x.ChannelAxis] == x.Shape.Channels)
            ? new PartialValue(Part.Expanded, x, OnnxText.Describe(node), Extents: target)
            : throw new LatheException($"it expands {x.Shape}; expected [C, 1, 1] that scales the channels of an image");
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
