using Lathe.Pruner.Budget;

namespace Lathe.Pruner.Methods;

/// <summary>Widths that meet a budget by a simple rule; the exact finish then reopens what still fits.</summary>
/// <param name="budget">Targets; must be reachable.</param>
/// <param name="widths">Allowed widths, by group.</param>
internal sealed class WidthRule(SizeBudget budget, IReadOnlyList<GroupWidths> widths)
{
    // Halvings of the share: beyond this it no longer changes a width.
    private const int Halvings = 30;

    /// <summary>The greatest share that every group can keep.</summary>
    public double[] SameShare()
    {
        var (fits, beyond) = (0.0, 1.0);
        if (Holds(Share(beyond))) return Share(beyond);
        for (var i = 0; i < Halvings; i++)
        {
            var middle = (fits + beyond) / 2;
            if (Holds(Share(middle))) fits = middle;
            else beyond = middle;
        }

        return Share(fits);

        double[] Share(double share) => [.. widths.Select(w => (double)w.Covering((int)Math.Round(share * w.Full)))];
    }

    /// <summary>What is left when the channels of the least magnitudes go, over the whole network, until the budget holds.</summary>
    /// <param name="magnitudes">By group and gate.</param>
    public double[] GlobalThreshold(IReadOnlyList<double[]> magnitudes)
    {
        // The number of channels that go, not their magnitude: equal magnitudes go one after the other, by group and channel.
        var order = magnitudes
            .SelectMany((m, g) => m.Select((value, c) => (Value: value, Group: g, Channel: c)))
            .Where(gate => widths[gate.Group].Prunable)
            .OrderBy(gate => gate.Value).ThenBy(gate => gate.Group).ThenBy(gate => gate.Channel)
            .ToArray();
        // Fewer channels never make a larger network, so the first number that holds is found by halving.
        var (over, holds) = (-1, order.Length);
        while (holds - over > 1)
        {
            var middle = (over + holds) / 2;
            if (Holds(Without(middle))) holds = middle;
            else over = middle;
        }

        return Without(holds);

        double[] Without(int closed)
        {
            var open = widths.Select(w => w.Full).ToArray();
            foreach (var gate in order.AsSpan(0, closed)) open[gate.Group]--;
            return [.. open.Select((width, g) => (double)widths[g].Covering(width))];
        }
    }

    private bool Holds(double[] open) => budget.Holds(open);
}
