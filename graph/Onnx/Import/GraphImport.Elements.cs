using Lathe.Contracts;
using Lathe.Graph.Onnx.Format;

namespace Lathe.Graph.Onnx;

/// <content>What works element by element.</content>
internal sealed partial class GraphImport
{
    private FeatureValue Activate(NodeProto node, ActivationKind kind) => Activate(node, Feature(node, 0), kind);

    private FeatureValue Activate(NodeProto node, FeatureValue x, ActivationKind kind) =>
        Append(new Activation(NewName(node), [x.Tensor], kind), x);

    private OnnxValue Clip(NodeProto node)
    {
        var attributes = new OnnxAttributes(node);
        var least = Input(node, 1) is null ? attributes.Number("min", double.NegativeInfinity) : Number(node, 1);
        var most = Input(node, 2) is null ? attributes.Number("max", double.PositiveInfinity) : Number(node, 2);
        return Limited(node, least, most);
    }

    private OnnxValue Relu(NodeProto node) => Limited(node, 0, double.PositiveInfinity);

    /// <summary>The lesser or greater of a tensor and a number.</summary>
    private OnnxValue Limited(NodeProto node, bool isLeast)
    {
        if (node.Input.Count != 2 || Input(node, 1) is not ConstantValue) throw new LatheException("it takes the least or greatest of several tensors; expected a tensor and a constant number");
        var limit = Number(node, 1);
        return Limited(node, isLeast ? limit : double.NegativeInfinity, isLeast ? double.PositiveInfinity : limit);
    }

    private OnnxValue Limited(NodeProto node, double least, double most)
    {
        // Part by part, as in Relu and then Clip at 6.
        switch (Input(node, 0))
        {
            case PartialValue { Part: Part.PlusThree } sum when (least, most) == (0, 6): return sum with { Part = Part.ClippedPlusThree, By = OnnxText.Describe(node) };
            case PartialValue { Part: Part.PlusThree } sum when least == 0 && most >= 3.4e38: return sum with { Part = Part.PositivePlusThree, By = OnnxText.Describe(node) };
            case PartialValue { Part: Part.PositivePlusThree } sum when least <= 0 && most == 6: return sum with { Part = Part.ClippedPlusThree, By = OnnxText.Describe(node) };
        }

        if (least <= 0 && most == 6 && Feature(node, 0) is var positive && _places.TryGetValue(positive.Tensor, out var place)
            && _nodes[place] is Activation { Kind: ActivationKind.Relu } relu)
            return Append(new Activation(NewName(node), relu.Inputs, ActivationKind.Relu6), positive);
        return (least, most) switch
        {
            (0, 6) => Activate(node, ActivationKind.Relu6),
            // Some exports write float32's largest value for "no bound".
            (0, >= 3.4e38) => Activate(node, ActivationKind.Relu),
            _ => throw new LatheException($"it clips to [{least}, {most}]; expected [0, 6] or [0, no bound]"),
        };
    }

    private PartialValue HardSigmoid(NodeProto node)
    {
        var attributes = new OnnxAttributes(node);
        var (alpha, beta) = (attributes.Number("alpha", 0.2), attributes.Number("beta", 0.5));
        return Math.Abs(alpha - (1 / 6.0)) < 1e-6 && beta == 0.5
            ? new PartialValue(Part.HardSigmoid, Feature(node, 0), OnnxText.Describe(node), Name: OnnxText.NodeName(node, null))
            : throw new LatheException($"alpha is {alpha} and beta {beta}; expected 1/6 and 1/2");
    }

    /// <summary>A hard sigmoid as a node of its own; later readers read the same node.</summary>
    private FeatureValue HardSigmoid(string output, PartialValue partial)
    {
        var made = Append(new Activation(NewName(partial.Name), [partial.Of.Tensor], ActivationKind.HardSigmoid), partial.Of);
        _values[output] = made;
        return made;
    }

    /// <summary>The beginning of a hard swish that no other node completes, as nodes of its own; later readers read the same ones.</summary>
    private FeatureValue Whole(string output, PartialValue partial)
    {
        var x = partial.Of;
        var (name, channels) = (partial.Name.Length > 0 ? partial.Name : partial.Part.ToString(), x.Shape.Channels);
        var made = partial.Part switch
        {
            Part.PositivePlusThree => Append(
                new Activation(NewName(name), [Affine(name, partial.By, x, null, [.. Enumerable.Repeat(3f, channels)]).Tensor], ActivationKind.Relu), x),
            Part.ClippedPlusThree => Affine(name, partial.By, Append(new Activation(NewName(name), [x.Tensor], ActivationKind.HardSigmoid), x), [.. Enumerable.Repeat(6f, channels)], null),
            Part.SixHardSwishes => Affine(name, partial.By, Append(new Activation(NewName(name), [x.Tensor], ActivationKind.HardSwish), x), [.. Enumerable.Repeat(6f, channels)], null),
            Part.PooledRows => Append(new AdaptiveAvgPool2d(NewName(name), [x.Tensor], partial.Amount, x.Shape.Width), x),
            _ => throw Unfinished(partial),
        };
        _values[output] = made;
        return made;
    }

