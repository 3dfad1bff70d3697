using Lathe.Graph;
using Lathe.Graph.Checkpoints;
using Lathe.NN.Execution;
using Lathe.NN.FixedPoint;
using static TorchSharp.torch;

namespace Lathe.NN.Tests.FixedPoint;

/// <summary>A network with levels for weights and bytes for activations, drawn from a seed, and images for it.</summary>
internal sealed record QuantizedNetwork(NetworkGraph Graph, IReadOnlyDictionary<string, Tensor> Tensors, IReadOnlyDictionary<string, WeightFormat> Formats)
    : IDisposable
{
    private const int Images = 3;

    /// <param name="graph">The network in floats.</param>
    /// <param name="seed">Draws everything.</param>
    /// <param name="bits">Of weights.</param>
    /// <param name="evenly">Step sizes are those with which values neither grow nor vanish from layer to layer; else they are drawn too.</param>
    public static QuantizedNetwork Of(NetworkGraph graph, int seed, int bits, bool evenly = false)
    {
        var random = new Random(seed);
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        using var module = GraphModule.Create(graph, seed);
        var formats = new Dictionary<string, WeightFormat>();
        foreach (var shape in ParameterShapes.Of(graph))
        {
            var tensor = shape.Trainable ? module.Parameters[shape.Name] : module.Buffers[shape.Name];
            switch (shape.Kind)
            {
                case ParameterKind.Weight:
                    var format = new WeightFormat(bits, evenly ? EvenFraction(shape, bits) : random.Next(1, 5));
                    formats.Add(shape.Name, format);
                    tensor.copy_(Random(shape, () => random.Next(-format.MaxLevel, format.MaxLevel + 1) * format.StepSize));
                    break;
                case ParameterKind.RunningVariance:
                    tensor.copy_(Random(shape, () => 0.1f + random.NextSingle()));
                    break;
                default:
                    tensor.copy_(Random(shape, () => random.Next(8) == 0 ? 0 : (random.NextSingle() * 2) - 1));
                    break;
            }
        }

        // Each point's step so that some values are out of range.
        var greatest = new Dictionary<string, float>();
        module.Forward(Inputs(graph, seed), training: false, tap: (name, value) => greatest[name] = value.abs().max().item<float>());
        var points = ActivationPoints.Of(graph);
        var fractions = points.GroupBy(p => p.Scale).ToDictionary(g => g.Key, g => g.Min(p => Fraction(greatest[p.Tensor])));
        var quantized = ActivationPoints.Insert(graph, points.ToDictionary(p => p.Tensor, p => (fractions[p.Scale], p.Signed)), 8);
        return new QuantizedNetwork(quantized, module.Snapshot(), formats);
    }

    /// <summary>Images as floats, [N, C, H, W], the same for one seed.</summary>
    public static Tensor Inputs(NetworkGraph graph, int seed)
    {
        var random = new Random(seed);
        var (c, h, w) = (graph.Input.Channels, graph.Input.Height, graph.Input.Width);
        return tensor([.. Enumerable.Range(0, Images * c * h * w).Select(_ => (random.NextSingle() * 4) - 2)]).reshape(Images, c, h, w);
    }

    /// <summary>The same images as bytes of the network's input.</summary>
    public byte[] Bytes(FixedPointNetwork network, int seed)
    {
        using var scope = NewDisposeScope();
        var pixels = Inputs(Graph, seed).data<float>().ToArray();
        var input = network.Tensors[network.Input];
        var bytes = new byte[pixels.Length];
        for (var i = 0; i < bytes.Length; i += input.Length)
            ImageBytes.Quantize(input, pixels.AsSpan(i, input.Length), bytes.AsSpan(i, input.Length));
        return bytes;
    }

    public FixedPointNetwork Compile() => FixedPointCompiler.Compile(Graph, Tensors, Formats);

    public void Dispose()
    {
        foreach (var tensor in Tensors.Values) tensor.Dispose();
    }

    /// <summary>Weights' variance is 2 / inputs, which keeps that of values behind a ReLU.</summary>
    private static int EvenFraction(ParameterShape shape, int bits)
    {
        var greatest = new WeightFormat(bits, 0).MaxLevel;
        var inputs = shape.Values / (double)shape.Shape[0];
        return (int)Math.Round(-Math.Log2(Math.Sqrt(2 / inputs) / Math.Sqrt(greatest * (greatest + 1) / 3.0)));
    }

    private static int Fraction(float greatest) => greatest > 0 ? Math.Clamp(6 - (int)Math.Ceiling(Math.Log2(greatest)), -24, 24) : 5;

    private static Tensor Random(ParameterShape shape, Func<float> value) =>
        tensor([.. Enumerable.Range(0, (int)shape.Values).Select(_ => value())]).reshape([.. shape.Shape]);
}
