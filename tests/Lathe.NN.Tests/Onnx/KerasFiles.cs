using System.Text.Json;
using Lathe.Contracts;
using Lathe.Graph;
using Lathe.Graph.Onnx;
using Lathe.NN.Execution;
using Lathe.NN.Onnx;
using Lathe.NN.Runtime;
using PureHDF;
using static TorchSharp.torch;

namespace Lathe.NN.Tests.Onnx;

/// <summary>HDF5 files as <c>model.save("net.h5")</c> of Keras 2 and 3 writes them.</summary>
[Trait("oneDNN", "on and off")]
public sealed class KerasFiles
{
    public KerasFiles() => TorchRuntime.Configure(1);

    [Theory]
    [InlineData(2)]
    [InlineData(3)]
    public void A_functional_model_computes_what_its_layers_say(int version)
    {
        var keras = new Keras(version);
        keras.Input(7, 6, 2);
        keras.Layer("Rescaling", "scale", new { scale = 0.5, offset = -0.25 });
        keras.Layer("Conv2D", "conv", new { strides = new[] { 2, 1 }, padding = "same", use_bias = false, activation = "linear" }, ("kernel", [3, 2, 2, 3]));
        keras.Layer("BatchNormalization", "norm", new { axis = new[] { 3 }, epsilon = 0.001, scale = 1, center = true }, ("gamma", [3]), ("beta", [3]), ("moving_mean", [3]), ("moving_variance", [3]));
        keras.Layer("Activation", "act", new { activation = "relu" });
        keras.Layer("DepthwiseConv2D", "depth", new { strides = new[] { 1, 1 }, padding = "valid", use_bias = true, activation = "relu" }, (version == 2 ? "depthwise_kernel" : "kernel", [2, 2, 3, 2]), ("bias", [6]));
        keras.Layer("Flatten", "flat", new { });
        keras.Layer("Dense", "fc", new { use_bias = true, activation = "softmax" }, ("kernel", [3 * 5 * 6, 4]), ("bias", [4]));
        var network = OnnxImport.Read(keras.File(), "net.h5", "net");
        Assert.Equal(new TensorShape(2, 7, 6), network.Graph.Input);
        Assert.True(network.IsChannelsLast);
        Assert.Equal(["scale", "conv", "norm", "act", "depth", "depth_activation", "fc"], network.Graph.Nodes.Where(node => node is not Flatten).Select(node => node.Name));

        using var scope = NewDisposeScope();
        var x = randn([2, 7, 6, 2], generator: new Generator(1));
        using var module = GraphModule.FromTensors(network.Graph, network.ToCheckpoint().Tensors);
        var actual = network.WithEnd(module.Forward(x.permute(0, 3, 1, 2).contiguous(), training: false)).contiguous().data<float>().ToArray();
        var expected = Computed(keras, x.contiguous().data<float>().ToArray(), version);
        Assert.Equal(8, actual.Length);
        Assert.True(expected.Zip(actual, (a, b) => Math.Abs(a - b)).Max() < 1e-5, $"{string.Join(' ', actual)}; expected {string.Join(' ', expected)}");
    }

    [Fact]
    public void Layers_within_layers_and_branches_are_read()
    {
        var keras = new Keras(2);
        keras.Input(6, 6, 3);
        keras.Layer("SeparableConv2D", "separable", new { strides = new[] { 1, 1 }, padding = "same", use_bias = true, activation = "swish" }, ("depthwise_kernel", [3, 3, 3, 1]), ("pointwise_kernel", [1, 1, 3, 4]), ("bias", [4]));
        keras.Layer("GlobalAveragePooling2D", "squeeze", new { keepdims = false });
        keras.Layer("Reshape", "image", new { target_shape = new[] { 1, 1, 4 } });
        keras.Layer("Conv2D", "excite", new { strides = new[] { 1, 1 }, padding = "same", use_bias = true, activation = "sigmoid" }, ("kernel", [1, 1, 4, 4]), ("bias", [4]));
        keras.Layer("Multiply", "scale", new { }, ["separable", "excite"]);
        keras.Layer("ZeroPadding2D", "border", new { padding = new[] { new[] { 0, 1 }, [1, 2] } });
        keras.Layer("MaxPooling2D", "pool", new { pool_size = new[] { 2, 3 }, padding = "valid" });
        keras.Layer("ReLU", "six", new { max_value = 6.0, negative_slope = 0.0, threshold = 0.0 });
        keras.Layer("PReLU", "slope", new { shared_axes = new[] { 1, 2 } }, ("alpha", [1, 1, 4]));
        keras.Layer("Flatten", "flat", new { });
        keras.Layer("BatchNormalization", "norm", new { axis = new[] { 1 }, epsilon = 0.001 }, ("gamma", [36]), ("beta", [36]), ("moving_mean", [36]), ("moving_variance", [36]));
        keras.Layer("Dense", "fc", new { use_bias = true }, ("kernel", [36, 3]), ("bias", [3]));
        var network = OnnxImport.Read(keras.File(), "net.h5", "net");
        Assert.Equal(["separable", "separable_pointwise", "excite"], network.Graph.Nodes.OfType<Conv2d>().Select(conv => conv.Name));
        Assert.Equal((new Extent(2, 3), new Border(0, 1, 1, 2)), (network.Graph.Nodes.OfType<MaxPool2d>().Single().Kernel, network.Graph.Nodes.OfType<Pad>().Single().Border));
        Assert.Equal(["Silu", "Sigmoid", "Relu6"], network.Graph.Nodes.OfType<Activation>().Select(node => node.Kind.ToString()));
        // Feature c·H·W + y·W + x of the network is number (y·W + x)·C + c in the file.
        var gamma = keras.Weights["norm/gamma"];
        Assert.Equal([gamma[0], gamma[4], gamma[8]], network.Values["norm.weight"].Take(3));
    }

