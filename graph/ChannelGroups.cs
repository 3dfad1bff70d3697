namespace Lathe.Graph;

/// <summary>One channel of one node's own tensors.</summary>
/// <param name="Node">Name of a batch norm, convolution or linear layer.</param>
/// <param name="Channel">Index into γ, or output channel of the weight.</param>
public readonly record struct NodeChannel(string Node, int Channel);

/// <summary>Channels that can only be removed together.</summary>
/// <param name="Index">Its number; <see cref="ChannelGroups.GatesOf"/> speaks of gates by it.</param>
/// <param name="Group">Index of the group it belongs to.</param>
/// <param name="BatchNorms">Each batch-norm channel that carries it. After a flatten a gate has H·W of them in one batch norm.</param>
/// <param name="Producers">
/// Each output channel of a convolution or linear layer that makes it, depthwise convolutions included. None for a zero channel of
/// <see cref="Pad"/> that is added to nothing.
/// </param>
public sealed record Gate(int Index, int Group, IReadOnlyList<NodeChannel> BatchNorms, IReadOnlyList<NodeChannel> Producers);

/// <summary>Gates that pass through the same tensors equally often, so that sizes depend only on how many of them are open.</summary>
/// <param name="Index">Its number.</param>
/// <param name="Gates">Its gates, ascending.</param>
/// <param name="Prunable">
/// Gates may be closed. False for the logits, and where a sigmoid makes of a closed channel's zero a value that some layer reads.
/// </param>
/// <param name="ClosesByBatchNorm">
/// γ = β = 0 in the batch norms of a gate makes everything zero that any layer reads through it. Where this is false (no batch norm,
/// or a path around it) the gate needs a factor of its own on the producers' weights and biases.
/// </param>
/// <param name="BatchNorms">Names of the batch norms.</param>
/// <param name="Producers">Names of the convolutions and linear layers whose output channels these are.</param>
public sealed record ChannelGroup(
    int Index,
    IReadOnlyList<int> Gates,
    bool Prunable,
    bool ClosesByBatchNorm,
    IReadOnlyList<string> BatchNorms,
    IReadOnlyList<string> Producers);

/// <summary>
/// Which channels of a graph live or die together. Each output channel of a convolution or linear layer starts a gate, and so does each
/// zero channel of a <see cref="Pad"/>; what follows passes gates on or ties them, so the result is a function of the graph and knows no
/// architecture. Channels that are added or multiplied are one gate: the sum's channel stays while any contributor is to stay, and a
/// zero that is added to a live channel stays a zero. So with zero-padded shortcuts the narrow stage's channels are also the middle
/// channels of the next, wider stage, and close in both at once.
/// </summary>
public sealed class ChannelGroups
{
    /// <summary>Gate of a channel that can never be removed because it is the image's, or tied to one of the image's.</summary>
    public const int Image = -1;

    internal ChannelGroups(IReadOnlyDictionary<string, int[]> gatesOf, IReadOnlyList<Gate> gates, IReadOnlyList<ChannelGroup> groups)
    {
        GatesOf = gatesOf;
        Gates = gates;
        Groups = groups;
    }

    /// <summary>For each tensor (the image included) the gate of each of its channels, or <see cref="Image"/>.</summary>
    public IReadOnlyDictionary<string, int[]> GatesOf { get; }

    /// <summary>All gates, by index.</summary>
    public IReadOnlyList<Gate> Gates { get; }

    /// <summary>All groups, by index.</summary>
    public IReadOnlyList<ChannelGroup> Groups { get; }

    /// <summary>Finds the groups of a graph.</summary>
    /// <exception cref="Lathe.Contracts.LatheException">The graph is invalid.</exception>
    public static ChannelGroups Of(NetworkGraph graph) => new ChannelTies(graph).Build();

    /// <summary>
    /// A convolution that filters each channel by itself, so that its output channel c is its input channel c. With one channel in all
    /// it is an ordinary convolution.
    /// </summary>
    public static bool IsDepthwise(Conv2d conv) => conv.Groups > 1 && conv.Groups == conv.InChannels && conv.Groups == conv.OutChannels;
}
