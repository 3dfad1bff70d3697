using System.Text.Json;
using Google.Protobuf;
using Lathe.Contracts;
using Lathe.Graph.Onnx;
using Lathe.Graph.Onnx.Format;

namespace Lathe.Graph.Keras;

/// <content>Each layer of Keras as nodes of ONNX.</content>
internal sealed partial class KerasGraph
{
    private Value Layer(Reading layer, List<Value> inputs)
    {
        var x = inputs[0];
        switch (layer.Type)
        {
            case "Conv2D" or "Conv1D": return Activated(layer, Conv(layer, x, "kernel", isDepthwise: false, "bias"));
            case "DepthwiseConv2D": return Activated(layer, Conv(layer, x, layer.Has("depthwise_kernel") ? "depthwise_kernel" : "kernel", isDepthwise: true, "bias"));
            case "SeparableConv2D":
                var spread = Conv(layer, x, "depthwise_kernel", isDepthwise: true, null);
                return Activated(layer, Pointwise(layer, spread));
            case "Dense": return Activated(layer, Dense(layer, x));
            case "BatchNormalization": return Normalize(layer, x);
            case "Activation": return Activated(layer, x);
            case "ReLU": return Rectified(layer, x);
            case "LeakyReLU":
                return x with { Name = Append("LeakyRelu", layer.Name, [x.Name], OnnxMessages.Attribute("alpha", (float)layer.Number("alpha", layer.Number("negative_slope", 0.3)))) };
            case "PReLU":
                var slopes = layer.Weight("alpha");
                if (slopes.Shape.SkipLast(1).Any(extent => extent != 1)) throw new LatheException("it has a slope for each pixel; expected one for each channel (shared_axes=[1, 2])");
                return x with { Name = Append("PRelu", layer.Name, [x.Name, Constant($"{layer.Name}.weight", slopes.Values, ForChannels(x, slopes.Values.Length))]) };
            case "Softmax": return Softmax(layer, x);
            case "MaxPooling2D" or "MaxPooling1D": return Pool(layer, x, "MaxPool");
            case "AveragePooling2D" or "AveragePooling1D": return Pool(layer, x, "AveragePool");
            case "GlobalAveragePooling2D" or "GlobalAveragePooling1D":
                Require(x, layer.Type.EndsWith("2D", StringComparison.Ordinal) ? 4 : 3);
                var mean = x with { Name = Append("GlobalAveragePool", layer.Name, [x.Name]) };
                return layer.Flag("keepdims", false) ? mean : new Value(Append("Flatten", $"{layer.Name}/flatten", [mean.Name], OnnxMessages.Attribute("axis", 1)), 2);
            case "Flatten": return x.Rank == 2 ? x : new Value(Append("Flatten", layer.Name, [Last(x, layer.Name)], OnnxMessages.Attribute("axis", 1)), 2);
            case "Reshape":
                long[] target = [0, .. layer.Integers("target_shape", 1, 3)];
                return First(new Value(Append("Reshape", layer.Name, [Last(x, layer.Name), Whole($"{layer.Name}/shape", target)]), target.Length), layer.Name);
            case "ZeroPadding2D": return Padded(layer, x);
            case "Add": return Joined("Sum");
            case "Multiply": return inputs.Count == 2 ? Joined("Mul") : throw new LatheException($"it multiplies {inputs.Count} tensors; expected 2");
            case "Concatenate":
                var axis = layer.Integer("axis", -1);
                if (axis != -1 && axis != x.Rank - 1) throw new LatheException($"it joins along axis {axis}; expected the channels");
                return Joined("Concat", OnnxMessages.Attribute("axis", 1));
            case "Rescaling":
                var scaled = Append("Mul", $"{layer.Name}", [x.Name, Constant($"{layer.Name}/scale", [(float)layer.Number("scale", 1)])]);
                return x with { Name = layer.Number("offset", 0) is var offset && offset != 0 ? Append("Add", $"{layer.Name}/offset", [scaled, Constant($"{layer.Name}/offset", [(float)offset])]) : scaled };
            case "Normalization": return Standardized(layer, x);
            case "Dropout": return x with { Name = Append("Dropout", layer.Name, [x.Name, Constant($"{layer.Name}/rate", [(float)layer.Number("rate", 0.5)])]) };
            // They do something in training alone, which Lathe's own data have in their place.
            case "SpatialDropout2D" or "SpatialDropout1D" or "GaussianNoise" or "GaussianDropout" or "ActivityRegularization"
                or "RandomFlip" or "RandomRotation" or "RandomZoom" or "RandomTranslation" or "RandomContrast" or "RandomBrightness":
                return x;
            default: throw new LatheException("no such layer here");
        }

        Value Joined(string operation, params AttributeProto[] attributes) => inputs.TrueForAll(value => value.Rank == x.Rank)
            ? x with { Name = Append(operation, layer.Name, [.. inputs.Select(value => value.Name)], attributes) }
            : throw new LatheException("it joins tensors of several ranks");
    }