    private FeatureValue Swish(NodeProto node) => new OnnxAttributes(node).Number("alpha", 1) is var alpha && alpha == 1
        ? Activate(node, ActivationKind.Silu)
        : throw new LatheException($"alpha is {alpha}; expected 1");

    private OnnxValue Add(NodeProto node)
    {
        if (node.Input.Count == 2)
        {
            for (var i = 0; i < 2; i++)
            {
                if (Input(node, i) is not ConstantValue constant) continue;
                var x = Feature(node, 1 - i);
                return IsNumber(constant, 3)
                    ? new PartialValue(Part.PlusThree, x, OnnxText.Describe(node), Name: OnnxText.NodeName(node, null))
                    : Affine(node, x, null, ForChannels(node, constant.Tensor, x));
            }
        }

        var terms = Several(node);
        return terms.Count == 1 ? terms[0] : Append(new Add(NewName(node), [.. terms.Select(t => t.Tensor)]), terms[0]);
    }

    private OnnxValue Mul(NodeProto node)
    {
        if (node.Input.Count != 2) throw new LatheException($"it has {node.Input.Count} inputs; expected 2");
        if (Input(node, 0) is IntegerValue || Input(node, 1) is IntegerValue) return MultiplyIntegers(node);
        for (var i = 0; i < 2; i++)
        {
            if (Input(node, i) is PartialValue { Part: Part.Expanded } expanded) return Scaled(node, Feature(node, 1 - i), expanded);
            if (Input(node, i) is PartialValue { Part: Part.HardSigmoid or Part.ClippedPlusThree or Part.SixHardSwishes } partial)
            {
                if (Input(node, 1 - i) is ConstantValue constant) return Sixth(node, partial, Math.Abs((Single(constant) * 6) - 1) < 1e-6);
                if (Input(node, 1 - i) == partial.Of && partial.Part == Part.HardSigmoid) return Activate(node, partial.Of, ActivationKind.HardSwish);
                if (Input(node, 1 - i) == partial.Of && partial.Part == Part.ClippedPlusThree)
                    return partial with { Part = Part.SixHardSwishes, By = OnnxText.Describe(node) };
            }
        }

        for (var i = 0; i < 2; i++)
        {
            if (Input(node, i) is ConstantValue constant && Feature(node, 1 - i) is var x) return Affine(node, x, ForChannels(node, constant.Tensor, x), null);
        }

        var factors = Several(node);
        for (var i = 0; i < 2; i++)
        {
            // x / 6 times min(max(x + 3, 0), 6).
            if (Sixths(factors[i]) is { } of && Clipped(factors[1 - i]) == of) return Activate(node, factors[i] with { Tensor = of }, ActivationKind.HardSwish);
            if (IsSigmoidOf(factors[i].Tensor, factors[1 - i].Tensor)) return Activate(node, factors[1 - i], ActivationKind.Silu);
        }

        return Append(new Mul(NewName(node), [.. factors.Select(f => f.Tensor)]), factors[0]);
    }

    private FeatureValue Scaled(NodeProto node, FeatureValue image, PartialValue expanded)
    {
        if (image.ChannelsLast != expanded.Of.ChannelsLast) throw new LatheException("some of its inputs have their channels last, others not");
        var axes = image.Axes;
        if (axes.Length != expanded.Extents!.Length || Enumerable.Range(1, axes.Length - 1).Any(i => expanded.Extents[i] is not 1 && expanded.Extents[i] != axes[i]))
            throw new LatheException($"it multiplies {image.Shape} with what {expanded.By} made for images of another size");
        return Append(new Mul(NewName(node), [image.Tensor, expanded.Of.Tensor]), image);
    }

    /// <summary>What a tensor is a sixth of.</summary>
    private string? Sixths(FeatureValue x) => _places.TryGetValue(x.Tensor, out var place) && _nodes[place] is ScaleShift { Shift: null, Scale: { } scale } sixth
        && Array.TrueForAll(scale, value => Math.Abs((value * 6) - 1) < 1e-6) ? sixth.Inputs[0] : null;

