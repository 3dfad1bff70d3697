namespace Lathe.Pruner.Budget;

/// <summary>Something of a network that may be made less by steps, and what that matters: the channels of a group, or the bits of a layer.</summary>
internal interface IFinishChoice
{
    /// <summary>The next value below, or null at the least.</summary>
    int? Below(int value);

    /// <summary>The next value above, or null at the most.</summary>
    int? Above(int value);

    /// <summary>By how much the loss rises, in a unit that all choices share, when a value is less instead of more.</summary>
    double Matter(int less, int more);
}

/// <summary>
/// The channels of a group, of which the first so-many of an order are open. What matters is by how much they raise 1 / (share of the group's magnitude left), times the group's weight.
/// </summary>
internal sealed class ChannelsChoice : IFinishChoice
{
    // Of a group's greatest magnitude, what each of its channels counts at least.
    private const double LeastShare = 1e-12;

    private readonly GroupWidths _widths;
    private readonly double _weight;

    // Magnitude of the first so-many channels.
    private readonly double[] _first;

    /// <param name="widths">Allowed widths.</param>
    /// <param name="magnitudes">Magnitude of each channel.</param>
    /// <param name="order">Channels from the one that stays longest.</param>
    /// <param name="weight">How much the magnitudes count beside those of other groups.</param>
    public ChannelsChoice(GroupWidths widths, double[] magnitudes, int[] order, double weight)
    {
        (_widths, _weight, _first) = (widths, weight, new double[order.Length + 1]);
        // The gate that stays longest may have a magnitude of 0 where it is open and others are not. A group without magnitudes has channels that are alike.
        var least = magnitudes.Max() * LeastShare;
        for (var i = 0; i < order.Length; i++) _first[i + 1] = _first[i] + (least > 0 ? Math.Max(magnitudes[order[i]], least) : 1);
    }

    public int? Below(int value) => _widths.Below(value);

    public int? Above(int value) => _widths.Above(value);

    public double Matter(int less, int more) => _weight * ((_first[^1] / _first[less]) - (_first[^1] / _first[more]));
}

/// <summary>The bits of a layer's weights.</summary>
/// <param name="losses">By how much the loss rises with so many bits, from <see cref="PlannedBits.Least"/> up; never rising.</param>
internal sealed class BitsChoice(IReadOnlyList<double> losses) : IFinishChoice
{
    public int? Below(int value) => value <= PlannedBits.Least ? null : value - 1;

    public int? Above(int value) => value >= PlannedBits.Least + losses.Count - 1 ? null : value + 1;

    public double Matter(int less, int more) => losses[less - PlannedBits.Least] - losses[more - PlannedBits.Least];
}
