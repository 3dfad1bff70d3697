using Lathe.Contracts;
using Lathe.Graph.Onnx.Format;

namespace Lathe.Graph.Onnx;

/// <content>Group and instance normalization, and activations with slopes.</content>
internal sealed partial class GraphImport
{
    /// <summary>Of an image each channel is a group; of channels in groups, as PyTorch writes group normalization, the shape before is still to come.</summary>
    private OnnxValue InstanceNormalization(NodeProto node)
    {
        var epsilon = new OnnxAttributes(node).Number("epsilon", 1e-5);
        if (Input(node, 0) is PartialValue { Part: Part.Grouped } grouped)
        {
            return grouped with
            {
                Part = Part.NormalizedGroups,
                By = OnnxText.Describe(node),
                Epsilon = epsilon,
                Scale = Vector(node, 1, grouped.Amount),
                Shift = Vector(node, 2, grouped.Amount),
            };
        }

        var x = Image(Plain(node, 0));
        return AppendGroups(NewName(node, node.Input[1]), x, x.Shape.Channels, epsilon, Vector(node, 1, x.Shape.Channels), Vector(node, 2, x.Shape.Channels));
    }

    private FeatureValue GroupNormalization(NodeProto node)
    {
        var attributes = new OnnxAttributes(node);
        var x = Plain(node, 0);
        if (x.Dropped == Dropped.Channel) Image(x);
        var groups = Whole(attributes.Integer("num_groups", 0), "num_groups");
        if (groups < 1 || x.Shape.Channels % groups != 0) throw new LatheException($"num_groups is {groups}, which must divide {x.Shape.Channels} channels");
        // Before operator set 21 there is one gain for each group.
        var gains = _version < 21 ? groups : x.Shape.Channels;
        return AppendGroups(
            NewName(node, node.Input[1]), x, groups, attributes.Number("epsilon", 1e-5), Repeated(Vector(node, 1, gains), x), Repeated(Vector(node, 2, gains), x));
    }

    /// <summary>The reshape that ends a group normalization.</summary>
    private FeatureValue GroupNormalized(NodeProto node, PartialValue groups)
    {
        var wanted = Integer(node, 1).Numbers;
        var x = groups.Of;
        var axes = x.Axes;
        if (wanted.Length != axes.Length || Enumerable.Range(1, axes.Length - 1).Any(i => wanted[i] != axes[i] && wanted[i] != -1)) throw Unfinished(groups);
        return AppendGroups(NewName(groups.Name), x, groups.Amount, groups.Epsilon, Repeated(groups.Scale!, x), Repeated(groups.Shift!, x));
    }

    /// <summary>A number for each group as one for each channel.</summary>
    private static float[] Repeated(float[] values, FeatureValue x)
    {
        var width = x.Shape.Channels / values.Length;
        return [.. Enumerable.Range(0, x.Shape.Channels).Select(channel => values[channel / width])];
    }

    private FeatureValue AppendGroups(string name, FeatureValue x, int groups, double epsilon, float[] scale, float[] shift)
    {
        var made = Append(new GroupNorm(name, [x.Tensor], x.Shape.Channels, groups, epsilon), x);
        _parameters.Add($"{name}.weight", scale);
        _parameters.Add($"{name}.bias", shift);
        return made;
    }

    private FeatureValue LeakyRelu(NodeProto node)
    {
        var x = Feature(node, 0);
        return Append(new LeakyRelu(NewName(node), [x.Tensor], new OnnxAttributes(node).Number("alpha", 0.01)), x);
    }

    private FeatureValue PRelu(NodeProto node)
    {
        var x = Feature(node, 0);
        var tensor = Constant(node, 1);
        var slopes = ForChannels(node, tensor, x, "slope");
        if (tensor.Dims.All(extent => extent == 1)) slopes = slopes[..1];
        var made = Append(new PRelu(NewName(node, node.Input[1]), [x.Tensor], slopes.Length), x);
        _parameters.Add($"{made.Tensor}.weight", slopes);
        return made;
    }
}
