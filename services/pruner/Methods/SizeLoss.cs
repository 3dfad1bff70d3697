using Lathe.Graph.Sizing;
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

    /// <summary>What one more channel of each group adds at these widths, as a share of the dense size; of both sizes where both have targets, the sum.</summary>
    /// <param name="counts">n_G by group.</param>
    public double[] Slope(double[] counts)
    {
        var slope = new double[counts.Length];
        var (byParameters, byMultiplications) = size.Gradient(counts);
        for (var g = 0; g < slope.Length; g++)
        {
            slope[g] = (_parameters is null ? 0 : byParameters[g] / reach.DenseParameters)
                + (_multiplications is null ? 0 : byMultiplications[g] / reach.DenseMultiplications);
        }

        return slope;
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