    private static void Require(Value x, int rank)
    {
        if (x.Rank != rank) throw new LatheException($"it reads a tensor of {x.Rank} axes; expected {rank}");
    }

    /// <summary>Extents of a constant that has a number for each channel.</summary>
    private static long[] ForChannels(Value x, int channels) => x.Rank switch { 4 => [channels, 1, 1], 3 => [channels, 1], _ => [channels] };

    private Value Conv(Reading layer, Value x, string kernel, bool isDepthwise, string? bias)
    {
        var weight = layer.Weight(kernel);
        var is1d = x.Rank == 3;
        Require(x, layer.Type.EndsWith("1D", StringComparison.Ordinal) ? 3 : 4);
        // [height, width, in / groups, out], or of sequences without height; depthwise [height, width, in, multiplier].
        if (weight.Shape.Length != x.Rank) throw new LatheException($"its kernel has {weight.Shape.Length} extents; expected {x.Rank}");
        var (high, wide, read, made) = (is1d ? 1 : weight.Shape[0], weight.Shape[^3], weight.Shape[^2], weight.Shape[^1]);
        var values = new float[weight.Values.Length];
        var pixels = high * wide;
        for (var i = 0; i < values.Length; i++)
        {
            var (pixel, c, o) = (i / (read * made), i / made % read, i % made);
            values[isDepthwise ? (((c * made) + o) * pixels) + pixel : (((o * read) + c) * pixels) + pixel] = weight.Values[i];
        }

        var (filters, each) = isDepthwise ? (read * made, 1) : (made, read);
        List<string> inputs = [x.Name, Constant($"{layer.Name}.weight", values, is1d ? [filters, each, wide] : [filters, each, high, wide])];
        if (bias is not null && layer.Flag("use_bias", true)) inputs.Add(Vector(layer, bias, filters));
        return x with
        {
            Name = Append(
                "Conv", layer.Name, inputs, OnnxMessages.Attribute("strides", layer.Integers("strides", 1, x.Rank - 2)), OnnxMessages.Attribute("dilations", layer.Integers("dilation_rate", 1, x.Rank - 2)),
                OnnxMessages.Attribute("group", isDepthwise ? read : layer.Integer("groups", 1)), layer.Padding()),
        };
    }

    private Value Pointwise(Reading layer, Value x)
    {
        var weight = layer.Weight("pointwise_kernel");
        if (weight.Shape is not [1, 1, var read, var made]) throw new LatheException("its pointwise kernel is not [1, 1, in, out]");
        var values = new float[weight.Values.Length];
        for (var i = 0; i < values.Length; i++) values[((i % made) * read) + (i / made)] = weight.Values[i];
        List<string> inputs = [x.Name, Constant($"{layer.Name}_pointwise.weight", values, made, read, 1, 1)];
        if (layer.Flag("use_bias", true)) inputs.Add(Vector(layer, "bias", made));
        return x with { Name = Append("Conv", $"{layer.Name}_pointwise", inputs) };
    }

    private Value Dense(Reading layer, Value x)
    {
        Require(x, 2);
        var weight = layer.Weight("kernel");
        if (weight.Shape is not [var read, var made]) throw new LatheException($"its kernel has {weight.Shape.Length} extents; expected 2");
        var values = new float[weight.Values.Length];
        for (var i = 0; i < values.Length; i++) values[((i % made) * read) + (i / made)] = weight.Values[i];
        List<string> inputs = [x.Name, Constant($"{layer.Name}.weight", values, made, read)];
        if (layer.Flag("use_bias", true)) inputs.Add(Vector(layer, "bias", made));
        return new Value(Append("Gemm", layer.Name, inputs, OnnxMessages.Attribute("transB", 1)), 2);
    }