    /// <summary>What a tensor is min(max(x + 3, 0), 6) of.</summary>
    private string? Clipped(FeatureValue x) => _places.TryGetValue(x.Tensor, out var place) && _nodes[place] is ScaleShift { Shift: null, Scale: { } scale } six
        && Array.TrueForAll(scale, value => value == 6) && _places.TryGetValue(six.Inputs[0], out var before)
        && _nodes[before] is Activation { Kind: ActivationKind.HardSigmoid } hard ? hard.Inputs[0] : null;

    private FeatureValue Sub(NodeProto node)
    {
        if (Input(node, 1) is ConstantValue taken && Feature(node, 0) is var x) return Affine(node, x, null, Array.ConvertAll(ForChannels(node, taken.Tensor, x), value => -value));
        if (Input(node, 0) is ConstantValue from && Feature(node, 1) is var y) return Affine(node, y, [.. Enumerable.Repeat(-1f, y.Shape.Channels)], ForChannels(node, from.Tensor, y));
        throw new LatheException("it subtracts two tensors that are made from the images; networks here add and multiply");
    }

    private OnnxValue Div(NodeProto node)
    {
        if (Input(node, 1) is not ConstantValue constant)
            throw new LatheException("it divides by what is made from the images; expected a constant");
        if (Input(node, 0) is PartialValue { Part: Part.ClippedPlusThree or Part.SixHardSwishes } partial) return Sixth(node, partial, IsNumber(constant, 6));
        var x = Feature(node, 0);
        var divisors = ForChannels(node, constant.Tensor, x);
        return Array.IndexOf(divisors, 0) < 0 ? Affine(node, x, Array.ConvertAll(divisors, value => 1 / value), null) : throw new LatheException("it divides by 0");
    }

    private OnnxValue Sixth(NodeProto node, PartialValue partial, bool isSixth) => (partial.Part, isSixth) switch
    {
        (Part.ClippedPlusThree, true) => partial with { Part = Part.HardSigmoid, By = OnnxText.Describe(node), Name = OnnxText.NodeName(node, null) },
        (Part.SixHardSwishes, true) => Activate(node, partial.Of, ActivationKind.HardSwish),
        _ => Affine(node, Whole(node.Output[0] + "\u0001", partial), isSixth ? [.. Enumerable.Repeat(1 / 6f, partial.Of.Shape.Channels)] : throw Unfinished(partial), null),
    };

    private FeatureValue Dropout(NodeProto node)
    {
        var x = Feature(node, 0);
        var share = Input(node, 1) is null ? new OnnxAttributes(node).Number("ratio", 0.5) : Number(node, 1);
        return share == 0 ? x : Append(new Dropout(NewName(node), [x.Tensor], share), x);
    }

    private PartialValue Softmax(NodeProto node)
    {
        var x = Feature(node, 0);
        var axis = new OnnxAttributes(node).Integer("axis", _version < 13 ? 1 : -1);
        return x.Shape.IsFlat && axis is 1 or -1
            ? new PartialValue(Part.Softmax, x, OnnxText.Describe(node))
            : throw new LatheException($"it works along axis {axis} of {x.Shape}; expected the classes");
    }

    /// <summary>All inputs, in one order of axes.</summary>
    private List<FeatureValue> Several(NodeProto node)
    {
        var values = Enumerable.Range(0, node.Input.Count).Select(i => Feature(node, i)).ToList();
        if (values.Count == 0) throw new LatheException("it reads nothing");
        return values.TrueForAll(v => v.ChannelsLast == values[0].ChannelsLast && v.Unrolled == values[0].Unrolled && v.Dropped == values[0].Dropped)
            ? values
            : throw new LatheException("some of its inputs have their channels last, others not");
    }

    private bool IsSigmoidOf(string tensor, string of) =>
        _places.TryGetValue(tensor, out var place) && _nodes[place] is Activation { Kind: ActivationKind.Sigmoid } sigmoid && sigmoid.Inputs[0] == of;

    private double Number(NodeProto node, int index) => Single(new ConstantValue(Constant(node, index)));

    private double Single(ConstantValue constant) => Array.TrueForAll(OnnxConstants.Shape(constant.Tensor), e => e == 1)
        ? OnnxAttributes.Written(_constants.Floats(constant.Tensor)[0])
        : throw new LatheException($"constant '{OnnxText.Short(constant.Tensor.Name)}' is [{OnnxAttributes.List(constant.Tensor.Dims)}]; expected one number");

    /// <summary>Whether a constant is this single number, without decoding a large one.</summary>
    private bool IsNumber(ConstantValue constant, double number) =>
        Array.TrueForAll(OnnxConstants.Shape(constant.Tensor), e => e == 1) && Single(constant) == number;
}
