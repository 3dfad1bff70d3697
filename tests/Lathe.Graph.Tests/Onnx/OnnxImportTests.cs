using Google.Protobuf;
using Lathe.Contracts;
using Lathe.Graph.Onnx;
using Lathe.Graph.Onnx.Format;
using Lathe.Testing;
using DataType = Lathe.Graph.Onnx.Format.TensorProto.Types.DataType;

namespace Lathe.Graph.Tests.Onnx;

public sealed class OnnxImportTests
{
    [Theory]
    [InlineData(ActivationKind.HardSwish, "HardSigmoid")]
    [InlineData(ActivationKind.HardSwish, "Add Clip Div Mul")]
    [InlineData(ActivationKind.HardSwish, "Add Clip Mul Div")]
    [InlineData(ActivationKind.HardSwish, "Add Clip Mul Mul")]
    [InlineData(ActivationKind.HardSigmoid, "HardSigmoid alone")]
    [InlineData(ActivationKind.HardSigmoid, "Add Clip Div")]
    [InlineData(ActivationKind.Silu, "Sigmoid Mul")]
    [InlineData(ActivationKind.Silu, "Mul Sigmoid")]
    [InlineData(ActivationKind.Relu6, "Clip")]
    [InlineData(ActivationKind.Relu, "Clip 0")]
    public void An_activation_in_several_nodes_is_one(ActivationKind kind, string way)
    {
        var net = new HandMade().Conv("conv", 2, 3);
        var x = net.Last;
        string Sum() => net.Of("Add", [x, net.Single("three", 3)]).Then("Clip", [net.Single("zero", 0), net.Single("six", 6)]).Last;
        switch (way)
        {
            case "HardSigmoid": net.Then("HardSigmoid", [], HandMade.Float("alpha", 1f / 6)).Then("Mul", [x]); break;
            case "HardSigmoid alone": net.Then("HardSigmoid", [], HandMade.Float("alpha", 1f / 6)); break;
            case "Add Clip Div": Sum(); net.Then("Div", [net.Single("d", 6)]); break;
            case "Add Clip Div Mul": Sum(); net.Then("Div", [net.Single("d", 6)]).Of("Mul", [x, net.Last]); break;
            case "Add Clip Mul Div": Sum(); net.Then("Mul", [x]).Then("Div", [net.Single("d", 6)]); break;
            case "Add Clip Mul Mul": Sum(); net.Then("Mul", [x]).Then("Mul", [net.Single("d", 1f / 6)]); break;
            case "Sigmoid Mul": net.Then("Sigmoid").Then("Mul", [x]); break;
            case "Mul Sigmoid": net.Then("Sigmoid").Of("Mul", [x, net.Last]); break;
            case "Clip": net.Then("Clip", [net.Single("least", 0), net.Single("most", 6)]); break;
            default: net.Then("Clip", [net.Single("least", 0)]); break;
        }

        var network = End(net, 3 * 4 * 4).Import();
        Assert.Equal(kind, Assert.Single(network.Graph.Nodes.OfType<Activation>()).Kind);
        Assert.Equal(4, network.Graph.Nodes.Count);
    }

    [Theory]
    [InlineData("ReduceMean 1")]
    [InlineData("ReduceMean 0")]
    [InlineData("ReduceMean 18")]
    [InlineData("Squeeze")]
    [InlineData("Reshape 0")]
    [InlineData("Reshape N")]
    [InlineData("Reshape -1")]
    public void The_mean_over_pixels_is_flattened_in_many_ways(string way)
    {
        var net = new HandMade(way == "ReduceMean 18" ? 18 : 12).Conv("conv", 2, 3);
        switch (way)
        {
            case "ReduceMean 1": net.Then("ReduceMean", [], HandMade.Ints("axes", 2, 3), HandMade.Int("keepdims", 1)).Then("Flatten"); break;
            case "ReduceMean 0": net.Then("ReduceMean", [], HandMade.Ints("axes", -1, -2), HandMade.Int("keepdims", 0)); break;
            case "ReduceMean 18": net.Then("ReduceMean", [net.Whole("axes", 2, 3)], HandMade.Int("keepdims", 0)); break;
            case "Squeeze": net.Then("GlobalAveragePool").Then("Squeeze", [], HandMade.Ints("axes", 2, 3)); break;
            case "Reshape 0": net.Then("GlobalAveragePool").Then("Reshape", [net.Whole("shape", 0, -1)]); break;
            case "Reshape N": net.Then("GlobalAveragePool").Then("Reshape", [net.Whole("shape", 0, 3)]); break;
            default: net.Then("GlobalAveragePool").Then("Reshape", [net.Whole("shape", -1, 3)]); break;
        }

        net.Then("Gemm", [net.Floats("fc.weight", 3, 5), net.Floats("fc.bias", 5)]);
        var network = net.Import();
        Assert.Equal(["Conv2d", "GlobalAvgPool", "Flatten", "Linear"], network.Graph.Nodes.Select(n => n.GetType().Name));
        // transB is 0: the weight lies the other way round.
        Assert.Equal([-1f, -0.95f, -0.9f, -0.99f], network.Values["fc.weight"].Take(4).Select(v => MathF.Round(v, 2)));
    }

