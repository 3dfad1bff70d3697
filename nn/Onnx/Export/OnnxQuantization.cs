using System.Numerics;
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

    /// <summary>Four in a byte, for weights of 2 bits; of the newest runtimes, which make floats of them too.</summary>
    Int2,
}

/// <summary>
/// Layers of whole-number weights in ONNX's QuantizeLinear and DequantizeLinear form. A batch norm that alone reads a layer becomes part of
/// it: its gains are a step size of weights for each channel, its shift the bias, so that a runtime has one layer to compute on integers.
/// </summary>
internal sealed class OnnxQuantization
{
    // Products of an unsigned byte and 64, two of them added, still fit the 16 bits that runtimes add them in on processors without VNNI.
    private const int MostLevel = 64;

    // Share of an output step that the rounding of a bias may cost: it then changes one output of 32 by a step, at the very most.
    private const float MostLost = 1f / 64;

    private readonly NetworkGraph _network;
    private readonly IReadOnlyDictionary<string, Tensor> _tensors;
    private readonly IReadOnlyDictionary<string, WeightFormat> _formats;
    private readonly OnnxWeightType _type;
    private readonly Dictionary<string, Node> _nodes;
    private readonly Dictionary<string, BatchNorm> _normOf;
    private readonly HashSet<string> _folded;
    private readonly ILookup<string, Node> _readers;

    // What float layers read is rounded in floats: behind a DequantizeLinear, runtimes round a layer's float weights too.
    private readonly HashSet<string> _floatPoints;

    public OnnxQuantization(
        NetworkGraph network, IReadOnlyDictionary<string, Tensor> tensors, IReadOnlyDictionary<string, WeightFormat> formats, OnnxWeightType type)
    {
        (_network, _tensors, _formats, _type) = (network, tensors, formats, type);
        _nodes = network.Nodes.ToDictionary(node => node.Name);
        _readers = network.Nodes.SelectMany(node => node.Inputs.Select(input => (input, node))).ToLookup(pair => pair.input, pair => pair.node);
        _normOf = network.Nodes
            .Where(node => IsQuantized(node) && node.Name != network.Output && _readers[node.Name].ToList() is [BatchNorm norm] && norm.Name != network.Output)
            .ToDictionary(node => node.Name, node => (BatchNorm)_readers[node.Name].Single());
        _folded = [.. _normOf.Values.Select(norm => norm.Name)];
        _floatPoints = [.. network.Nodes.Where(node => node is Conv2d or Linear && !IsQuantized(node)).Select(node => PointOf(node.Inputs[0])).OfType<Quantize>().Select(point => point.Name)];
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

        switch (node)
        {
            case Quantize quantize when !_floatPoints.Contains(quantize.Name):
                Round(to, quantize);
                return true;
            case Conv2d or Linear when IsQuantized(node):
                WriteWhole(to, node);
                return true;
            default:
                return false;
        }
    }

    /// <summary>To whole numbers of steps and back. Of fewer than 8 bits the range is limited before.</summary>
    private static void Round(OnnxGraphWriter to, Quantize node)
    {
        var input = to.Value(node.Inputs[0]);
        var step = MathF.ScaleB(1, -node.Fraction);
        if (node.Bits < 8)
        {
            var least = to.Constant(Messages.Tensor(to.NewName($"{node.Name}.min"), [node.Least * step]));
            var most = to.Constant(Messages.Tensor(to.NewName($"{node.Name}.max"), [node.Greatest * step]));
            input = to.Append("Clip", $"{node.Name}.limited", [input, least, most]);
        }

        var scale = to.Constant(Messages.Tensor(to.NewName($"{node.Name}.scale"), [step]));
        var zeroName = to.NewName($"{node.Name}.zero");
        var zero = to.Constant(node.Signed ? Messages.Tensor(zeroName, (sbyte)0) : Messages.Tensor(zeroName, (byte)0));
        var whole = to.Append("QuantizeLinear", $"{node.Name}.whole", [input, scale, zero]);
        to.Make(node, "DequantizeLinear", [whole, scale, zero]);
    }

    private void WriteWhole(OnnxGraphWriter to, Node node)
    {
        var format = _formats[$"{node.Name}.weight"];
        var shape = ParameterShapes.Of(node).First().Shape;
        var channels = (int)shape[0];
        var finer = Finer(format.MaxLevel);
        var stepSize = MathF.ScaleB(format.StepSize, -finer);
        var levels = Array.ConvertAll(Values(node, "weight"), weight => (sbyte)MathF.ScaleB(weight, format.Fraction + finer));
        var (gains, bias) = Affine(node, channels);
        var scales = new float[channels];
        for (var channel = 0; channel < channels; channel++)
        {
            // A step size is above 0: what a gain below 0 turns round, the levels do.
            var own = levels.AsSpan(channel * (levels.Length / channels), levels.Length / channels);
            scales[channel] = gains[channel] == 0 ? stepSize : (float)(Math.Abs(gains[channel]) * stepSize);
            foreach (ref var level in own) level = (sbyte)(level * Math.Sign(gains[channel]));
        }

        List<string> inputs = [to.Value(node.Inputs[0]), Weight(to, node, levels, shape, scales)];
        if (WholeBias(to, node, bias, scales) is { } whole) OnnxNodes.WriteLayer(to, node, [.. inputs, whole]);
        else OnnxNodes.WriteLayer(to, node, inputs, FloatBias(to, node, bias));
    }

