using Google.Protobuf;
using Lathe.Graph;
using Lathe.Graph.Checkpoints;
using Lathe.Graph.Onnx.Format;
using static TorchSharp.torch;
using Messages = Lathe.Graph.Onnx.OnnxMessages;

namespace Lathe.NN.Onnx;

/// <summary>
/// Weights and activations of few bits in the form of QONNX, which Brevitas, FINN and hls4ml read: floats, each rounded by a node <c>IntQuant</c> that names its step size and bits.
/// The model holds the operator's body too, so that runtimes that know nothing of QONNX compute it.
/// </summary>
/// <param name="tensors">The network's.</param>
/// <param name="formats">Of its whole-number weights.</param>
internal sealed class QonnxNodes(IReadOnlyDictionary<string, Tensor> tensors, IReadOnlyDictionary<string, WeightFormat> formats)
{
    private const string Operator = "IntQuant";

    /// <summary>Domain of QONNX's operators.</summary>
    public const string Domain = "qonnx.custom_op.general";

    /// <summary>Writes a node that has its own form here.</summary>
    /// <returns>False: it is written as in a float model.</returns>
    public bool Write(OnnxGraphWriter to, Node node)
    {
        switch (node)
        {
            case Quantize quantize:
                to.Make(node, Operator, Inputs(to, node.Name, to.Value(node.Inputs[0]), quantize.Fraction, quantize.Bits), Attributes(quantize.Signed, isNarrow: false));
                break;
            case Conv2d or Linear when formats.TryGetValue($"{node.Name}.weight", out var format):
                var parameters = OnnxNodes.Parameters(to, node, tensors);
                var inputs = Inputs(to, parameters[0], parameters[0], format.Fraction, format.Bits);
                // Its numbers k are -(2^(bits-1) - 1) to 2^(bits-1) - 1.
                parameters[0] = to.Append(Operator, $"{parameters[0]}.quantized", inputs, Attributes(isSigned: true, isNarrow: true));
                to.Graph.Node[^1].Domain = Domain;
                OnnxNodes.WriteLayer(to, node, [to.Value(node.Inputs[0]), .. parameters]);
                return true;
            default: return false;
        }

        to.Graph.Node[^1].Domain = Domain;
        return true;
    }

    /// <summary>Names the operator's domain and puts its body into a model.</summary>
    public static void Complete(ModelProto model)
    {
        model.OpsetImport.Add(new OperatorSetIdProto { Domain = Domain, Version = 1 });
        model.Functions.Add(Body());
    }

    private static List<string> Inputs(OnnxGraphWriter to, string name, string value, int fraction, int bits) =>
    [
        value,
        to.Constant(Messages.Tensor(to.NewName($"{name}.scale"), [MathF.ScaleB(1, -fraction)])),
        to.Constant(Messages.Tensor(to.NewName($"{name}.zeropt"), [0f])),
        to.Constant(Messages.Tensor(to.NewName($"{name}.bitwidth"), [(float)bits])),
    ];

    private static AttributeProto[] Attributes(bool isSigned, bool isNarrow) =>
    [
        Messages.Attribute("signed", isSigned ? 1 : 0),
        Messages.Attribute("narrow", isNarrow ? 1 : 0),
        new AttributeProto { Name = "rounding_mode", Type = AttributeProto.Types.AttributeType.String, S = ByteString.CopyFromUtf8("ROUND") },
    ];

    /// <summary>
    /// As QONNX says: (round(limit(x / scale + zeropt)) - zeropt) * scale, ties to even, with the limits of so many bits. Narrow, the least is one more, or where
    /// there is no sign the greatest one less.
    /// </summary>
    private static FunctionProto Body()
    {
        var body = new FunctionProto { Name = Operator, Domain = Domain };
        body.OpsetImport.Add(new OperatorSetIdProto { Domain = "", Version = OnnxExport.OperatorSet });
        body.Input.Add(["x", "scale", "zeropt", "bitwidth"]);
        body.Output.Add("y");
        body.Attribute.Add(["signed", "narrow", "rounding_mode"]);
        foreach (var attribute in (string[])["signed", "narrow"])
        {
            var constant = new NodeProto { OpType = "Constant" };
            constant.Output.Add($"{attribute}_whole");
            constant.Attribute.Add(new AttributeProto { Name = "value_int", Type = AttributeProto.Types.AttributeType.Int, RefAttrName = attribute });
            body.Node.Add(constant);
            Add("Cast", attribute, [$"{attribute}_whole"], Messages.Attribute("to", (long)TensorProto.Types.DataType.Float));
        }

        Number("one", 1);
        Number("two", 2);
        Add("Sub", "exponent", ["bitwidth", "signed"]);
        Add("Pow", "half", ["two", "exponent"]);
        Add("Sub", "unsigned", ["one", "signed"]);
        Add("Mul", "narrower", ["unsigned", "narrow"]);
        Add("Sub", "largest", ["half", "one"]);
        Add("Sub", "most", ["largest", "narrower"]);
        Add("Sub", "lowest", ["narrow", "half"]);
        Add("Mul", "least", ["signed", "lowest"]);
        Add("Div", "steps", ["x", "scale"]);
        Add("Add", "placed", ["steps", "zeropt"]);
        Add("Max", "raised", ["placed", "least"]);
        Add("Min", "limited", ["raised", "most"]);
        Add("Round", "whole", ["limited"]);
        Add("Sub", "centred", ["whole", "zeropt"]);
        Add("Mul", "y", ["centred", "scale"]);
        return body;

        void Number(string name, float value)
        {
            var node = new NodeProto { OpType = "Constant" };
            node.Output.Add(name);
            node.Attribute.Add(new AttributeProto { Name = "value", Type = AttributeProto.Types.AttributeType.Tensor, T = Messages.Tensor(name, [value]) });
            body.Node.Add(node);
        }

        void Add(string operation, string output, string[] inputs, params AttributeProto[] attributes)
        {
            var node = new NodeProto { OpType = operation };
            node.Input.Add(inputs);
            node.Output.Add(output);
            node.Attribute.Add(attributes);
            body.Node.Add(node);
        }
    }
}
