using Lathe.Contracts;
using Lathe.Graph;
using Lathe.Graph.Onnx;
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
        var (imported, tried) = (0, 0);
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
                net.Then("Flatten");
                net.Then("MatMul", [net.Values("fc", [.. Enumerable.Range(0, 4 * Features(net, [2, 2, height, width])).Select(i => MathF.Sin(i))], Features(net, [2, 2, height, width]), 4)]);
                tried++;
                if (Compare(net, [2, 2, height, width], $"{operation} {mode} {stride} of {height} x {width}, border {string.Join(' ', border)}", mayRefuse: true)) imported++;
            }
        }

        Assert.InRange(imported, 1, tried);
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
    /// <returns>False where it was refused.</returns>
    private static bool Compare(HandMade net, long[] shape, string what, bool mayRefuse = false)
    {
        var bytes = net.Bytes();
        ImportedNetwork network;
        try
        {
            network = OnnxImport.Read(bytes, "net.onnx", "net");
        }
        catch (LatheException refusal) when (mayRefuse)
        {
            Assert.Contains("net.onnx cannot be imported", refusal.Message, StringComparison.Ordinal);
            return false;
        }

        OnnxRuntimeRun.AssertEqual(bytes, network, 1, shape, isLast: false, what);
        return true;
    }
}
