using System.Globalization;
using Lathe.Contracts;
using Lathe.Graph.Checkpoints;
using Lathe.Hosting;
using Lathe.NN.Checkpoints;
using Lathe.NN.Data;
using Lathe.NN.Execution;
using Lathe.NN.FixedPoint;
using TorchDevice = TorchSharp.torch.Device;

namespace Lathe.Quantizer.Weights;

/// <summary>Bits of each quantized layer, as the parameters give them, or as a target for bytes allows.</summary>
/// <param name="ByLayer">Bits by the layer's name.</param>
/// <param name="OneMoreBit">With a target: bytes that one more bit of a layer would add at least, which no longer fit; null: all layers have the most.</param>
public sealed record BitChoice(IReadOnlyDictionary<string, int> ByLayer, long? OneMoreBit = null)
{
    /// <summary>Most bits of a weight.</summary>
    public const int Most = 8;

    /// <summary>Bits for a network.</summary>
    /// <param name="input">The network as it came.</param>
    /// <param name="train">Training images, some of which are looked at where there is a target.</param>
    /// <param name="seed">The run's.</param>
    /// <param name="parameters">Bits, or a target.</param>
    /// <param name="device">Where to compute.</param>
    /// <exception cref="LatheException">A name in the parameters is no layer of the network, or the target is out of reach.</exception>
    public static BitChoice Of(Checkpoint input, Split train, long seed, QuantizeParameters parameters, TorchDevice device)
    {
        if (StepSizes.Problems(input.Graph, parameters) is [var problem, ..]) throw problem.Fault(QuantizeStage.Manifest.Name);
        var bits = StepSizes.BitsByLayer(input.Graph, parameters);
        if (parameters.Bytes is not { } target) return new BitChoice(bits);

        var whole = CheckpointSize.Of(input.Graph, input.Formats).Total;
        var least = StoredBytes.Of(input.Graph, layer => bits.TryGetValue(layer, out var fewest) ? fewest : null).Least;
        if (Problem(target, new SizeRange(whole, whole), least) is { } unreachable) throw unreachable.Fault(QuantizeStage.Manifest.Name);
        var layers = Layers(input, bits, train, seed, parameters, device);
        // What is not packed weights does not depend on bits.
        var chosen = BitBudget.Choose(layers, Math.Floor(target.Of(whole)) - (least - BitBudget.Least(layers)));
        return new BitChoice(layers.Select((layer, i) => (layer.Name, chosen[i])).ToDictionary(l => l.Name, l => l.Item2), BitBudget.OneMoreBit(layers, chosen));
    }

    /// <summary>What is wrong with a target that no choice of bits meets; null where one may.</summary>
    /// <param name="target">The target.</param>
    /// <param name="whole">Bytes of the network that enters.</param>
    /// <param name="least">Bytes with the fewest bits, at least.</param>
    public static ParameterProblem? Problem(ByteTarget target, SizeRange whole, double least)
    {
        var wanted = Math.Floor(target.Of(whole.Most));
        if (wanted >= least) return null;
        var share = Math.Ceiling(least / whole.Most * 10000) / 10000;
        return ParameterProblem.Of("bytes", string.Create(
            CultureInfo.InvariantCulture,
            $"{wanted:N0} ({wanted / whole.Most:0.####} of {whole.Most:N0}) cannot be reached: with the fewest bits in every layer {least:N0} are left; expected at least {least:N0} ({share:0.####}), fewer 'bits', or a network with fewer channels"));
    }

    /// <summary>True where a layer's bits are not the parameters' own, but may rise up to <see cref="Most"/>.</summary>
    public static bool IsFree(string layer, QuantizeParameters parameters) =>
        parameters.Bytes is not null && !parameters.Bits.ByName.Keys.Any(pattern => LayerBits.Fits(pattern, layer));

    private static List<BitLayer> Layers(
        Checkpoint input, IReadOnlyDictionary<string, int> bits, Split train, long seed, QuantizeParameters parameters, TorchDevice device)
    {
        using var module = GraphModule.FromTensors(input.Graph, input.Tensors, device);
        var sensitivity = WeightSensitivity.Of(module, [.. bits.Keys.Where(layer => IsFree(layer, parameters)).Select(StepSizes.WeightOf)], train, seed);
        var layers = new List<BitLayer>();
        foreach (var (layer, fewest) in bits)
        {
            var name = StepSizes.WeightOf(layer);
            var weight = module.Parameters[name];
            if (!sensitivity.TryGetValue(name, out var felt))
            {
                layers.Add(new BitLayer(layer, weight.numel(), fewest, [0]));
                continue;
            }

            layers.Add(new BitLayer(layer, weight.numel(), fewest, WeightSensitivity.Losses(felt, name, weight, fewest, Most)));
            felt.Dispose();
        }

        return layers;
    }
}
