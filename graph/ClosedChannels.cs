namespace Lathe.Graph;

/// <summary>
/// Follows closed channels through a graph. Channels that every layer reads as zero can be removed, and the network computes the same function.
/// </summary>
internal static class ClosedChannels
{
    /// <summary>Gates through which some layer, or the outside, still reads a value other than zero when they are closed.</summary>
    /// <param name="graph">A valid graph.</param>
    /// <param name="gatesOf">For each tensor the gate of each channel, negative where there is none.</param>
    /// <param name="byBatchNormAlone">
    /// Closed means γ = β = 0 in every batch norm of the gate. Otherwise the weights and biases of its producers are zero as well.
    /// </param>
    public static HashSet<int> StillRead(NetworkGraph graph, IReadOnlyDictionary<string, int[]> gatesOf, bool byBatchNormAlone)
    {
        // For each tensor and channel: is it exactly zero once its gate is closed?
        var zero = new Dictionary<string, bool[]> { [NetworkGraph.InputName] = new bool[graph.Input.Channels] };
        var read = new HashSet<int>();
        foreach (var node in graph.Nodes)
        {
            if (node is Linear || (node is Conv2d dense && !ChannelGroups.IsDepthwise(dense)))
                Read(node.Inputs[0]);
            zero[node.Name] = Pass(node, gatesOf[node.Name], zero, byBatchNormAlone);
        }

        Read(graph.Output);
        return read;

        void Read(string tensor)
        {
            var gates = gatesOf[tensor];
            for (var c = 0; c < gates.Length; c++)
            {
                if (gates[c] >= 0 && !zero[tensor][c]) read.Add(gates[c]);
            }
        }
    }

    private static bool[] Pass(Node node, int[] gates, Dictionary<string, bool[]> zero, bool byBatchNormAlone)
    {
        var first = zero[node.Inputs[0]];
        return node switch
        {
            BatchNorm => Gated(),
            Conv2d or Linear when !byBatchNormAlone => Gated(),
            Conv2d conv when ChannelGroups.IsDepthwise(conv) && !conv.Bias => first,
            Conv2d or Linear or Activation { Kind: ActivationKind.Sigmoid or ActivationKind.HardSigmoid } => new bool[gates.Length],
            Add => [.. first.Select((z, c) => z && node.Inputs.All(name => zero[name][c]))],
            // In squeeze-and-excitation a closed channel's factor is sigmoid(0) = 1/2, and the channel that it scales is zero.
            Mul => [.. first.Select((z, c) => z || zero[node.Inputs[1]][c])],
            Pad pad => [.. Enumerable.Repeat(true, pad.Before), .. first, .. Enumerable.Repeat(true, pad.After)],
            Concat => [.. node.Inputs.SelectMany(name => zero[name])],
            Flatten => [.. first.SelectMany(z => Enumerable.Repeat(z, gates.Length / first.Length))],
            // A channel's features are tied, but may come from several channels.
            Unflatten => [.. first.Chunk(first.Length / gates.Length).Select(zeros => Array.TrueForAll(zeros, z => z))],
            _ => first,
        };

        bool[] Gated() => Array.ConvertAll(gates, gate => gate >= 0);
    }
}