    [Fact]
    public void A_bias_added_behind_a_product_or_convolution_is_the_layers()
    {
        var net = new HandMade().Conv("conv", 2, 3);
        net.Then("Add", [net.Floats("c", 1, 3, 1, 1)]).Then("Flatten").Then("MatMul", [net.Floats("w", 48, 4)]);
        net.Of("Add", [net.Floats("b", 4), net.Last]);
        var network = net.Import();
        Assert.Equal([true, true], [network.Graph.Nodes.OfType<Conv2d>().Single().Bias, network.Graph.Nodes.OfType<Linear>().Single().Bias]);
        Assert.Equal([-1f, -0.99f, -0.98f], network.Values["conv.bias"]);
    }

    [Fact]
    public void A_network_of_Keras_with_its_channels_last_has_the_same_weights()
    {
        // The same convolution and linear layer twice, once with the image and the flattened features as Keras has them.
        var usual = new HandMade(17, 1, 2, 5, 4).Conv("conv", 2, 3);
        usual.Then("Flatten").Then("Gemm", [usual.Floats("fc.weight", 4, 18), usual.Floats("fc.bias", 4)], HandMade.Int("transB", 1));
        var keras = new HandMade(17, 1, 5, 4, 2).Then("Transpose", [], HandMade.Ints("perm", 0, 3, 1, 2)).Conv("conv", 2, 3);
        keras.Then("Transpose", [], HandMade.Ints("perm", 0, 2, 3, 1)).Then("Reshape", [keras.Whole("shape", -1, 18)]).Then("Relu").Of("Identity", [keras.Last]);
        // Row (y, x, c) of Keras's weight is column c·H·W + y·W + x of PyTorch's.
        var weight = new float[18 * 4];
        for (var (c, i) = (0, 0); c < 3; c++)
        {
            for (var p = 0; p < 6; p++, i++)
            {
                for (var o = 0; o < 4; o++) weight[(((p * 3) + c) * 4) + o] = -1f + (((o * 18) + i) * 0.01f);
            }
        }

        keras.Model.Graph.Initializer.Add(OnnxMessages.Tensor("w", weight, 18, 4));
        keras.Then("MatMul", ["w"]).Then("Add", [keras.Floats("fc.bias", 4)]).Then("Softmax");

        var one = usual.Import();
        var other = keras.Import();
        Assert.Equal(new TensorShape(2, 5, 4), other.Graph.Input);
        Assert.Single(other.Notes);
        Assert.Equal(Values(one, "conv"), Values(other, "conv"));
        var (expected, actual) = (one.Graph.Nodes.OfType<Linear>().Single(), other.Graph.Nodes.OfType<Linear>().Single());
        Assert.True(expected.Bias && actual.Bias);
        Assert.Equal(Values(one, expected.Name), Values(other, actual.Name));

        static float[] Values(ImportedNetwork network, string layer) => network.Values[$"{layer}.weight"];
    }

    [Fact]
    public void Halves_doubles_and_listed_values_become_float32()
    {
        var net = new HandMade();
        var half = new TensorProto { Name = "conv.weight", DataType = (int)DataType.Float16 };
        half.Dims.Add([1L, 2, 1, 1]);
        half.Int32Data.Add([0x3C00, 0xC100]);
        var @double = new TensorProto { Name = "fc.weight", DataType = (int)DataType.Double };
        @double.Dims.Add([2L, 36]);
        @double.DoubleData.Add(Enumerable.Range(0, 72).Select(i => i / 4.0));
        net.Model.Graph.Initializer.Add([half, @double]);
        net.Then("Conv", ["conv.weight"]).Then("Flatten").Then("Gemm", ["fc.weight"], HandMade.Int("transB", 1));
        var network = net.Import();
        Assert.Equal([1f, -2.5f], network.Values["conv.weight"]);
        Assert.Equal(17.75f, network.Values["fc.weight"][^1]);
        Assert.False(network.Graph.Nodes.OfType<Linear>().Single().Bias);
    }