    private Value Normalize(Reading layer, Value x)
    {
        var axis = layer.Integers("axis", -1, 1);
        if (axis[0] != -1 && axis[0] != x.Rank - 1) throw new LatheException($"it normalizes along axis {axis[0]}; expected the channels, which come last");
        var mean = layer.Weight("moving_mean").Values;
        string[] inputs =
        [
            x.Name,
            layer.Flag("scale", true) ? Vector(layer, "gamma", mean.Length, "weight") : Constant($"{layer.Name}.weight", [.. Enumerable.Repeat(1f, mean.Length)], mean.Length),
            layer.Flag("center", true) ? Vector(layer, "beta", mean.Length) : Constant($"{layer.Name}.bias", new float[mean.Length], mean.Length),
            Vector(layer, "moving_mean", mean.Length, "running_mean"),
            Vector(layer, "moving_variance", mean.Length, "running_var"),
        ];
        return x with
        {
            Name = Append(
                "BatchNormalization", layer.Name, inputs, OnnxMessages.Attribute("epsilon", (float)layer.Number("epsilon", 1e-3)), OnnxMessages.Attribute("momentum", (float)layer.Number("momentum", 0.99))),
        };
    }

    private string Vector(Reading layer, string weight, int length, string name = "bias")
    {
        var values = layer.Weight(weight).Values;
        return values.Length == length ? Constant($"{layer.Name}.{name}", values, length) : throw new LatheException($"its {weight} has {values.Length} values; expected {length}");
    }

    private Value Pool(Reading layer, Value x, string operation)
    {
        var axes = layer.Type.EndsWith("1D", StringComparison.Ordinal) ? 1 : 2;
        Require(x, axes + 2);
        var window = layer.Integers("pool_size", 2, axes);
        return x with
        {
            Name = Append(operation, layer.Name, [x.Name], OnnxMessages.Attribute("kernel_shape", window), OnnxMessages.Attribute("strides", layer.Integers("strides", 0, axes, window)), layer.Padding()),
        };
    }

    private Value Padded(Reading layer, Value x)
    {
        Require(x, 4);
        var sides = layer.Sides();
        return x with { Name = Append("Pad", layer.Name, [x.Name, Whole($"{layer.Name}/pads", 0, 0, sides[0], sides[2], 0, 0, sides[1], sides[3])]) };
    }

    private Value Rectified(Reading layer, Value x)
    {
        var (most, slope, threshold) = (layer.Number("max_value", double.PositiveInfinity), layer.Number("negative_slope", 0), layer.Number("threshold", 0));
        if (threshold != 0 || (slope != 0 && double.IsFinite(most))) throw new LatheException($"its threshold is {threshold}, its slope {slope} and its limit {most}; expected ReLU, ReLU6 or a slope alone");
        if (slope != 0) return x with { Name = Append("LeakyRelu", layer.Name, [x.Name], OnnxMessages.Attribute("alpha", (float)slope)) };
        return x with { Name = double.IsFinite(most) ? Clipped(layer, x, most) : Append("Relu", layer.Name, [x.Name]) };
    }

    private string Clipped(Reading layer, Value x, double most) =>
        Append("Clip", layer.Name, [x.Name, Constant($"{layer.Name}/least", [0f]), Constant($"{layer.Name}/most", [(float)most])]);

    private Value Standardized(Reading layer, Value x)
    {
        if (layer.Flag("invert", false)) throw new LatheException("it is inverted");
        var (mean, variance) = (layer.Weight("mean").Values, layer.Weight("variance").Values);
        if (mean.Length != variance.Length) throw new LatheException($"it has {mean.Length} means and {variance.Length} variances");
        var shape = mean.Length == 1 ? [1] : ForChannels(x, mean.Length);
        var centred = Append("Sub", layer.Name, [x.Name, Constant($"{layer.Name}/mean", mean, shape)]);
        return x with { Name = Append("Div", $"{layer.Name}/deviation", [centred, Constant($"{layer.Name}/deviation", [.. variance.Select(value => MathF.Max(MathF.Sqrt(value), 1e-7f))], shape)]) };
    }

    private Value Softmax(Reading layer, Value x)
    {
        Require(x, 2);
        return x with { Name = Append("Softmax", $"{layer.Name}/softmax", [x.Name], OnnxMessages.Attribute("axis", 1)) };
    }

    /// <summary>The tensor with the activation that is part of its layer.</summary>
    private Value Activated(Reading layer, Value x)
    {
        var name = layer.Type == "Activation" ? layer.Name : $"{layer.Name}_activation";
        return layer.Activation() switch
        {
            "linear" => x,
            "relu" => Made("Relu"),
            "relu6" => x with { Name = Append("Clip", name, [x.Name, Constant($"{name}/least", [0f]), Constant($"{name}/most", [6f])]) },
            "sigmoid" => Made("Sigmoid"),
            "softmax" => Softmax(layer, x),
            "swish" or "silu" => x with { Name = Append("Mul", name, [x.Name, Append("Sigmoid", $"{name}/sigmoid", [x.Name])]) },
            "hard_swish" or "hard_silu" => Made("HardSwish"),
            "hard_sigmoid" => Made("HardSigmoid", OnnxMessages.Attribute("alpha", _file.Version < 3 ? 0.2f : 1 / 6f)),
            "leaky_relu" => Made("LeakyRelu", OnnxMessages.Attribute("alpha", 0.2f)),
            var other => throw new LatheException($"its activation is '{OnnxText.Short(other)}'; expected relu, relu6, sigmoid, softmax, silu, hard_silu, hard_sigmoid, leaky_relu or none"),
        };

        Value Made(string operation, params AttributeProto[] attributes) => x with { Name = Append(operation, name, [x.Name], attributes) };
    }

