using Lathe.Graph.Sizing;

namespace Lathe.Pruner.Budget;

/// <summary>
/// Meets a budget to the channel. It closes the channels that matter least for their cost until every target holds, then reopens those that matter most
/// for their cost as long as they fit. The result is at or under every target, and no channel that fits is left closed.
/// </summary>
/// <remarks>
/// The importance of a channel is the growth of its group's 1 / (share of its magnitude left) without the channel, times a weight of the group. For
/// example, one of two channels matters more than one of ten. The importance grows as less of the group is left, so no group is emptied.
/// HFP's magnitudes and weights measure the effect on the loss (<see cref="Gates.GateSensitivity"/>). As a group shrinks, the effect of its
/// channels first adds up, and then grows faster because the channels that are left must replace the others. The magnitudes of the comparison
/// pruners have no common unit across layers, so their groups are weighted by the layers that write or read them: a channel of a residual stage is
/// used in every block. (The logarithm instead of the inverse is too flat: of two groups whose widths are multiplied, one would shrink to nothing
/// before the other loses a channel.) Detail ours.
/// </remarks>
public static class ExactFinish
{
    // Of a group's greatest magnitude, what each of its channels counts at least.
    private const double LeastShare = 1e-12;

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
    /// <returns>True for each open gate, by group, and the sizes that surgery will leave.</returns>
    public static FinishedGates Choose(
        SizeModel size,
        SizeBudget budget,
        IReadOnlyList<GroupWidths> widths,
        IReadOnlyList<double[]> magnitudes,
        double[] start,
        double[]? weights = null,
        IReadOnlyList<bool[]>? first = null)
    {
        // Within a group gates close from the least magnitude up and reopen from the greatest down, so that the open ones are always
        // the first so-many of this order. Equal magnitudes go by channel number.
        var order = magnitudes
            .Select((m, g) => Enumerable.Range(0, m.Length).OrderByDescending(c => first is not null && first[g][c]).ThenByDescending(c => m[c]).ThenBy(c => c).ToArray())
            .ToArray();
        var open = start;
        weights ??= [.. widths.Select(w => (double)w.Layers)];
        var closed = Close(budget, widths, magnitudes, weights, order, open);
        var reopened = Reopen(budget, widths, magnitudes, weights, order, open);

        var live = magnitudes.Select(m => new bool[m.Length]).ToArray();
        for (var g = 0; g < live.Length; g++)
        {
            foreach (var c in order[g].Take((int)open[g])) live[g][c] = true;
        }

        var (parameters, multiplications) = size.Evaluate(open);
        return new FinishedGates(live, (long)parameters, (long)multiplications, closed, reopened);
    }

    private static int Close(
        SizeBudget budget, IReadOnlyList<GroupWidths> widths, IReadOnlyList<double[]> magnitudes, double[] weights, int[][] order, double[] open)
    {
        var count = 0;
        var (now, after) = (Forms(budget), Forms(budget));
        while (!budget.Holds(open))
        {
            Evaluate(budget, open, now);
            var (best, bestWidth, bestScore) = (-1, 0, double.PositiveInfinity);
            for (var g = 0; g < open.Length; g++)
            {
                if (widths[g].Below((int)open[g]) is not { } narrower) continue;
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
                var score = Matter(weights[g], magnitudes[g], order[g], narrower, (int)open[g]) / saved;
                if (score < bestScore) (best, bestWidth, bestScore) = (g, narrower, score);
            }

            if (best < 0) throw new InvalidOperationException("the budget is under the narrowest network; ReachableSizes.Problems names this");
            count += (int)open[best] - bestWidth;
            open[best] = bestWidth;
        }

        return count;
    }

    private static int Reopen(
        SizeBudget budget, IReadOnlyList<GroupWidths> widths, IReadOnlyList<double[]> magnitudes, double[] weights, int[][] order, double[] open)
    {
        var count = 0;
        var (now, after) = (Forms(budget), Forms(budget));
        while (true)
        {
            Evaluate(budget, open, now);
            var (best, bestWidth, bestScore) = (-1, 0, double.NegativeInfinity);
            for (var g = 0; g < open.Length; g++)
            {
                if (widths[g].Above((int)open[g]) is not { } wider) continue;
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
                var score = Matter(weights[g], magnitudes[g], order[g], (int)open[g], wider) / Math.Max(cost, LeastCost);
                if (score > bestScore) (best, bestWidth, bestScore) = (g, wider, score);
            }

            if (best < 0) return count;
            count += bestWidth - (int)open[best];
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

    /// <summary>What the channels between two widths matter: by how much they raise 1 / (share of the group's magnitude left), times the group's weight.</summary>
    private static double Matter(double weight, double[] magnitudes, int[] order, int narrow, int wide)
    {
        double total = 0, without = 0, with = 0;
        // The gate that stays longest may have a magnitude of 0 where it is open and others are not.
        var least = magnitudes.Max() * LeastShare;
        for (var i = 0; i < order.Length; i++)
        {
            // A group without magnitudes has channels that are alike.
            var magnitude = least > 0 ? Math.Max(magnitudes[order[i]], least) : 1;
            total += magnitude;
            if (i < wide) with += magnitude;
            if (i < narrow) without += magnitude;
        }

        return weight * ((total / without) - (total / with));
    }
}

/// <summary>Gates when their choice is final.</summary>
/// <param name="Live">True for each open gate, by group.</param>
/// <param name="Parameters">Parameters that surgery leaves.</param>
/// <param name="Multiplications">Multiplications that surgery leaves.</param>
/// <param name="Closed">Channels that the finish closed.</param>
/// <param name="Reopened">Channels that the finish reopened.</param>
public sealed record FinishedGates(IReadOnlyList<bool[]> Live, long Parameters, long Multiplications, int Closed, int Reopened);