    [Fact]
    public void Every_operator_that_cannot_be_imported_is_named_at_once()
    {
        var net = new HandMade().Conv("conv", 2, 3);
        net.Then("LSTM");
        var lost = net.Last;
        net.Of("Relu", [lost]).Of("Conv", ["v0", net.Floats("odd", 3, 3, 3, 1)], HandMade.Ints("kernel_shape", 3));
        net.Of("MaxPool", ["v0"], HandMade.Ints("kernel_shape", 2, 2), HandMade.Ints("dilations", 2, 2)).Of("Resize", ["v0"]);
        net.Node.Domain = "com.microsoft";
        net.Of("Relu", ["v0"]);
        var fault = Assert.Throws<LatheException>(() => End(net, 48).Import());
        Assert.Equal(
            "net.onnx cannot be imported: it has 4 operators that a network here cannot have: LSTM 'LSTM1' (no such operator here); "
            + "Conv 'Conv3' (kernel_shape is [3]; expected height and width); "
            + "MaxPool 'MaxPool4' (it is dilated; expected dilations of 1); com.microsoft.Resize 'Resize5' (no such operator here)",
            fault.Message);
    }

    public static TheoryData<string, string> Refused => new()
    {
        { "external", "lies in a file beside the model (external data), which is not there" },
        { "too large", "has the shape [100000, 2, 3000, 3000], more than 2147483647 values" },
        { "claimed", "has the shape [3, 2, 3000, 3000], 54000000 values; the file holds 216 bytes or numbers of it" },
        { "short", "holds 212 bytes; 54 values of FLOAT take 216" },
        { "not finite", "holds values that are not finite float32 numbers" },
        { "integers", "has elements of type INT64; expected FLOAT, FLOAT16 or DOUBLE" },
        { "cycle", "it reads 'v1', which no node before it makes; nodes must be in order, without cycles" },
        { "twice", "'v0' is made twice" },
        { "old", "it is of operator set 10; expected 11 or newer" },
        { "two outputs", "it has 2 outputs; expected one, the logits" },
        { "two inputs", "it has 2 inputs (x, y); expected one, the images" },
        { "free size", "expected images of a fixed size, [N, C, H, W]" },
        { "no logits", "its output is [N, 3, 4, 4]; expected logits, [N, classes]" },
        { "softmax inside", "it reads Softmax 'Softmax2', which must be followed by nothing: shares of the classes can only be a network's end" },
        { "steep hard sigmoid", "alpha is 0.2 and beta 0.5; expected 1/6 and 1/2" },
        { "spatial attention", "multiplies tensors of one shape, or [C, H, W] by [C, 1, 1], but its input 'Sigmoid2' is [1, 4, 4] and 'conv' is [3, 4, 4]" },
        { "scale", "it works with a constant [4]; expected a number for each of 3 channels, or one number" },
        { "no weights", "it has no weights" },
    };

