using Lathe.Pruner.Budget;

namespace Lathe.Pruner.Methods;

/// <summary>
/// HFP's size loss λ·Σ max(0, C/C₀ − c*) over the costs C that have a target, and its gradient by the width of each group. Of a cost that is the greatest of several forms, each form has such a term. The
/// gradient is what one more channel costs right now, given how wide its neighbours are right now: no layer has a rate of its own.
/// </summary>
/// <param name="budget">The targets.</param>
/// <param name="glideShare">Share of the pruning part over which targets glide from 1 to their values.</param>
public sealed class SizeLoss(SizeBudget budget, double glideShare)
{
    private readonly double[][] _forms = [.. budget.Targets.Select(target => new double[target.Cost.Forms])];

    /// <summary>
    /// What one more channel of each group adds at these widths, as a share of the dense cost; the sum over all costs that have targets. Of a cost with several forms those count that pass the target, or else
    /// the greatest.
    /// </summary>
    /// <param name="counts">n_G by group.</param>
    public double[] Slope(double[] counts)
    {
        var slope = new double[counts.Length];
        for (var t = 0; t < budget.Targets.Count; t++)
        {
            var target = budget.Targets[t];
            target.Cost.Evaluate(counts, _forms[t]);
            Add(slope, counts, t, form => form > target.Most || (_forms[t].Max() <= target.Most && form == _forms[t].Max()), 1);
        }

        return slope;
    }

    /// <summary>The loss's gradient at these widths.</summary>
    /// <param name="liveCounts">n_G by group.</param>
    /// <param name="weight">λ.</param>
    /// <param name="t">Share of the pruning part done, 0 to 1.</param>
    /// <returns>∂L/∂n_G by group, λ included; null where every target of the moment holds.</returns>
    public double[]? At(double[] liveCounts, double weight, double t)
    {
        double[]? gradient = null;
        for (var i = 0; i < budget.Targets.Count; i++)
        {
            var target = budget.Targets[i];
            target.Cost.Evaluate(liveCounts, _forms[i]);
            var most = HfpSchedule.Target(target.Share, glideShare, t);
            if (_forms[i].Max() / target.Dense > most) Add(gradient ??= new double[liveCounts.Length], liveCounts, i, form => form / target.Dense > most, weight);
        }

        return gradient;
    }

    private void Add(double[] sum, double[] counts, int target, Func<double, bool> counted, double weight)
    {
        var (cost, dense) = (budget.Targets[target].Cost, budget.Targets[target].Dense);
        var gradient = new double[counts.Length];
        for (var form = 0; form < cost.Forms; form++)
        {
            if (counted(_forms[target][form])) cost.AddGradient(counts, form, 1, gradient);
        }

        for (var g = 0; g < sum.Length; g++) sum[g] += weight * gradient[g] / dense;
    }
}
