using System.Runtime.InteropServices;
using Lathe.Contracts;
using Lathe.Graph;
using Lathe.Graph.Checkpoints;
using Lathe.Graph.Onnx;
using Lathe.NN.FixedPoint;
using static TorchSharp.torch;
using Messages = Lathe.Graph.Onnx.OnnxMessages;

namespace Lathe.NN.Onnx;

/// <summary>
/// Layers of whole-number weights in ONNX's QuantizeLinear and DequantizeLinear form. A batch norm that alone reads a layer becomes part of
/// it: its gains are a step size of weights for each channel, its shift the bias, so that a runtime has one layer to compute on integers.
/// </summary>
internal sealed class OnnxQuantization
{
    // Share of an output step that the rounding of a bias may cost: it then changes one output of 32 by a step, at the very most.
    private const double MostLost = 1.0 / 64;

    private readonly NetworkGraph _network;
    private readonly IReadOnlyDictionary<string, Tensor> _tensors;
    private readonly IReadOnlyDictionary<string, WeightFormat> _formats;
    private readonly OnnxWeightType _type;
    private readonly RoundedTensors _rounded;
    private readonly Dictionary<string, BatchNorm> _normOf;
    private readonly HashSet<string> _folded;

    // Inputs of float layers are rounded in floats: after a DequantizeLinear, runtimes round a layer's float weights too.
    private readonly HashSet<string> _floatPoints;

    public OnnxQuantization(
        NetworkGraph network, IReadOnlyDictionary<string, Tensor> tensors, IReadOnlyDictionary<string, WeightFormat> formats, OnnxWeightType type)
    {
        (_network, _tensors, _formats, _type) = (network, tensors, formats, type);
        _rounded = new RoundedTensors(network);
        _normOf = network.Nodes
            .Where(node => IsQuantized(node) && node.Name != network.Output && _rounded.Readers(node).ToList() is [BatchNorm norm] && norm.Name != network.Output)
            .ToDictionary(node => node.Name, node => (BatchNorm)_rounded.Readers(node).Single());
        _folded = [.. _normOf.Values.Select(norm => norm.Name)];
        _floatPoints = [.. network.Nodes.Where(node => node is Conv2d or Linear && !IsQuantized(node)).Select(node => _rounded.Before(node.Inputs[0])).OfType<Quantize>().Select(point => point.Name)];
    }

    /// <summary>Writes a node that has its own form here.</summary>
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
            case Quantize quantize when !_floatPoints.Contains(quantize.Name) && !Misread(quantize):
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
        var (gains, bias) = Affine(node, channels);
        var fine = Fineness(node, format, gains, bias);
        var weights = Values(node, "weight");
        var (levels, perChannel) = (new sbyte[weights.Length], weights.Length / channels);
        var scales = new float[channels];
        for (var channel = 0; channel < channels; channel++)
        {
            // A step size is above 0. For a negative gain the levels change their sign instead.
            var gain = gains[channel];
            scales[channel] = (float)((gain == 0 ? 1 : Math.Abs(gain)) * format.StepSize / fine[channel]);
            for (var i = channel * perChannel; i < (channel + 1) * perChannel; i++)
                levels[i] = (sbyte)(MathF.ScaleB(weights[i], format.Fraction) * fine[channel] * Math.Sign(gain));
        }

        List<string> inputs = [to.Value(node.Inputs[0]), Weight(to, node, levels, shape, scales)];
        if (WholeBias(to, node, bias, scales) is { } whole) OnnxNodes.WriteLayer(to, node, [.. inputs, whole]);
        else OnnxNodes.WriteLayer(to, node, inputs, FloatBias(to, node, bias));
    }

    /// <summary>
    /// ONNX Runtime 1.31 moves QuantizeLinear of signed bytes behind what keeps values, makes them unsigned there and then refuses them from
    /// operator set 21 on ("output_dtype INT8 does not match y_zero_point type UINT8"). With weights of 4 and 2 bits it computes in floats anyway.
    /// </summary>
    private bool Misread(Quantize node) => _type != OnnxWeightType.Int8 && node.Signed && _rounded.Readers(node).Any(ActivationPoints.Keeps);

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
    /// What each channel's weights are multiplied by, its step size being as much smaller: the factor with which the bias is nearest to a whole
    /// number of sums, and of those the largest. Without batch norm, one for all channels.
    /// </summary>
    private int[] Fineness(Node node, WeightFormat format, double[] gains, double[] bias)
    {
        if (_type != OnnxWeightType.Int8 || _rounded.Before(node.Inputs[0]) is not { } input) return [.. Enumerable.Repeat(1, gains.Length)];
        var factors = Enumerable.Range(1, RoundingTies.Finest(format.MaxLevel)).Reverse().ToArray();
        var unit = Math.ScaleB(format.StepSize, -input.Fraction);
        if (_normOf.ContainsKey(node.Name)) return [.. gains.Zip(bias, (gain, value) => factors.MinBy(factor => Lost(gain, value, factor)))];
        return [.. Enumerable.Repeat(factors.MinBy(factor => gains.Zip(bias, (gain, value) => Lost(gain, value, factor)).Max()), gains.Length)];

        // What rounding the bias costs, in millionths of a sum: less is the noise of its float numbers.
        double Lost(double gain, double value, int factor)
        {
            var sums = gain == 0 ? 0 : value / (Math.Abs(gain) * unit);
            return Math.Round(Math.Abs((Math.Round(sums * factor) / factor) - sums) * 1e6);
        }
    }

    /// <summary>
    /// A bias in steps of the layer's sums, with which the runtime computes the layer on integers; null where that would lose something
    /// that the layer's output could show, and where the runtime makes floats of the weights anyway.
    /// </summary>
    private string? WholeBias(OnnxGraphWriter to, Node node, double[] bias, float[] scales)
    {
        Node last = _normOf.TryGetValue(node.Name, out var norm) ? norm : node;
        if (_type != OnnxWeightType.Int8 || _rounded.Before(node.Inputs[0]) is not { } input || _rounded.After(last) is not { } point) return null;
        var steps = Array.ConvertAll(scales, scale => MathF.ScaleB(scale, -input.Fraction));
        var numbers = bias.Select((value, c) => Math.Round(value / steps[c])).ToArray();
        var lost = numbers.Select((number, c) => Math.Abs((number * steps[c]) - bias[c])).Max();
        if (lost > Math.ScaleB(MostLost, -point.Fraction) || numbers.Any(number => Math.Abs(number) >= int.MaxValue)) return null;
        var whole = to.Constant(Messages.Tensor(to.NewName($"{node.Name}.bias.whole"), [.. numbers.Select(number => (int)number)], numbers.Length));
        var scale = to.Constant(Messages.Tensor(to.NewName($"{node.Name}.bias.scale"), steps, steps.Length));
        return to.Append("DequantizeLinear", $"{node.Name}.bias.dequantized", [whole, scale], Messages.Attribute("axis", 0));
    }

    /// <summary>A bias that a separate node adds, because runtimes would round the layer's own bias to steps of the sums.</summary>
    private static string FloatBias(OnnxGraphWriter to, Node node, double[] bias) => to.Constant(Messages.Tensor(
        to.NewName($"{node.Name}.bias.float"), Array.ConvertAll(bias, value => (float)value), node is Conv2d ? [bias.Length, 1, 1] : [bias.Length]));

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
