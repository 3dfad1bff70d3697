using Lathe.Contracts;
using Lathe.Graph.Onnx.Format;

namespace Lathe.Graph.Onnx;

/// <summary>
/// x·scale + shift for each channel, of constants of the file. It has a temporary name and is gone when the import ends: it is part of the layer before it,
/// or a layer of its own.
/// </summary>
/// <param name="Name">A temporary name.</param>
/// <param name="Inputs">What it reads.</param>
/// <param name="Wanted">Its name if it becomes a layer.</param>
/// <param name="Scale">For each channel; null: 1.</param>
/// <param name="Shift">For each channel; null: 0.</param>
/// <param name="By">Operator and name of the ONNX node.</param>
internal sealed record ScaleShift(string Name, IReadOnlyList<string> Inputs, string Wanted, float[]? Scale, float[]? Shift, string By) : Node(Name, Inputs);

/// <content>
/// Constants that are added to channels or multiplied with them. Whether a layer can take them in is known only when all readers of its tensor are, under
/// whatever names they read it.
/// </content>
internal sealed partial class GraphImport
{
    /// <summary>A number for each channel, in the network's order of features; one for all is repeated.</summary>
    private float[] ForChannels(NodeProto node, TensorProto tensor, FeatureValue x, string what = "constant")
    {
        var extents = OnnxConstants.Shape(tensor);
        var channels = x.Shape.Channels;
        // Broadcasting aligns extents from the last one.
        var axis = x.Axes.Length - x.ChannelAxis;
        var isForChannels = extents.Length >= axis && extents[^axis] == channels && extents.Where((_, i) => i != extents.Length - axis).All(e => e == 1);
        if (!(isForChannels || Array.TrueForAll(extents, e => e == 1)) || extents.Length > x.Axes.Length)
            throw new LatheException($"it works with a constant [{OnnxAttributes.List(tensor.Dims)}]; expected a number for each of {channels} channels, or one number");
        var values = Own(node, tensor, what);
        if (values.Length == 1) return [.. Enumerable.Repeat(values[0], channels)];
        return x.Unrolled is { } shape ? [.. Enumerable.Range(0, channels).Select(i => values[PlaceWithChannelsLast(i, shape)])] : values;
    }

    private FeatureValue Affine(NodeProto node, FeatureValue x, float[]? scale, float[]? shift) =>
        Affine(OnnxText.NodeName(node, null), OnnxText.Describe(node), x, scale, shift);

    private FeatureValue Affine(string wanted, string by, FeatureValue x, float[]? scale, float[]? shift) =>
        Append(new ScaleShift($"\u0001{_nodes.Count}", [x.Tensor], wanted, scale, shift, by), x);

    /// <summary>x + 3 that no hard swish follows; later readers read the same node.</summary>
    private FeatureValue Shifted(string output, PartialValue partial)
    {
        var made = Affine(partial.Name, partial.By, partial.Of, null, [.. Enumerable.Repeat(3f, partial.Of.Shape.Channels)]);
        _values[output] = made;
        return made;
    }

    /// <summary>
    /// Puts each constant into the layer before it if nothing else reads that layer's tensor. Elsewhere it becomes a layer of its own, a 1x1 convolution of each
    /// channel by itself.
    /// </summary>
    private (List<Node> Nodes, string Output) Settled(List<Node> nodes, string output)
    {
        var readers = nodes.SelectMany(node => node.Inputs).Append(output).GroupBy(name => name).ToDictionary(group => group.Key, group => group.Count());
        var settled = new List<Node>();
        var names = new Dictionary<string, string>();
        foreach (var written in nodes)
        {
            var node = written with { Inputs = [.. written.Inputs.Select(name => names.GetValueOrDefault(name, name))] };
            if (node is not ScaleShift affine)
            {
                settled.Add(node);
                continue;
            }

            var from = affine.Inputs[0];
            var place = settled.FindIndex(layer => layer.Name == from);
            // The tensor may be the one that an earlier constant of this pass has become part of: its readers are counted under the written name.
            if (place >= 0 && readers[written.Inputs[0]] == 1 && settled[place] is Conv2d or Linear or BatchNorm or GroupNorm)
            {
                settled[place] = TakenIn(settled[place], affine);
                names.Add(affine.Name, from);
                continue;
            }

            names.Add(affine.Name, Keep(affine, settled));
        }

        return (settled, names.GetValueOrDefault(output, output));
    }

    private Node TakenIn(Node layer, ScaleShift affine)
    {
        var (weight, bias) = ($"{layer.Name}.weight", $"{layer.Name}.bias");
        if (affine.Scale is { } scale)
        {
            var values = _parameters[weight];
            var perChannel = values.Length / scale.Length;
            for (var i = 0; i < values.Length; i++) values[i] *= scale[i / perChannel];
            if (_parameters.TryGetValue(bias, out var own))
            {
                for (var c = 0; c < own.Length; c++) own[c] *= scale[c];
            }
        }

        if (affine.Shift is not { } shift) return layer;
        var sum = _parameters.TryGetValue(bias, out var old) ? old : new float[shift.Length];
        for (var c = 0; c < shift.Length; c++) sum[c] += shift[c];
        _parameters[bias] = sum;
        return layer switch
        {
            Conv2d conv => conv with { Bias = true },
            Linear linear => linear with { Bias = true },
            _ => layer,
        };
    }

    private string Keep(ScaleShift affine, List<Node> nodes)
    {
        var channels = _shapes[affine.Name].Channels;
        var isFlat = _shapes[affine.Name].IsFlat;
        var name = New(affine.Wanted, new TensorShape(channels));
        string[] inputs = [.. affine.Inputs];
        // Features become channels of one pixel and back.
        if (isFlat) nodes.Add(new Unflatten(inputs[0] = New($"{name}.image", new TensorShape(channels)), affine.Inputs, 1, 1));
        nodes.Add(new Conv2d(name, inputs, channels, channels, 1, Groups: channels, Bias: affine.Shift is not null));
        _parameters.Add($"{name}.weight", affine.Scale ?? [.. Enumerable.Repeat(1f, channels)]);
        if (affine.Shift is { } shift) _parameters.Add($"{name}.bias", shift);
        _notes.Add($"{affine.By} is kept as a layer, '{name}': a factor{(affine.Shift is null ? "" : " and a summand")} for each channel, which training changes like others");
        if (!isFlat) return name;
        nodes.Add(new Flatten(New($"{name}.flatten", _shapes[affine.Name]), [name]));
        return nodes[^1].Name;

        string New(string wanted, TensorShape shape)
        {
            var given = NewName(wanted);
            _shapes.Add(given, shape);
            return given;
        }
    }
}
