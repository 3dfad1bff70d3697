using Google.Protobuf;
using Lathe.Contracts;
using Lathe.Graph;
using Lathe.Graph.Onnx;
using Lathe.Graph.Onnx.Format;
using Lathe.Graph.Tests.Onnx;
using Lathe.NN.Runtime;

namespace Lathe.NN.Tests.Onnx;

/// <summary>An imported network computes what ONNX Runtime computes from the same file, or it is refused.</summary>
[Trait("oneDNN", "on and off")]
public sealed class Importing_what_ONNX_Runtime_computes
{
    public Importing_what_ONNX_Runtime_computes() => TorchRuntime.Configure(1);

    public static TheoryData<string, string> Shared
    {
        get
        {
            var data = new TheoryData<string, string>();
            foreach (var alias in (string[])["none", "Identity", "Reshape", "Dropout", "Cast", "Identity Identity", "output"])
            {
                foreach (var constant in (string[])["Add", "Add first", "Sub", "Mul", "Div", "Add scalar", "Mul Add"]) data.Add(alias, constant);
            }

            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Shared))]
    public void A_constant_on_a_value_that_is_read_elsewhere_too_stays_out_of_the_layer(string alias, string constant)
    {
        foreach (var layer in (string[])["Conv", "BatchNormalization", "Gemm", "Relu"])
        {
            var net = new HandMade(17, 2, 2, 5, 5).Conv("first", 2, 3);
            if (layer == "BatchNormalization") Normalize(net, 3);
            if (layer == "Relu") net.Then("Relu");
            if (layer == "Gemm") net.Then("Flatten").Then("Gemm", [net.Floats("g.weight", 27, 3), net.Floats("g.bias", 3)]);
            var shared = net.Last;
            foreach (var kind in alias.Split(' ')) Alias(net, kind, layer == "Gemm" ? [-1, 3] : [0, 3, 3, 3]);
            Constant(net, constant, layer == "Gemm" ? [3] : [3, 1, 1]);
            var one = net.Then("Relu").Last;
            net.Of("Sigmoid", [shared]).Then("Mul", [one]);
            if (layer != "Gemm") net.Then("GlobalAveragePool").Then("Flatten");
            Compare(net, [2, 2, 5, 5], $"{alias}, {constant}, {layer}");
        }
    }

    [Fact]
    public void A_constant_on_a_value_that_is_the_output_too_stays_out_of_the_layer()
    {
        // The output is made before its other reader.
        var net = new HandMade(17, 2, 2, 5, 5).Conv("first", 2, 3).Then("Flatten").Then("Gemm", [HandMadeWeight(out var values), "b"]);
        net.Values("w", values, 27, 3);
        net.Floats("b", 3);
        var logits = net.Last;
        net.Of("Identity", [logits]).Then("Add", [net.Floats("c", 3)]).Of("Identity", [logits]);
        Compare(net, [2, 2, 5, 5], "output");

        static string HandMadeWeight(out float[] values)
        {
            values = [.. Enumerable.Range(0, 81).Select(i => MathF.Sin(i))];
            return "w";
        }
    }

    public static TheoryData<string, string, int> Borders
    {
        get
        {
            var data = new TheoryData<string, string, int>();
            foreach (var operation in (string[])["Conv", "AveragePool", "MaxPool"])
            {
                foreach (var mode in (string[])["SAME_UPPER", "SAME_LOWER", "VALID", "NOTSET", "pads"])
                {
                    foreach (var stride in (int[])[1, 2, 3]) data.Add(operation, mode, stride);
                }
            }

            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Borders))]
    public void An_explicit_border_comes_before_what_the_next_node_pads(string operation, string mode, int stride)
    {
        foreach (var border in (long[][])[[1, 1, 1, 1], [2, 2, 2, 2], [0, 0, 1, 1], [1, 0, 2, 0]])
        {
            foreach (var (height, width) in ((int, int)[])[(6, 6), (7, 7), (5, 8)])
            {
                var net = new HandMade(17, 2, 2, height, width);
                net.Then("Pad", [net.Whole("pads", 0, 0, border[0], border[1], 0, 0, border[2], border[3])]);
                var strides = HandMade.Ints("strides", stride, stride);
                var kernel = HandMade.Ints("kernel_shape", 3, 3);
                var pad = mode == "pads" ? HandMade.Ints("pads", 1, 1, 1, 1) : HandMade.Text("auto_pad", mode);
                if (operation == "Conv") net.Then("Conv", [net.Floats("w", 3, 2, 3, 3)], kernel, strides, pad);
                else net.Then(operation, [], kernel, strides, pad);
                Finish(net, [2, 2, height, width]);
                Compare(net, [2, 2, height, width], $"{operation} {mode} {stride} of {height} x {width}, border {string.Join(' ', border)}");
            }
        }
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    public void Windows_whose_number_is_rounded_up_count_what_they_reach(int countsPadding)
    {
        foreach (var operation in (string[])["MaxPool", "AveragePool"])
        {
            foreach (var (kernel, stride, pad) in ((int, int, int)[])[(3, 2, 0), (3, 2, 1), (2, 2, 0), (2, 3, 0), (3, 3, 1), (2, 2, 1)])
            {
                for (var extent = 4; extent < 9; extent++)
                {
                    var net = new HandMade(19, 2, 2, extent, 7);
                    AttributeProto[] attributes = [HandMade.Ints("kernel_shape", kernel, kernel), HandMade.Ints("strides", stride, stride), HandMade.Ints("pads", pad, pad, pad, pad), HandMade.Int("ceil_mode", 1)];
                    net.Then(operation, [], operation == "MaxPool" ? attributes : [.. attributes, HandMade.Int("count_include_pad", countsPadding)]);
                    // Shape inference has another number of windows than the runtime in some versions; a mean over them needs none.
                    net.Then("GlobalAveragePool");
                    Finish(net, [2, 2, extent, 7]);
                    Compare(net, [2, 2, extent, 7], $"{operation} {kernel}/{stride} pad {pad} of {extent}");
                }
            }
        }
    }

    public static TheoryData<string> Ways => ["view", "unsqueeze", "index", "expand_as", "expand", "keras", "conv1d", "conv1d last", "mlp", "rows", "image as reshape",
        "GroupNorm", "InstanceNormalization", "LeakyRelu", "PRelu", "PRelu shared", "hard swish 1", "hard swish 2", "hard swish 3", "hard swish 4", "rescaling", "normalization",
        "end sigmoid", "end softmax", "end log softmax", "end image sigmoid", "rectangle", "same even", "slice rows", "relu6 twice"];

    [Theory]
    [MemberData(nameof(Ways))]
    public void Every_way_of_writing_it_is_the_same_network(string way)
    {
        long[] shape = way switch { "keras" or "image as reshape" => [2, 6, 5, 1], "conv1d" => [2, 3, 9], "conv1d last" => [2, 9, 3], "mlp" => [2, 12], "rows" => [2, 6, 5], _ => [2, 2, 6, 5] };
        var net = new HandMade(17, shape);
        switch (way)
        {
            case "view" or "unsqueeze" or "index" or "expand_as" or "expand":
                var image = net.Conv("first", 2, 4).Then("Relu").Last;
                net.Then("GlobalAveragePool").Then("Flatten").Then("Gemm", [net.Floats("g", 4, 4)]).Then("Sigmoid");
                if (way == "view") net.Then("Reshape", [net.Whole("to", 2, 4, 1, 1)]);
                if (way == "unsqueeze") net.Then("Unsqueeze", [net.Whole("axes", 2, 3)]);
                if (way is "index" or "expand_as" or "expand") net.Then("Unsqueeze", [net.Whole("two", 2)]).Then("Unsqueeze", [net.Whole("three", 3)]);
                var scale = net.Last;
                if (way == "expand_as") net.Of("Expand", [scale, net.Of("Shape", [image]).Last]);
                if (way == "expand") net.Then("Expand", [net.Whole("size", 1, 4, 4, 3)]);
                net.Of("Mul", [image, net.Last]);
                break;
            case "keras": net.Then("Transpose", [], HandMade.Ints("perm", 0, 3, 1, 2)).Conv("first", 1, 4).Then("Transpose", [], HandMade.Ints("perm", 0, 2, 3, 1)); break;
            case "image as reshape": net.Then("Reshape", [net.Whole("to", -1, 1, 6, 5)]).Conv("first", 1, 4); break;
            case "rows": net.Then("Unsqueeze", [net.Whole("axes", 1)]).Conv("first", 1, 4); break;
            case "conv1d" or "conv1d last":
                if (way == "conv1d last") net.Then("Transpose", [], HandMade.Ints("perm", 0, 2, 1));
                net.Then("Conv", [net.Floats("w", 4, 3, 3)], HandMade.Ints("pads", 2, 1), HandMade.Ints("strides", 2), HandMade.Ints("dilations", 2)).Then("Relu");
                net.Then("MaxPool", [], HandMade.Ints("kernel_shape", 2), HandMade.Ints("strides", 1));
                break;
            case "mlp": net.Then("Gemm", [net.Floats("g", 12, 7), net.Floats("gb", 7)]).Then("Relu"); break;
            case "GroupNorm":
                net.Conv("first", 2, 4).Then("Reshape", [net.Whole("to", 0, 2, -1)]).Then("InstanceNormalization", [net.Values("one", [1, 1], 2), net.Values("zero", [0, 0], 2)]);
                net.Then("Reshape", [net.Whole("back", 2, 4, 4, 3)]).Then("Mul", [net.Floats("gamma", 4, 1, 1)]).Then("Add", [net.Floats("beta", 4, 1, 1)]);
                break;
            case "InstanceNormalization": net.Conv("first", 2, 4).Then(way, [net.Floats("gamma", 4), net.Floats("beta", 4)]); break;
            case "LeakyRelu": net.Conv("first", 2, 4).Then(way, [], HandMade.Float("alpha", 0.2f)); break;
            case "PRelu": net.Conv("first", 2, 4).Then("PRelu", [net.Floats("slope", 4, 1, 1)]); break;
            case "PRelu shared": net.Conv("first", 2, 4).Then("PRelu", [net.Floats("slope", 1)]); break;
            case "hard swish 1" or "hard swish 2" or "hard swish 3" or "hard swish 4":
                var x = net.Conv("first", 2, 4).Last;
                if (way == "hard swish 4") net.Then("Div", [net.Single("d", 6)]);
                var sixth = net.Last;
                net.Of("Add", [x, net.Single("three", 3)]);
                if (way == "hard swish 2") net.Then("Max", [net.Single("none", 0)]).Then("Min", [net.Single("most", 6)]);
                else if (way == "hard swish 3") net.Then("Relu").Then("Clip", ["", net.Single("most", 6)]);
                else net.Then("Relu").Then("Clip", [net.Single("none", 0), net.Single("most", 6)]);
                net.Of("Mul", [sixth, net.Last]);
                if (way != "hard swish 4") net.Then("Div", [net.Single("six", 6)]);
                break;
            case "rescaling": net.Then("Mul", [net.Single("k", 1 / 127.5f)]).Then("Sub", [net.Single("one", 1)]).Conv("first", 2, 4); break;
            case "normalization": net.Then("Sub", [net.Floats("mean", 1, 2, 1, 1)]).Then("Div", [net.Floats("deviation", 1, 2, 1, 1)]).Conv("first", 2, 4); break;
            case "rectangle": net.Then("Conv", [net.Floats("w", 4, 2, 3, 2)], HandMade.Ints("pads", 2, 0, 1, 1), HandMade.Ints("strides", 1, 2), HandMade.Ints("dilations", 2, 1)); break;
            case "same even": net.Then("Conv", [net.Floats("w", 4, 2, 4, 2)], HandMade.Text("auto_pad", "SAME_LOWER"), HandMade.Ints("strides", 2, 2)); break;
            case "slice rows": net.Conv("first", 2, 4).Then("Slice", [net.Whole("start", 0), net.Whole("end", 9), net.Whole("axis", 2), net.Whole("step", 2)]); break;
            case "relu6 twice": net.Conv("first", 2, 4).Then("Relu").Then("Clip", ["", net.Single("most", 6)]); break;
            default: net.Conv("first", 2, 4); break;
        }

        if (way == "end image sigmoid")
        {
            net.Then("GlobalAveragePool").Then("Sigmoid").Then("Flatten");
        }
        else
        {
            Finish(net, shape);
            if (way.StartsWith("end ", StringComparison.Ordinal)) net.Then(way switch { "end sigmoid" => "Sigmoid", "end softmax" => "Softmax", _ => "LogSoftmax" });
        }

        var bytes = net.Bytes();
        var network = OnnxImport.Read(bytes, "net.onnx", "net");
        OnnxRuntimeRun.AssertEqual(bytes, network, 1, shape, isLast: way is "keras" or "image as reshape", way, transposed: way == "conv1d last");
        Assert.Equal(way.StartsWith("end", StringComparison.Ordinal) || way is "rescaling" or "normalization" ? 1 : 0, network.Notes.Count);
        if (way.StartsWith("hard swish", StringComparison.Ordinal)) Assert.Single(network.Graph.Nodes.OfType<Activation>(), node => node.Kind == ActivationKind.HardSwish);
        if (way.StartsWith("hard swish", StringComparison.Ordinal)) Assert.Equal(4, network.Graph.Nodes.Count);
        if (way == "GroupNorm") Assert.Equal(["Conv2d", "GroupNorm", "Flatten", "Linear"], network.Graph.Nodes.Select(node => node.GetType().Name));
    }

    /// <summary>
    /// Random graphs of a user's: chains and branches of everything that is read, in many spellings. Some have no network, such as one that reads a part of a hard
    /// swish by itself: these are refused in words, and none is imported as something else.
    /// </summary>
    [Fact]
    public void Random_graphs_compute_what_they_do_in_ONNX_Runtime_or_are_refused()
    {
        var refused = new List<string>();
        for (var seed = 0; seed < 300; seed++)
        {
            var (net, shape) = RandomGraphs.Of(new Random(seed));
            try
            {
                Compare(net, shape, $"seed {seed}: {string.Join(' ', net.Model.Graph.Node.Select(node => node.OpType))}");
            }
            catch (LatheException e) when (e.Message.Contains("that a network here cannot have", StringComparison.Ordinal))
            {
                refused.Add(e.Message);
            }
        }

        Assert.True(refused.Count <= 15, $"{refused.Count} of 300: {string.Join('\n', refused)}");
    }

    /// <summary>Keras: images and sequences with their channels last, and work on them before and between the transpositions.</summary>
    [Fact]
    public void Random_graphs_with_their_channels_last_compute_what_they_do_in_ONNX_Runtime()
    {
        for (var seed = 0; seed < 200; seed++)
        {
            var (net, shape) = LastGraphs.Of(new Random(seed));
            Compare(net, shape, $"seed {seed}: {string.Join(' ', net.Model.Graph.Node.Select(node => node.OpType))}");
        }
    }

    public static TheoryData<string> Ends => ["HardSigmoid", "Sigmoid Softmax", "Add three", "Relu six", "Pad"];

    [Theory]
    [MemberData(nameof(Ends))]
    public void An_output_that_begins_an_operation_of_several_nodes_is_what_it_is(string end)
    {
        var net = new HandMade(17, 2, 2, 5, 5).Conv("first", 2, 3);
        Finish(net, [2, 2, 5, 5]);
        switch (end)
        {
            case "HardSigmoid": net.Then(end, [], HandMade.Float("alpha", 1 / 6f)); break;
            case "Sigmoid Softmax": net.Then("Sigmoid").Then("Softmax"); break;
            case "Add three": net.Then("Add", [net.Single("three", 3)]); break;
            case "Relu six": net.Then("Add", [net.Single("three", 3)]).Then("Relu").Then("Clip", ["", net.Single("six", 6)]); break;
            default: net.Then("Reshape", [net.Whole("image", -1, 1, 2, 2)]).Then("Pad", [net.Whole("pads", 0, 0, 1, 0, 0, 0, 0, 0)]).Then("Flatten"); break;
        }

        Compare(net, [2, 2, 5, 5], end);
    }

    [Theory]
    [InlineData("SAME_UPPER")]
    [InlineData("SAME_LOWER")]
    public void Windows_that_leave_pixels_out_are_equal_or_refused(string mode)
    {
        foreach (var (kernel, stride) in ((int, int)[])[(1, 2), (1, 3), (2, 3), (2, 4), (1, 4), (3, 5)])
        {
            for (var extent = 5; extent < 12; extent++)
            {
                var net = new HandMade(17, 2, 2, extent, extent);
                net.Then("Conv", [net.Floats("w", 3, 2, kernel, kernel)], HandMade.Ints("strides", stride, stride), HandMade.Text("auto_pad", mode));
                net.Then("GlobalAveragePool");
                Finish(net, [2, 2, extent, extent]);
                var missing = (((extent + stride - 1) / stride - 1) * stride) + kernel - extent;
                if (missing > -2) Compare(net, [2, 2, extent, extent], $"{mode} {kernel}/{stride} of {extent}");
                else Assert.Contains($"'Conv0' (auto_pad is {mode}", Assert.Throws<LatheException>(net.Import).Message, StringComparison.Ordinal);
            }
        }
    }

    [Theory]
    [InlineData("bias")]
    [InlineData("BatchNormalization")]
    [InlineData("PRelu")]
    [InlineData("Gemm")]
    [InlineData("Mul")]
    [InlineData("Identity")]
    public void Any_numbers_of_several_layers_are_refused_by_name(string what)
    {
        var net = new HandMade(17, 2, 3, 5, 5);
        var shared = net.Floats("shared", what switch { "Gemm" => [3, 3], "Identity" => [3, 3, 1, 1], "PRelu" or "Mul" => [3, 1, 1], _ => [3] });
        if (what == "Gemm") net.Then("GlobalAveragePool").Then("Flatten");
        for (var i = 0; i < 2; i++)
        {
            switch (what)
            {
                case "bias": net.Then("Conv", [net.Floats($"w{i}", 3, 3, 1, 1), shared]); break;
                case "Identity": net.Then("Conv", [i == 0 ? shared : AliasOf(net, shared, net.Last)]); break;
                case "BatchNormalization": net.Then(what, [shared, net.Floats($"b{i}", 3), net.Floats($"m{i}", 3), net.Values($"variance{i}", [1, 2, 3], 3)]); break;
                default: net.Then(what, [shared]); break;
            }

            net.Then("Relu");
        }

        Finish(net, [2, 3, 5, 5]);
        Assert.Contains("'shared' is also that of", Assert.Throws<LatheException>(net.Import).Message, StringComparison.Ordinal);

        static string AliasOf(HandMade net, string constant, string last)
        {
            net.Of("Identity", [constant]);
            var alias = net.Last;
            net.Of("Identity", [last]);
            return alias;
        }
    }

    [Fact]
    public void One_slope_of_several_activations_becomes_several_with_a_note()
    {
        var net = new HandMade(17, 2, 2, 5, 5).Conv("first", 2, 3).Then("PRelu", ["slope"]).Conv("second", 3, 2).Then("PRelu", ["slope"]);
        net.Single("slope", 0.25f);
        Finish(net, [2, 2, 5, 5]);
        Compare(net, [2, 2, 5, 5], "slope");
        Assert.Contains("PRelu 'PRelu3' has the slope 'slope' together with PRelu 'PRelu1'", Assert.Single(net.Import().Notes), StringComparison.Ordinal);
    }

    [Fact]
    public void What_is_repeated_for_images_of_another_size_is_refused()
    {
        var net = new HandMade(17, 1, 4, 1, 1);
        var image = net.Last;
        net.Then("GlobalAveragePool").Then("Expand", [net.Whole("size", 1, 4, 3, 3)]).Of("Mul", [image, net.Last]);
        Finish(net, [1, 4, 1, 1]);
        Assert.Contains("made for images of another size", Assert.Throws<LatheException>(net.Import).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Weights_in_a_file_beside_the_model_are_read()
    {
        var folder = Directory.CreateTempSubdirectory("lathe-external-").FullName;
        try
        {
            var net = new HandMade(17, 2, 2, 5, 5).Conv("first", 2, 3);
            Finish(net, [2, 2, 5, 5]);
            var bytes = net.Bytes();
            using var data = new MemoryStream();
            foreach (var tensor in net.Model.Graph.Initializer.Where(tensor => tensor.DataType == 1))
            {
                tensor.ExternalData.Add([Entry("location", "net.onnx.data"), Entry("offset", $"{data.Length}"), Entry("length", $"{tensor.RawData.Length}")]);
                data.Write(tensor.RawData.Span);
                tensor.RawData = ByteString.Empty;
                tensor.DataLocation = TensorProto.Types.DataLocation.External;
            }

            var path = Path.Combine(folder, "net.onnx");
            File.WriteAllBytes(path, net.Model.ToByteArray());
            Assert.Contains("is not in", Assert.Throws<LatheException>(() => OnnxImport.Read(path)).Message, StringComparison.Ordinal);
            File.WriteAllBytes(Path.Combine(folder, "net.onnx.data"), data.ToArray());
            OnnxRuntimeRun.AssertEqual(bytes, OnnxImport.Read(path), 1, [2, 2, 5, 5], isLast: false, "external", path);
            File.WriteAllBytes(Path.Combine(folder, "net.onnx.data"), data.ToArray()[..^4]);
            Assert.Contains("get or export the model again", Assert.Throws<LatheException>(() => OnnxImport.Read(path)).Message, StringComparison.Ordinal);
            net.Model.Graph.Initializer[0].ExternalData[0].Value = "../elsewhere";
            File.WriteAllBytes(path, net.Model.ToByteArray());
            Assert.Contains("expected one in the model's folder", Assert.Throws<LatheException>(() => OnnxImport.Read(path)).Message, StringComparison.Ordinal);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }

        static StringStringEntryProto Entry(string key, string value) => new() { Key = key, Value = value };
    }

    [Fact]
    public void A_weight_of_several_layers_is_refused_by_name()
    {
        var net = new HandMade(17, 2, 2, 5, 5).Conv("first", 2, 2).Then("Relu").Then("Identity");
        net.Then("Conv", ["first.weight"]).Then("Flatten");
        var fault = Assert.Throws<LatheException>(() => OnnxImport.Read(net.Bytes(), "net.onnx", "net"));
        Assert.Contains("Conv 'Conv3' (its weight 'first.weight' is also that of Conv 'Conv0'; layers here have weights of their own.", fault.Message, StringComparison.Ordinal);
    }

    /// <summary>Flattens and ends with a linear layer of four classes.</summary>
    private static void Finish(HandMade net, long[] shape)
    {
        net.Then("Flatten");
        var features = Features(net, shape);
        net.Then("MatMul", [net.Values("fc.weight", [.. Enumerable.Range(0, 4 * features).Select(i => MathF.Sin(i))], features, 4)]);
    }

    /// <summary>Of a graph that ends in a flat tensor: how many features one image has.</summary>
    private static int Features(HandMade net, long[] shape) => OnnxRuntimeRun.Output(net.Bytes(), new float[shape.Aggregate(1L, (a, b) => a * b)], shape).Length / (int)shape[0];

    private static void Alias(HandMade net, string kind, long[] shape)
    {
        switch (kind)
        {
            case "Identity": net.Then("Identity"); break;
            case "Reshape": net.Then("Reshape", [net.Whole($"shape{net.Last}", shape)]); break;
            case "Dropout": net.Then("Dropout", [net.Single($"ratio{net.Last}", 0)]); break;
            case "Cast": net.Then("Cast", [], HandMade.Int("to", 1)); break;
        }
    }

    private static void Constant(HandMade net, string kind, long[] shape)
    {
        var values = net.Values($"c{net.Last}", [0.5f, -0.25f, 1.5f], shape);
        switch (kind)
        {
            case "Add first": net.Of("Add", [values, net.Last]); break;
            case "Add scalar": net.Then("Add", [net.Single("scalar", 0.75f)]); break;
            case "Mul Add": net.Then("Mul", [values]).Then("Add", [net.Single("scalar", 3)]); break;
            default: net.Then(kind, [values]); break;
        }
    }

    private static void Normalize(HandMade net, int channels) => net.Then("BatchNormalization", [
        net.Floats("n.weight", channels), net.Floats("n.bias", channels), net.Floats("n.mean", channels), net.Values("n.var", [.. Enumerable.Repeat(0.5f, channels)], channels)]);

    /// <summary>Imports and compares.</summary>
    private static void Compare(HandMade net, long[] shape, string what)
    {
        var bytes = net.Bytes();
        var network = OnnxImport.Read(bytes, what, "net");
        OnnxRuntimeRun.AssertEqual(bytes, network, 1, shape, isLast: false, what);
    }
}
