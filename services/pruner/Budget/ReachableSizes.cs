using Lathe.Contracts;
using Lathe.NN.Sizing;

namespace Lathe.Pruner.Budget;

/// <summary>The least and greatest sizes that closing channels can give. Known before any training.</summary>
/// <param name="LeastParameters">Every group at its narrowest.</param>
/// <param name="LeastMultiplications">Every group at its narrowest.</param>
/// <param name="DenseParameters">Nothing closed.</param>
/// <param name="DenseMultiplications">Nothing closed.</param>
public sealed record ReachableSizes(
    double LeastParameters, double LeastMultiplications, double DenseParameters, double DenseMultiplications)
{
    public static ReachableSizes Of(SizeModel size, IReadOnlyList<GroupWidths> widths)
    {
        var least = size.Evaluate([.. widths.Select(w => (double)w.Least)]);
        var dense = size.Evaluate([.. widths.Select(w => (double)w.Full)]);
        return new ReachableSizes(least.Parameters, least.Multiplications, dense.Parameters, dense.Multiplications);
    }

    /// <summary>
    /// Refuses a budget that no choice of channels meets. Both sizes grow with every width, so the narrowest network has the least of
    /// both at once: targets that can be met one by one can be met together.
    /// </summary>
    /// <exception cref="LatheException">A target lies under the least reachable size or above the dense one.</exception>
    public void Check(SizeBudget budget)
    {
        Check("parameters", budget.Parameters, LeastParameters, DenseParameters);
        Check("multiplications", budget.Multiplications, LeastMultiplications, DenseMultiplications);
    }

    private static void Check(string name, double? target, double least, double dense)
    {
        if (target is not { } wanted || (wanted >= least && wanted <= dense)) return;
        var why = wanted < least ? "even with the narrowest allowed layers more remain" : "the network has fewer to begin with";
        throw new LatheException(
            $"prune.{name}: {wanted:N0} ({wanted / dense:0.####} of {dense:N0}) cannot be reached: {why}; expected between {least:N0} "
            + $"({Math.Ceiling(least / dense * 10000) / 10000:0.####}) and {dense:N0} (1)");
    }
}
