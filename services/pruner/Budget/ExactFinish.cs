using Lathe.Graph.Sizing;

namespace Lathe.Pruner.Budget;

/// <summary>
/// Meets a budget to the channel. It closes the channels that matter least for their cost until every target holds, then reopens those that matter most
/// for their cost as long as they fit. The result is at or under every target, and no channel that fits is left closed.
/// </summary>
/// <remarks>
/// The importance of a channel is the growth of its group's 1 / (share of its magnitude left) without the channel, times a weight of the group. For
/// example, one of two channels matters more than one of ten. The importance grows as less of the group is left, so no group is emptied.
/// Where the bits of layers are free, a bit of a layer is closed and reopened as a channel is: by what the loss feels for the bytes that it saves.
/// HFP's magnitudes and weights measure the effect on the loss (<see cref="Gates.GateSensitivity"/>). As a group shrinks, the effect of its
/// channels first adds up, and then grows faster because the channels that are left must replace the others. The magnitudes of the comparison
/// pruners have no common unit across layers, so their groups are weighted by the layers that write or read them: a channel of a residual stage is
/// used in every block. (The logarithm instead of the inverse is too flat: of two groups whose widths are multiplied, one would shrink to nothing
/// before the other loses a channel.) Detail ours.
/// </remarks>
public static class ExactFinish
{
    // A channel that adds nothing to any cost with a target, as where memory peaks elsewhere, costs this share: what matters most still comes first.
    private const double LeastCost = 1e-15;

    /// <summary>Chooses the open gates.</summary>
    /// <param name="size">Sizes as a function of the groups' widths.</param>
    /// <param name="budget">Targets; must be reachable (<see cref="ReachableSizes"/> tells).</param>
    /// <param name="widths">Allowed widths, by group.</param>
    /// <param name="magnitudes">Magnitude m of each gate, by group; the order within a group is kept in the result.</param>
    /// <param name="start">Width of each group to start from, one that is allowed; changed in place to those of the result.</param>
    /// <param name="weights">How much each group's magnitudes count beside those of the others; null: by the layers that write or read the group.</param>
    /// <param name="first">True for each gate that stays open before all others of its group, whatever their magnitudes; null: none does.</param>
    /// <param name="bitLosses">Where bits are free: by how much the loss rises with so many bits, by layer and from <see cref="PlannedBits.Least"/> up, in the unit of the weighted magnitudes.</param>
    /// <returns>True for each open gate, by group, the sizes that surgery will leave, and bits by layer.</returns>
    public static FinishedGates Choose(
        SizeModel size,
        SizeBudget budget,
        IReadOnlyList<GroupWidths> widths,
        IReadOnlyList<double[]> magnitudes,
        double[] start,
        double[]? weights = null,
        IReadOnlyList<bool[]>? first = null,
        IReadOnlyList<IReadOnlyList<double>>? bitLosses = null)
    {
        // Within a group gates close from the least magnitude up and reopen from the greatest down, so that the open ones are always
        // the first so-many of this order. Equal magnitudes go by channel number.
        var order = magnitudes
            .Select((m, g) => Enumerable.Range(0, m.Length).OrderByDescending(c => first is not null && first[g][c]).ThenByDescending(c => m[c]).ThenBy(c => c).ToArray())
            .ToArray();
        IFinishChoice[] choices =
        [
            .. widths.Select((w, g) => new ChannelsChoice(w, magnitudes[g], order[g], weights?[g] ?? w.Layers)),
            .. (bitLosses ?? []).Select(losses => new BitsChoice(losses)),
        ];
        double[] open = [.. start, .. (bitLosses ?? []).Select(_ => (double)PlannedBits.Most)];
        var before = open.ToArray();
        Close(budget, choices, open);
        var closed = Channels(before) - Channels(open);
        before = [.. open];
        Reopen(budget, choices, open);
        var reopened = Channels(open) - Channels(before);

        open.AsSpan(0, widths.Count).CopyTo(start);
        var live = magnitudes.Select(m => new bool[m.Length]).ToArray();
        for (var g = 0; g < live.Length; g++)
        {
            foreach (var c in order[g].Take((int)open[g])) live[g][c] = true;
        }

        var (parameters, multiplications) = size.Evaluate(open.AsSpan(0, widths.Count));
        return new FinishedGates(live, (long)parameters, (long)multiplications, closed, reopened, [.. open.Skip(widths.Count).Select(bits => (int)bits)]);

        int Channels(double[] at) => (int)at.Take(widths.Count).Sum();
    }

