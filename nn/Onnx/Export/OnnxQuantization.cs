using System.Runtime.InteropServices;
using Lathe.Contracts;
using Lathe.NN.Checkpoints;
using Lathe.NN.FixedPoint;
using Lathe.NN.Graphs;
using static TorchSharp.torch;
using Messages = Lathe.NN.Onnx.OnnxMessages;

namespace Lathe.NN.Onnx;

/// <summary>How a model's whole-number weights are stored.</summary>
public enum OnnxWeightType
{
    /// <summary>One byte each, which ONNX Runtime multiplies as they are.</summary>
    Int8,

    /// <summary>Two in a byte, for weights of up to 4 bits; ONNX Runtime makes floats of them when it loads the model.</summary>
    Int4,

    /// <summary>Four in a byte, for weights of 2 bits; of the newest runtimes.</summary>
    Int2,
}

/// <summary>
/// Layers of whole-number weights in ONNX's QuantizeLinear and DequantizeLinear form. A batch norm that alone reads a layer becomes part of
/// it: its gains are a step size of weights for each channel, its shift the bias, so that a runtime has one layer to compute on integers.
/// </summary>
internal sealed class OnnxQuantization
{
    private readonly NetworkGraph _network;
    private readonly IReadOnlyDictionary<string, Tensor> _tensors;
    private readonly IReadOnlyDictionary<string, WeightFormat> _formats;
    private readonly OnnxWeightType _type;
    private readonly Dictionary<string, Node> _nodes;
    private readonly Dictionary<string, BatchNorm> _normOf;
    private readonly HashSet<string> _folded;

    public OnnxQuantization(
        NetworkGraph network, IReadOnlyDictionary<string, Tensor> tensors, IReadOnlyDictionary<string, WeightFormat> formats, OnnxWeightType type)
    {
        (_network, _tensors, _formats, _type) = (network, tensors, formats, type);
        _nodes = network.Nodes.ToDictionary(node => node.Name);
        var readers = network.Nodes.SelectMany(node => node.Inputs.Select(input => (input, node))).ToLookup(pair => pair.input, pair => pair.node);
        _normOf = network.Nodes
            .Where(node => IsQuantized(node) && node.Name != network.Output && readers[node.Name].ToList() is [BatchNorm norm] && norm.Name != network.Output)
            .ToDictionary(node => node.Name, node => (BatchNorm)readers[node.Name].Single());
        _folded = [.. _normOf.Values.Select(norm => norm.Name)];
    }

    /// <summary>Writes a node where it has a form of its own here.</summary>
    /// <returns>False: it is written as in a float model.</returns>
    public bool Write(OnnxGraphWriter to, Node node)
    {
        if (_folded.Contains(node.Name))
        {
            to.Alias(node);
            return true;
        }

        if (!IsQuantized(node)) return false;
        var format = _formats[$"{node.Name}.weight"];
        var shape = ParameterShapes.Of(node).First().Shape;
        var channels = (int)shape[0];
        var levels = Array.ConvertAll(Values(node, "weight"), weight => (sbyte)MathF.ScaleB(weight, format.Fraction));
        var (gains, bias) = Affine(node, channels);
        var scales = new float[channels];
        for (var channel = 0; channel < channels; channel++)
        {
            // A step size is above 0: what a gain below 0 turns round, the levels do.
            var own = levels.AsSpan(channel * (levels.Length / channels), levels.Length / channels);
            scales[channel] = gains[channel] == 0 ? format.StepSize : (float)(Math.Abs(gains[channel]) * format.StepSize);
            foreach (ref var level in own) level = (sbyte)(level * Math.Sign(gains[channel]));
        }

        List<string> inputs = [to.Value(node.Inputs[0]), Weight(to, node, levels, shape, scales)];
        if (bias is not null) inputs.Add(Bias(to, node, bias, scales));
        OnnxNodes.WriteLayer(to, node, inputs);
        return true;
    }

    private bool IsQuantized(Node node) => node is Conv2d or Linear && _formats.ContainsKey($"{node.Name}.weight");

    private string Weight(OnnxGraphWriter to, Node node, sbyte[] levels, IReadOnlyList<long> shape, float[] scales)
    {
        var weight = to.Constant(Messages.Integers($"{node.Name}.weight", levels, _type, [.. shape]));
        // One step size for all where no batch norm set them apart.
        var single = scales.All(scale => scale == scales[0]);
        var scale = to.Constant(Messages.Tensor(to.NewName($"{node.Name}.weight.scale"), single ? [scales[0]] : scales, single ? [] : [scales.Length]));
        return single
            ? to.Append("DequantizeLinear", $"{node.Name}.weight.dequantized", [weight, scale])
            : to.Append("DequantizeLinear", $"{node.Name}.weight.dequantized", [weight, scale], Messages.Attribute("axis", 0));
    }

    /// <summary>In steps of the layer's sums, 32 bits; float where they cannot hold it, or where the layer's input is float.</summary>
    private string Bias(OnnxGraphWriter to, Node node, double[] bias, float[] scales)
    {
        var name = to.NewName($"{node.Name}.bias.folded");
        if (InputStep(node.Inputs[0]) is { } step)
        {
            var steps = Array.ConvertAll(scales, scale => scale * step);
            var numbers = bias.Select((value, c) => Math.Round(value / steps[c])).ToArray();
            if (numbers.All(number => Math.Abs(number) < int.MaxValue))
            {
                var whole = to.Constant(Messages.Tensor(name, [.. numbers.Select(number => (int)number)], numbers.Length));
                var scale = to.Constant(Messages.Tensor(to.NewName($"{name}.scale"), steps, steps.Length));
                return to.Append("DequantizeLinear", $"{name}.dequantized", [whole, scale], Messages.Attribute("axis", 0));
            }
        }

        return to.Constant(Messages.Tensor(name, Array.ConvertAll(bias, value => (float)value), bias.Length));
    }

    private float? InputStep(string tensor)
    {
        while (_nodes.TryGetValue(tensor, out var node))
        {
            if (node is Quantize quantize) return MathF.ScaleB(1, -quantize.Fraction);
            if (!ActivationPoints.Keeps(node)) return null;
            tensor = node.Inputs[0];
        }

        return null;
    }

    /// <summary>Gain and bias of each channel; no bias where there is neither bias nor batch norm.</summary>
    private (double[] Gains, double[]? Bias) Affine(Node node, int channels)
    {
        var hasBias = node is Conv2d { Bias: true } or Linear { Bias: true };
        var own = hasBias ? Array.ConvertAll(Values(node, "bias"), value => (double)value) : null;
        if (!_normOf.TryGetValue(node.Name, out var norm)) return ([.. Enumerable.Repeat(1.0, channels)], own);
        var (scale, shift, mean, variance) = (Values(norm, "weight"), Values(norm, "bias"), Values(norm, "running_mean"), Values(norm, "running_var"));
        var gains = scale.Select((gamma, c) => gamma / Math.Sqrt(variance[c] + norm.Epsilon)).ToArray();
        return (gains, [.. gains.Select((gain, c) => (((own?[c] ?? 0) - mean[c]) * gain) + shift[c])]);
    }

    private float[] Values(Node node, string name)
    {
        using var scope = NewDisposeScope();
        return _tensors.TryGetValue($"{node.Name}.{name}", out var tensor)
            ? MemoryMarshal.Cast<byte, float>(tensor.detach().to(ScalarType.Float32).cpu().contiguous().bytes).ToArray()
            : throw new LatheException($"tensor '{node.Name}.{name}' is missing, which network '{_network.Name}' needs");
    }
}
