using Lathe.Contracts;
using Lathe.Graph.Onnx.Format;

namespace Lathe.Graph.Onnx;

/// <content>Convolutions, linear layers, batch norm: what has weights.</content>
internal sealed partial class GraphImport
{
    private FeatureValue Conv(NodeProto node)
    {
        var (x, border) = Bordered(node);
        var attributes = new OnnxAttributes(node);
        var weight = Constant(node, 1);
        var (made, read, kernel) = (x.Dropped, OnnxConstants.Shape(weight)) switch
        {
            (Dropped.None, [> 0 and var o, > 0 and var i, > 0 and var height, > 0 and var width]) => (o, i, new Extent(height, width)),
            (Dropped.Height, [> 0 and var o, > 0 and var i, > 0 and var width]) => (o, i, new Extent(1, width)),
            _ => throw new LatheException($"its weight is [{OnnxAttributes.List(weight.Dims)}]; expected [out, in / groups, {(x.Dropped == Dropped.Height ? "width" : "height, width")}]"),
        };
        if (attributes.Extent("kernel_shape", kernel, x.Dropped) != kernel) throw new LatheException("its kernel_shape is not that of its weight");
        var groups = Whole(attributes.Integer("group", 1), "group");
        var (stride, dilation) = (attributes.Extent("strides", 1, x.Dropped), attributes.Extent("dilations", 1, x.Dropped));
        var padding = border + attributes.Padding(Reach(kernel, dilation), stride, Around(x.Shape, border), x.Dropped);
        if (groups < 1 || x.Shape.Channels != (long)read * groups)
            throw new LatheException($"it reads {x.Shape.Channels} channels; its weight has {read} for each of {groups} groups");

        var values = OwnWeight(node, weight);
        var bias = Input(node, 2) is null ? null : Vector(node, 2, made);
        var conv = new Conv2d(
            NewName(node, node.Input[1]), [x.Tensor], x.Shape.Channels, made, kernel, stride, padding, dilation, groups, bias is not null);
        return AppendLayer(conv, values, bias, x);
    }

    private FeatureValue Gemm(NodeProto node)
    {
        var attributes = new OnnxAttributes(node);
        attributes.Require("transA", 0, 0, "expected 0");
        foreach (var name in (string[])["alpha", "beta"])
        {
            if (attributes.Number(name, 1) is var factor && factor != 1) throw new LatheException($"{name} is {factor}; expected 1");
        }

        var x = Feature(node, 0);
        var (values, features) = Matrix(node, isTransposed: attributes.Integer("transB", 0) != 0, x);
        var bias = Input(node, 2) is null ? null : Vector(node, 2, features);
        return AppendLayer(new Linear(NewName(node, node.Input[1]), [x.Tensor], x.Shape.Channels, features, bias is not null), values, bias);
    }

    private OnnxValue MatMul(NodeProto node)
    {
        if (Input(node, 0) is ConstantValue) return PoolRows(node);
        if (Input(node, 0) is PartialValue { Part: Part.PooledRows } rows) return PoolColumns(node, rows);
        var x = Feature(node, 0);
        var (values, features) = Matrix(node, isTransposed: false, x);
        return AppendLayer(new Linear(NewName(node, node.Input[1]), [x.Tensor], x.Shape.Channels, features, Bias: false), values, null);
    }

    private FeatureValue BatchNormalization(NodeProto node)
    {
        var attributes = new OnnxAttributes(node);
        attributes.Require("training_mode", 0, 0, "export the network in evaluation mode");
        var x = Feature(node, 0);
        if (x.Dropped == Dropped.Channel) Image(x);
        if (x.ChannelsLast && !x.Shape.IsFlat) throw new LatheException("it works on tensors whose channels come last; expected [N, C, H, W]");
        var vectors = Enumerable.Range(1, 4).Select(i => Vector(node, i, x.Shape.Channels)).ToList();
        if (x.Unrolled is { } shape) vectors = [.. vectors.Select(values => Enumerable.Range(0, values.Length).Select(i => values[PlaceWithChannelsLast(i, shape)]).ToArray())];
        // ONNX's momentum is the share of the old value. Of 1, nothing would ever be learned: PyTorch's usual one then.
        var momentum = Math.Round(1 - attributes.Number("momentum", 0.9), 6);
        var norm = new BatchNorm(
            NewName(node, node.Input[1]), [x.Tensor], x.Shape.Channels, attributes.Number("epsilon", 1e-5), momentum is > 0 and <= 1 ? momentum : 0.1);
        var made = Append(norm, x);
        foreach (var (suffix, values) in ((string[])["weight", "bias", "running_mean", "running_var"]).Zip(vectors))
            _parameters.Add($"{norm.Name}.{suffix}", values);
        return made;
    }