    private bool IsQuantized(Node node) => _formats.ContainsKey($"{node.Name}.weight");

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

    /// <summary>
    /// How many powers of two the step size may be smaller than the layer's: the sums' steps, which the bias is counted in, are then as
    /// much smaller.
    /// </summary>
    private int Finer(int maxLevel)
    {
        var most = _type switch { OnnxWeightType.Int2 => 1, OnnxWeightType.Int4 => 7, _ => MostLevel };
        return Math.Max(0, BitOperations.Log2((uint)(most / maxLevel)));
    }

    /// <summary>
    /// A bias in steps of the layer's sums, with which the runtime computes the layer on integers; null where that would lose something
    /// that the layer's output could show, and where the runtime makes floats of the weights anyway.
    /// </summary>
    private string? WholeBias(OnnxGraphWriter to, Node node, double[] bias, float[] scales)
    {
        if (_type != OnnxWeightType.Int8 || InputStep(node.Inputs[0]) is not { } inputStep || OutputStep(node) is not { } outputStep) return null;
        var steps = Array.ConvertAll(scales, scale => scale * inputStep);
        var numbers = bias.Select((value, c) => Math.Round(value / steps[c])).ToArray();
        var lost = numbers.Select((number, c) => Math.Abs((number * steps[c]) - bias[c])).Max();
        if (lost > outputStep * MostLost || numbers.Any(number => Math.Abs(number) >= int.MaxValue)) return null;
        var whole = to.Constant(Messages.Tensor(to.NewName($"{node.Name}.bias.whole"), [.. numbers.Select(number => (int)number)], numbers.Length));
        var scale = to.Constant(Messages.Tensor(to.NewName($"{node.Name}.bias.scale"), steps, steps.Length));
        return to.Append("DequantizeLinear", $"{node.Name}.bias.dequantized", [whole, scale], Messages.Attribute("axis", 0));
    }

    /// <summary>A bias to be added by a node of its own: runtimes would round the layer's own to steps of the sums.</summary>
    private static string FloatBias(OnnxGraphWriter to, Node node, double[] bias) => to.Constant(Messages.Tensor(
        to.NewName($"{node.Name}.bias.float"), Array.ConvertAll(bias, value => (float)value), node is Conv2d ? [bias.Length, 1, 1] : [bias.Length]));

    private float? InputStep(string tensor) => PointOf(tensor) is { } point ? MathF.ScaleB(1, -point.Fraction) : null;

    /// <summary>What quantized a tensor, itself or before nodes that keep its values; null where nothing did.</summary>
    private Quantize? PointOf(string tensor)
    {
        while (_nodes.TryGetValue(tensor, out var node))
        {
            if (node is Quantize quantize) return quantize;
            if (!ActivationPoints.Keeps(node)) return null;
            tensor = node.Inputs[0];
        }

        return null;
    }

    /// <summary>Step of the quantization that a layer's output comes to; null where it comes to several nodes first, or to none.</summary>
    private float? OutputStep(Node node)
    {
        while (_readers[node.Name].ToList() is [var reader])
        {
            if (reader is Quantize quantize) return MathF.ScaleB(1, -quantize.Fraction);
            node = reader;
        }

        return null;
    }

    /// <summary>Gain and bias of each channel; a bias of zeros where there is neither bias nor batch norm.</summary>
    private (double[] Gains, double[] Bias) Affine(Node node, int channels)
    {
        var hasBias = node is Conv2d { Bias: true } or Linear { Bias: true };
        var own = hasBias ? Array.ConvertAll(Values(node, "bias"), value => (double)value) : new double[channels];
        if (!_normOf.TryGetValue(node.Name, out var norm)) return ([.. Enumerable.Repeat(1.0, channels)], own);
        var (scale, shift, mean, variance) = (Values(norm, "weight"), Values(norm, "bias"), Values(norm, "running_mean"), Values(norm, "running_var"));
        var gains = scale.Select((gamma, c) => gamma / Math.Sqrt(variance[c] + norm.Epsilon)).ToArray();
        return (gains, [.. gains.Select((gain, c) => ((own[c] - mean[c]) * gain) + shift[c])]);
    }

    private float[] Values(Node node, string name)
    {
        using var scope = NewDisposeScope();
        return _tensors.TryGetValue($"{node.Name}.{name}", out var tensor)
            ? MemoryMarshal.Cast<byte, float>(tensor.detach().to(ScalarType.Float32).cpu().contiguous().bytes).ToArray()
            : throw new LatheException($"tensor '{node.Name}.{name}' is missing, which network '{_network.Name}' needs");
    }
}