    private static void Close(SizeBudget budget, IReadOnlyList<IFinishChoice> choices, double[] open)
    {
        var (now, after) = (Forms(budget), Forms(budget));
        while (!budget.Holds(open))
        {
            Evaluate(budget, open, now);
            var (best, bestWidth, bestScore) = (-1, 0, double.PositiveInfinity);
            for (var g = 0; g < open.Length; g++)
            {
                if (choices[g].Below((int)open[g]) is not { } narrower) continue;
                EvaluateWith(budget, open, g, narrower, after);
                var saved = 0.0;
                for (var t = 0; t < budget.Targets.Count; t++)
                {
                    var target = budget.Targets[t];
                    for (var form = 0; form < now[t].Length; form++)
                    {
                        if (now[t][form] > target.Most) saved += (now[t][form] - after[t][form]) / target.Dense;
                    }
                }

                if (saved <= 0) continue;
                var score = choices[g].Matter(narrower, (int)open[g]) / saved;
                if (score < bestScore) (best, bestWidth, bestScore) = (g, narrower, score);
            }

            if (best < 0) throw new InvalidOperationException("the budget is under the narrowest network; ReachableSizes.Problems names this");
            open[best] = bestWidth;
        }
    }

    private static void Reopen(SizeBudget budget, IReadOnlyList<IFinishChoice> choices, double[] open)
    {
        var (now, after) = (Forms(budget), Forms(budget));
        while (true)
        {
            Evaluate(budget, open, now);
            var (best, bestWidth, bestScore) = (-1, 0, double.NegativeInfinity);
            for (var g = 0; g < open.Length; g++)
            {
                if (choices[g].Above((int)open[g]) is not { } wider) continue;
                EvaluateWith(budget, open, g, wider, after);
                // A cost without a target is free.
                var (fits, cost) = (true, 0.0);
                for (var t = 0; t < budget.Targets.Count; t++)
                {
                    var most = after[t].Max();
                    fits &= most <= budget.Targets[t].Most;
                    cost += (most - now[t].Max()) / budget.Targets[t].Dense;
                }

                if (!fits) continue;
                var score = choices[g].Matter((int)open[g], wider) / Math.Max(cost, LeastCost);
                if (score > bestScore) (best, bestWidth, bestScore) = (g, wider, score);
            }

            if (best < 0) return;
            open[best] = bestWidth;
        }
    }

    private static double[][] Forms(SizeBudget budget) => [.. budget.Targets.Select(target => new double[target.Cost.Forms])];

    private static void Evaluate(SizeBudget budget, double[] open, double[][] forms)
    {
        for (var t = 0; t < forms.Length; t++) budget.Targets[t].Cost.Evaluate(open, forms[t]);
    }

    private static void EvaluateWith(SizeBudget budget, double[] open, int group, int width, double[][] forms)
    {
        var kept = open[group];
        open[group] = width;
        Evaluate(budget, open, forms);
        open[group] = kept;
    }
}

/// <summary>Gates when their choice is final.</summary>
/// <param name="Live">True for each open gate, by group.</param>
/// <param name="Parameters">Parameters that surgery leaves.</param>
/// <param name="Multiplications">Multiplications that surgery leaves.</param>
/// <param name="Closed">Channels that the finish closed.</param>
/// <param name="Reopened">Channels that the finish reopened.</param>
/// <param name="Bits">Bits of each layer, where they are free.</param>
public sealed record FinishedGates(IReadOnlyList<bool[]> Live, long Parameters, long Multiplications, int Closed, int Reopened, IReadOnlyList<int> Bits);