    /// <summary>Rows and columns from a window's first to its last.</summary>
    private static Extent Reach(Extent kernel, Extent dilation)
    {
        return new Extent(Of(kernel.Height, dilation.Height), Of(kernel.Width, dilation.Width));

        static int Of(int pixels, int spread) => (int)Math.Min(((pixels - 1L) * spread) + 1, ShapeInference.MaxValues);
    }

    /// <summary>A shape with a border around it.</summary>
    private static TensorShape Around(TensorShape shape, Border border) =>
        shape with { Height = shape.Height + border.Top + border.Bottom, Width = shape.Width + border.Left + border.Right };

    private FeatureValue AppendLayer(Node layer, float[] weight, float[]? bias, FeatureValue? like = null)
    {
        var made = Append(layer, like is null ? null : like with { Unrolled = null });
        _parameters.Add($"{layer.Name}.weight", weight);
        if (bias is not null) _parameters.Add($"{layer.Name}.bias", bias);
        return made;
    }

    /// <summary>A vector of one number for each channel.</summary>
    private float[] Vector(NodeProto node, int index, int channels)
    {
        var tensor = Constant(node, index);
        var shape = OnnxConstants.Shape(tensor);
        if (shape.Length == 0 || shape[^1] != channels || shape.SkipLast(1).Any(e => e != 1))
            throw new LatheException($"its input '{OnnxText.Short(node.Input[index])}' is [{OnnxAttributes.List(tensor.Dims)}]; expected [{channels}]");
        return Own(node, tensor, "constant");
    }

    /// <summary>A linear layer's weight as [out, in], its columns in the network's order of features.</summary>
    private (float[] Values, int Features) Matrix(NodeProto node, bool isTransposed, FeatureValue x)
    {
        var tensor = Constant(node, 1);
        if (OnnxConstants.Shape(tensor) is not [> 0 and var rows, > 0 and var columns])
            throw new LatheException($"its weight is [{OnnxAttributes.List(tensor.Dims)}]; expected two extents");
        var (made, read) = isTransposed ? (rows, columns) : (columns, rows);
        if (!x.Shape.IsFlat || x.Shape.Channels != read)
            throw new LatheException($"it reads {x.Shape}; its weight is for {read} features");
        var values = OwnWeight(node, tensor);
        if (isTransposed && x.Unrolled is null) return (values, made);

        var ordered = new float[values.Length];
        for (var i = 0; i < read; i++)
        {
            var theirs = x.Unrolled is { } shape ? PlaceWithChannelsLast(i, shape) : i;
            for (var o = 0; o < made; o++)
                ordered[((long)o * read) + i] = isTransposed ? values[((long)o * read) + theirs] : values[((long)theirs * made) + o];
        }

        return (ordered, made);
    }

    /// <summary>Feature c·H·W + y·W + x of the network is y·W·C + x·C + c where channels come last.</summary>
    private static int PlaceWithChannelsLast(int feature, TensorShape shape)
    {
        var pixels = shape.Height * shape.Width;
        return (feature % pixels * shape.Channels) + (feature / pixels);
    }

    /// <summary>
    /// A layer's weight, which no other layer may have: tied weights would be trained, pruned and counted as if they were several. A weight of one repeated
    /// number is not tied: exporters store equal constants once.
    /// </summary>
    private float[] OwnWeight(NodeProto node, TensorProto weight) => Own(node, weight, "weight");

    /// <summary>The same of any constant that becomes trained or counted numbers of a layer: biases, gains, slopes.</summary>
    private float[] Own(NodeProto node, TensorProto constant, string what)
    {
        var values = _constants.Floats(constant);
        var by = OnnxText.Describe(node);
        if (_owners.TryAdd(constant, by) || _owners[constant] == by) return values;
        if (Array.Exists(values, value => value != values[0]))
        {
            throw new LatheException($"its {what} '{OnnxText.Short(constant.Name)}' is also that of {_owners[constant]}; layers here have weights of their own. "
                + "Export the network with a copy for each layer (in PyTorch copy.deepcopy of the module)");
        }

        if (values is [not (0 or 1), ..] && (what != "constant" || values.Length > 1))
            _notes.Add($"{by} has the {what} '{OnnxText.Short(constant.Name)}' together with {_owners[constant]}; here each has a copy of its own, which is trained and counted by itself");
        return values;
    }

    private static int Whole(long value, string name) => value is >= 0 and <= int.MaxValue
        ? (int)value
        : throw new LatheException($"{name} is {value}; expected a number from 0 to {int.MaxValue}");
}