    [Theory]
    [InlineData("LSTM", "LSTM 'odd' (no such layer here)")]
    [InlineData("activation", "Conv2D 'odd' (its activation is 'tanh'; expected relu")]
    [InlineData("causal", "Conv2D 'odd' (its padding is 'causal'; expected same or valid)")]
    [InlineData("weight", "Conv2D 'odd' (the file has no weight kernel of it)")]
    [InlineData("twice", "Conv2D 'odd' (it is used 2 times")]
    public void What_is_not_read_is_named(string what, string message)
    {
        var keras = new Keras(2);
        keras.Input(6, 6, 3);
        (string, int[])[] weights = what == "weight" ? [] : [("kernel", [1, 1, 3, 4])];
        keras.Layer(what == "LSTM" ? what : "Conv2D", "odd", new { strides = new[] { 1, 1 }, padding = what == "causal" ? what : "valid", use_bias = false, activation = what == "activation" ? "tanh" : "relu" }, weights);
        if (what == "twice") keras.UseAgain();
        keras.Layer("GlobalAveragePooling2D", "mean", new { });
        Assert.Contains(message, Assert.Throws<LatheException>(() => OnnxImport.Read(keras.File(), "net.h5", "net")).Message, StringComparison.Ordinal);
    }

    /// <summary>Every file is read or refused in words, in time and memory of its length.</summary>
    [Fact]
    public void Damaged_files_are_refused_in_words()
    {
        var keras = new Keras(2);
        keras.Input(6, 6, 3);
        keras.Layer("Conv2D", "conv", new { strides = new[] { 1, 1 }, padding = "valid", use_bias = false }, ("kernel", [1, 1, 3, 4]));
        keras.Layer("GlobalAveragePooling2D", "mean", new { });
        var file = keras.File();
        var random = new Random(7);
        var refused = 0;
        for (var i = 0; i < 1500; i++)
        {
            var damaged = i < 300 ? file[..(i * file.Length / 300)] : (byte[])file.Clone();
            for (var changes = i < 300 ? 0 : random.Next(1, 6); changes > 0; changes--) damaged[random.Next(8, damaged.Length)] = (byte)random.Next(256);
            try
            {
                GraphValidation.Check(OnnxImport.Read(damaged, "damaged.h5", "damaged").Graph);
            }
            catch (LatheException fault)
            {
                refused++;
                Assert.StartsWith("damaged.h5 cannot be imported: ", fault.Message, StringComparison.Ordinal);
            }
        }

        Assert.InRange(refused, 300, 1500);
    }

    /// <summary>The first test's model, number by number, with the channels last.</summary>
    private static float[] Computed(Keras keras, float[] x, int version)
    {
        var (w, d, fc) = (keras.Weights["conv/kernel"], keras.Weights[version == 2 ? "depth/depthwise_kernel" : "depth/kernel"], keras.Weights["fc/kernel"]);
        var result = new List<float>();
        for (var image = 0; image < 2; image++)
        {
            // Same padding at stride 2 of 7 rows by 3: one above and below; of 6 columns by 2: one behind.
            var first = new double[4, 6, 3];
            for (var (y, column, o) = (0, 0, 0); y < 4; (y, column, o) = o < 2 ? (y, column, o + 1) : column < 5 ? (y, column + 1, 0) : (y + 1, 0, 0))
            {
                var sum = 0.0;
                for (var i = 0; i < 12; i++)
                {
                    var (ky, kx, c) = (i / 4, i / 2 % 2, i % 2);
                    var (py, px) = ((2 * y) + ky - 1, column + kx);
                    if (py is >= 0 and < 7 && px < 6) sum += ((x[(((((image * 7) + py) * 6) + px) * 2) + c] * 0.5) - 0.25) * w[(i * 3) + o];
                }

                var normal = (sum - keras.Weights["norm/moving_mean"][o]) / Math.Sqrt(keras.Weights["norm/moving_variance"][o] + 0.001);
                first[y, column, o] = Math.Max(0, (normal * keras.Weights["norm/gamma"][o]) + keras.Weights["norm/beta"][o]);
            }

            var logits = keras.Weights["fc/bias"].Select(value => (double)value).ToArray();
            for (var feature = 0; feature < 90; feature++)
            {
                var (y, column, channel) = (feature / 30, feature / 6 % 5, feature % 6);
                var sum = (double)keras.Weights["depth/bias"][channel];
                for (var k = 0; k < 4; k++) sum += first[y + (k / 2), column + (k % 2), channel / 2] * d[(k * 6) + channel];
                for (var o = 0; o < 4; o++) logits[o] += Math.Max(0, sum) * fc[(feature * 4) + o];
            }

            var total = logits.Sum(Math.Exp);
            result.AddRange(logits.Select(logit => (float)(Math.Exp(logit) / total)));
        }

        return [.. result];
    }