    /// <summary>A layer's settings and weights.</summary>
    private sealed class Reading(KerasGraph graph, JsonElement settings, string type, string name, string group)
    {
        public string Type => type;

        public string Name => name;

        public KerasWeight Weight(string weight) => graph._file.Weight(group, name, weight) ?? throw new LatheException($"the file has no weight {weight} of it");

        public bool Has(string weight) => graph._file.Weight(group, name, weight) is not null;

        public bool Flag(string key, bool usual) => settings.TryGetProperty(key, out var value) ? value.ValueKind switch
        {
            JsonValueKind.True => true,
            JsonValueKind.False => false,
            // Keras 2.14 writes 1 for some.
            JsonValueKind.Number => value.GetDouble() != 0,
            _ => usual,
        } : usual;

        public double Number(string key, double usual) => settings.TryGetProperty(key, out var value) ? value.ValueKind switch
        {
            JsonValueKind.Number => value.GetDouble(),
            JsonValueKind.Null => usual,
            // numpy's numbers.
            JsonValueKind.Object when value.TryGetProperty("config", out var inner) && inner.TryGetProperty("value", out var number) && number.ValueKind == JsonValueKind.Number => number.GetDouble(),
            _ => throw new LatheException($"its {key} is {OnnxText.Short(value.GetRawText())}; expected one number"),
        } : usual;

        public long Integer(string key, long usual) => settings.TryGetProperty(key, out var value) && value.ValueKind == JsonValueKind.Number ? value.GetInt64() : usual;

        /// <summary>Numbers for the axes; one stands for all.</summary>
        public long[] Integers(string key, long usual, int count, long[]? absent = null)
        {
            if (!settings.TryGetProperty(key, out var value) || value.ValueKind == JsonValueKind.Null) return absent ?? [.. Enumerable.Repeat(usual, count)];
            if (value.ValueKind == JsonValueKind.Number) return [.. Enumerable.Repeat(value.GetInt64(), count)];
            long[] numbers = [.. value.EnumerateArray().Select(item => item.GetInt64())];
            return numbers.Length == count || key == "target_shape" ? numbers : throw new LatheException($"its {key} is {OnnxText.Short(value.GetRawText())}; expected {count} numbers");
        }

        /// <summary>Rows above and below, columns before and behind.</summary>
        public long[] Sides()
        {
            var value = settings.GetProperty("padding");
            if (value.ValueKind == JsonValueKind.Number) return [.. Enumerable.Repeat(value.GetInt64(), 4)];
            long[] sides = [.. value.EnumerateArray().SelectMany(side => side.ValueKind == JsonValueKind.Array ? side.EnumerateArray().Select(item => item.GetInt64()) : [side.GetInt64(), side.GetInt64()])];
            return sides.Length == 4 ? sides : throw new LatheException($"its padding is {OnnxText.Short(value.GetRawText())}; expected two for rows and two for columns");
        }

        public AttributeProto Padding()
        {
            if (Text(settings, "data_format") is var order && order is not ("" or "channels_last")) throw new LatheException($"its data_format is {OnnxText.Short(order)}; expected channels_last");
            var padding = Text(settings, "padding");
            return new AttributeProto
            {
                Name = "auto_pad",
                Type = AttributeProto.Types.AttributeType.String,
                S = ByteString.CopyFromUtf8(padding switch
                {
                    "same" => OnnxAttributes.SameFromFirst,
                    "valid" or "" => "VALID",
                    _ => throw new LatheException($"its padding is '{OnnxText.Short(padding)}'; expected same or valid"),
                }),
            };
        }

        public string Activation()
        {
            if (!settings.TryGetProperty("activation", out var value) || value.ValueKind == JsonValueKind.Null) return "linear";
            if (value.ValueKind == JsonValueKind.String) return value.GetString()!;
            // A function of its own, or a registered one.
            return Text(value, "config") is { Length: > 0 } function ? function : Text(value, "class_name");
        }
    }
}