    [Theory]
    [MemberData(nameof(Refused))]
    public void What_cannot_be_relied_on_is_refused_in_words(string what, string message)
    {
        var net = what switch
        {
            "old" => new HandMade(10),
            "free size" => new HandMade(17, -1, 3, -1, -1),
            _ => new HandMade(),
        };
        if (what == "no weights") net.Then("GlobalAveragePool").Then("Flatten");
        else net.Conv("conv", 2, 3);
        var weight = net.Model.Graph.Initializer.FirstOrDefault();
        switch (what)
        {
            case "external": weight!.DataLocation = TensorProto.Types.DataLocation.External; break;
            case "too large": Resize(100_000, 2, 3_000, 3_000); break;
            case "claimed": Resize(3, 2, 3_000, 3_000); break;
            case "short": weight!.RawData = ByteString.CopyFrom(weight.RawData.Span[..212]); break;
            case "not finite": weight!.RawData = ByteString.CopyFrom([.. Enumerable.Repeat((byte)0xff, 216)]); break;
            case "integers": weight!.DataType = (int)DataType.Int64; break;
            case "cycle": net.Node.Input[0] = "v1"; net.Then("Relu"); break;
            case "twice": net.Then("Relu"); net.Node.Output[0] = "v0"; break;
            case "softmax inside": net.Then("Flatten").Then("Softmax").Then("Relu"); break;
            case "steep hard sigmoid": net.Then("HardSigmoid"); break;
            case "spatial attention": net.Conv("attention", 3, 1, kernel: 1).Then("Sigmoid").Then("Mul", ["v0"]); break;
            case "scale": net.Then("Mul", [net.Floats("four", 4)]); break;
            case "two inputs": net.Model.Graph.Input.Add(new ValueInfoProto { Name = "y" }); break;
        }

        if (what is not ("no logits" or "softmax inside" or "no weights")) End(net, 48);
        var bytes = net.Bytes();
        if (what == "two outputs")
        {
            net.Model.Graph.Output.Add(new ValueInfoProto { Name = "v0" });
            bytes = net.Model.ToByteArray();
        }

        var fault = Assert.Throws<LatheException>(() => OnnxImport.Read(bytes, "net.onnx", "net"));
        Assert.StartsWith("net.onnx cannot be imported: ", fault.Message);
        Assert.Contains(message, fault.Message);

        void Resize(params long[] extents)
        {
            weight!.Dims.Clear();
            weight.Dims.Add(extents);
        }
    }

    [Fact]
    public void The_guide_names_every_operator_that_is_read()
    {
        var guide = File.ReadAllText(Path.Combine(Checkout.Root, "docs", "import.md"));
        Assert.All(OnnxImport.Operators, name => Assert.Contains($"`{name}`", guide));
    }

    [Fact]
    public void A_constant_that_is_used_without_end_takes_no_memory_without_end()
    {
        var net = new HandMade(17, -1, 64, 8, 8);
        net.Values("weight", new float[64 * 64 * 9], 64, 64, 3, 3);
        for (var i = 0; i < 2000; i++) net.Then("Conv", ["weight"], HandMade.Ints("pads", 1, 1, 1, 1));
        var fault = Assert.Throws<LatheException>(() => End(net, 64 * 64).Import());
        Assert.Contains("is used so often that its copies would take more than", fault.Message);
    }

    [Fact]
    public void Damaged_files_are_refused_in_words_and_never_half_read()
    {
        var folder = Path.Combine(AppContext.BaseDirectory, "Onnx", "fixtures");
        List<byte[]> files = [.. Directory.GetFiles(folder, "*.onnx").Order(StringComparer.Ordinal).Select(File.ReadAllBytes)];
        var random = new Random(5);
        var (tried, refused) = (0, 0);
        foreach (var file in files)
        {
            // Every length at the start, where the structure is, and some behind.
            for (var length = 0; length < file.Length; length += length < 500 ? 1 : 97) Try(file[..length]);
            for (var i = 0; i < 3000; i++)
            {
                var damaged = (byte[])file.Clone();
                for (var changes = random.Next(1, 6); changes > 0; changes--) Damage(damaged, random);
                Try(damaged);
            }
        }

        // 4 files, 500 short cuts and some longer ones each, 3,000 changes each.
        Assert.InRange(tried, 14_000, 16_000);
        Assert.InRange(refused, tried / 4, tried);

        void Try(byte[] bytes)
        {
            tried++;
            try
            {
                var network = OnnxImport.Read(bytes, "damaged.onnx", "damaged");
                GraphValidation.Check(network.Graph);
            }
            catch (LatheException fault)
            {
                refused++;
                Assert.StartsWith("damaged.onnx cannot be imported: ", fault.Message);
            }
        }
    }

    private static void Damage(byte[] bytes, Random random)
    {
        var at = random.Next(bytes.Length);
        switch (random.Next(4))
        {
            case 0: bytes[at] = (byte)random.Next(256); break;
            case 1: bytes[at] ^= (byte)(1 << random.Next(8)); break;
            case 2: bytes.AsSpan(at, Math.Min(bytes.Length - at, random.Next(1, 11))).Fill(0xff); break;
            default:
                var length = Math.Min(bytes.Length - at, random.Next(1, 40));
                bytes.AsSpan(random.Next(bytes.Length - length), length).CopyTo(bytes.AsSpan(at, length));
                break;
        }
    }

    private static HandMade End(HandMade net, int features) =>
        net.Then("Flatten").Then("Gemm", [net.Floats("last.weight", features, 4), net.Floats("last.bias", 4)]);
}
