using Lathe.NN.Sizing;
using Lathe.Pruner.Budget;

namespace Lathe.Pruner.Methods;

/// <summary>
/// HFP's size loss λ·(max(0, P/P₀ − p*) + max(0, M/M₀ − m*)) and its gradient by the width of each group. The gradient is what one
/// more channel costs right now, given how wide its neighbours are right now: no layer has a rate of its own.
/// </summary>
public sealed class SizeLoss(SizeModel size, SizeBudget budget, ReachableSizes reach, double glideShare)
{
    private readonly double? _parameters = budget.Parameters / reach.DenseParameters;
    private readonly double? _multiplications = budget.Multiplications / reach.DenseMultiplications;

    /// <summary>What one channel of the dense network costs in the mean, as a share of the size that has a target; of both, their mean.</summary>
    /// <param name="widths">Allowed widths, by group.</param>
    public double MeanCost(IReadOnlyList<GroupWidths> widths)
    {
        double[] full = [.. widths.Select(w => (double)w.Full)];
        var (byParameters, byMultiplications) = size.Gradient(full);
        List<double> costs = [];
        if (_parameters is not null) costs.Add(Mean(byParameters) / reach.DenseParameters);
        if (_multiplications is not null) costs.Add(Mean(byMultiplications) / reach.DenseMultiplications);
        return costs.Average();

        double Mean(double[] slope)
        {
            var prunable = Enumerable.Range(0, full.Length).Where(g => widths[g].Prunable).ToList();
            return prunable.Sum(g => full[g] * slope[g]) / prunable.Sum(g => full[g]);
        }
    }

    /// <summary>Sizes and the loss's gradient at these widths.</summary>
    /// <param name="liveCounts">n_G by group.</param>
    /// <param name="weight">λ.</param>
    /// <param name="t">Share of the pruning part done, 0 to 1.</param>
    public SizeLossPoint At(double[] liveCounts, double weight, double t)
    {
        var (parameters, multiplications) = size.Evaluate(liveCounts);
        var gradient = new double[liveCounts.Length];
        var (byParameters, byMultiplications) = size.Gradient(liveCounts);
        Add(gradient, byParameters, _parameters, parameters, reach.DenseParameters, weight, t);
        Add(gradient, byMultiplications, _multiplications, multiplications, reach.DenseMultiplications, weight, t);
        return new SizeLossPoint(parameters, multiplications, gradient);
    }

    private void Add(double[] gradient, double[] slope, double? target, double now, double dense, double weight, double t)
    {
        if (target is not { } final || now / dense <= HfpSchedule.Target(final, glideShare, t)) return;
        for (var g = 0; g < gradient.Length; g++) gradient[g] += weight * slope[g] / dense;
    }
}

/// <summary>The size loss at one moment.</summary>
/// <param name="Parameters">P.</param>
/// <param name="Multiplications">M.</param>
/// <param name="Gradient">∂L/∂n_G by group, λ included; all zero when every target of the moment holds.</param>
public sealed record SizeLossPoint(double Parameters, double Multiplications, double[] Gradient)
{
    public bool Pulls => Gradient.Any(g => g != 0);
}