    /// <summary>Writes a functional model layer by layer, each reading the one before unless told otherwise.</summary>
    private sealed class Keras(int version)
    {
        private readonly List<object> _layers = [];
        private readonly List<(string Layer, string Weight, int[] Shape)> _weights = [];
        private readonly Random _random = new(5);
        private string _last = "";
        private bool _again;

        public Dictionary<string, float[]> Weights { get; } = [];

        public void Input(params int[] shape)
        {
            int?[] all = [null, .. shape];
            object config = version == 2 ? new { batch_input_shape = all, name = "x" } : new { batch_shape = all, name = "x" };
            _layers.Add(new { class_name = "InputLayer", config, name = "x", inbound_nodes = Array.Empty<object>() });
            _last = "x";
        }

        public void UseAgain() => _again = true;

        public void Layer(string type, string name, object config, params (string Name, int[] Shape)[] weights) => Layer(type, name, config, [_last], weights);

        public void Layer(string type, string name, object config, string[] from, params (string Name, int[] Shape)[] weights)
        {
            var settings = JsonSerializer.SerializeToNode(config)!.AsObject();
            settings["name"] = name;
            object Tensor(string of) => version == 2
                ? new object[] { of, 0, 0, new { } }
                : new { class_name = "__keras_tensor__", config = new { keras_history = new object[] { of, 0, 0 }, dtype = "float32" } };
            object call = version == 2 ? from.Select(Tensor).ToArray() : new { args = new[] { from.Select(Tensor).ToArray() }, kwargs = new { } };
            _layers.Add(new { class_name = type, config = settings, name, inbound_nodes = new[] { call } });
            foreach (var (weight, shape) in weights)
            {
                var isPositive = weight is "moving_variance" or "gamma";
                Weights.Add($"{name}/{weight}", [.. Enumerable.Range(0, shape.Aggregate(1, (a, b) => a * b)).Select(_ => (float)((_random.NextDouble() * (isPositive ? 1 : 2)) + (isPositive ? 0.5 : -1)))]);
                _weights.Add((name, weight, shape));
            }

            _last = name;
        }

        public byte[] File()
        {
            var layers = _layers.ConvertAll(layer => JsonSerializer.SerializeToNode(layer)!);
            if (_again) layers.Find(layer => (string)layer["name"]! == "odd")!["inbound_nodes"]!.AsArray().Add(JsonSerializer.SerializeToNode(new object[] { new object[] { "x", 0, 0, new { } } }));
            var model = new { class_name = "Functional", config = new { name = "net", layers, input_layers = new object[] { new object[] { "x", 0, 0 } }, output_layers = new object[] { new object[] { _last, 0, 0 } } } };
            var root = new H5Group();
            foreach (var layer in layers.Select(layer => (string)layer["name"]!))
            {
                var own = _weights.FindAll(weight => weight.Layer == layer);
                var inner = new H5Group();
                foreach (var (_, weight, shape) in own) inner[$"{weight}:0"] = new H5Dataset(Weights[$"{layer}/{weight}"], fileDims: [.. shape.Select(extent => (ulong)extent)]);
                var group = new H5Group { [layer] = inner };
                group.Attributes["weight_names"] = own.Count > 0 ? own.Select(weight => $"{layer}/{weight.Weight}:0").ToArray() : Array.Empty<double>();
                root[layer] = group;
            }

            var file = new H5File { ["model_weights"] = root };
            file.Attributes["model_config"] = JsonSerializer.Serialize(model);
            file.Attributes["keras_version"] = version == 2 ? "2.14.0" : "3.4.1";
            using var to = new MemoryStream();
            file.Write(to);
            return to.ToArray();
        }
    }
}
