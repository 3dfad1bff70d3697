using Lathe.Contracts;
using Lathe.Graph.Sizing;

namespace Lathe.Pruner.Budget;

/// <summary>A cost that a network must not pass.</summary>
/// <param name="Name">Name of the parameter that says so.</param>
/// <param name="Cost">The cost by the widths of the groups.</param>
/// <param name="Most">The largest allowed.</param>
/// <param name="Dense">The cost of the network that enters.</param>
public sealed record BudgetTarget(string Name, ICost Cost, double Most, double Dense)
{
    /// <summary>The target as a share of the dense cost.</summary>
    public double Share => Most / Dense;
}

/// <summary>The largest costs allowed, one target for each. What has no target is free.</summary>
/// <param name="Targets">At least one.</param>
public sealed record SizeBudget(IReadOnlyList<BudgetTarget> Targets)
{
    /// <summary>What is wrong with parameters without a target; null where there is one.</summary>
    public static ParameterProblem? Missing(PruneParameters parameters) =>
        parameters is { TargetParameters: null, Multiplications: null, Bytes: null, RamBytes: null }
            ? new ParameterProblem(
                "",
                "no target is given; expected one or more of 'parameters' and 'multiplications', each as a share of the dense network (0.25) or an absolute number (1.6e9), "
                + "and 'bytes' and 'ramBytes', which may also be texts (40 KiB)")
            : null;

    /// <summary>The targets that parameters name, as absolute numbers: up to 1 they are shares of the dense cost.</summary>
    /// <param name="parameters">The targets.</param>
    /// <param name="costs">The network's costs.</param>
    /// <param name="reach">Its dense costs.</param>
    /// <param name="leastBits">True: where bits are free, count with the fewest. What does not fit then fits with no bits.</param>
    /// <exception cref="LatheException">No target is given.</exception>
    public static SizeBudget From(PruneParameters parameters, NetworkCosts costs, ReachableSizes reach, bool leastBits = false)
    {
        if (Missing(parameters) is { } missing) throw missing.Fault(PruneStage.Manifest.Name);
        var targets = new List<BudgetTarget>();
        Add(CostNames.Parameters, costs.Size.Parameters, parameters.TargetParameters, reach.DenseParameters);
        Add(CostNames.Multiplications, costs.Size.Multiplications, parameters.Multiplications, reach.DenseMultiplications);
        foreach (var (name, cost) in costs.Others(parameters, leastBits))
            Add(name, cost, (name == CostNames.Bytes ? parameters.Bytes : parameters.RamBytes)!.Value.Value, reach.Others[name].Most);
        return new SizeBudget(targets);

        void Add(string name, ICost cost, double? given, double dense)
        {
            if (given is { } target) targets.Add(new BudgetTarget(name, cost, target <= 1 ? target * dense : target, dense));
        }
    }

    /// <summary>Targets for parameters and multiplications as absolute numbers.</summary>
    /// <param name="size">The network's sizes.</param>
    /// <param name="parameters">Largest number of parameters; null: free.</param>
    /// <param name="multiplications">Largest number of multiplications; null: free.</param>
    public static SizeBudget Of(SizeModel size, double? parameters, double? multiplications)
    {
        var dense = size.Evaluate([.. size.DenseCounts.Select(count => (double)count)]);
        var targets = new List<BudgetTarget>();
        if (parameters is { } p) targets.Add(new BudgetTarget(CostNames.Parameters, size.Parameters, p, dense.Parameters));
        if (multiplications is { } m) targets.Add(new BudgetTarget(CostNames.Multiplications, size.Multiplications, m, dense.Multiplications));
        return new SizeBudget(targets);
    }

    /// <summary>Largest number of parameters; null: free.</summary>
    public double? Parameters => Find(CostNames.Parameters)?.Most;

    /// <summary>Largest number of multiplications; null: free.</summary>
    public double? Multiplications => Find(CostNames.Multiplications)?.Most;

    /// <summary>The targets beside those for parameters and multiplications.</summary>
    public IEnumerable<BudgetTarget> Others => Targets.Where(target => target.Name is not (CostNames.Parameters or CostNames.Multiplications));

    /// <summary>True when every cost is at or under its target.</summary>
    /// <param name="open">Width of each group and, where they are free, the bits of each layer.</param>
    public bool Holds(ReadOnlySpan<double> open)
    {
        foreach (var target in Targets)
        {
            if (target.Cost.Of(open) > target.Most) return false;
        }

        return true;
    }

    private BudgetTarget? Find(string name) => Targets.FirstOrDefault(target => target.Name == name);
}

/// <summary>Names of the costs, which are those of the parameters that give their targets.</summary>
public static class CostNames
{
    public const string Parameters = "parameters";
    public const string Multiplications = "multiplications";

    /// <summary>Bytes of stored tensors, once weights have <see cref="PruneParameters.Bits"/>.</summary>
    public const string Bytes = "bytes";

    /// <summary>Bytes of activations at their peak, once they have <see cref="PruneParameters.Activations"/>.</summary>
    public const string RamBytes = "ramBytes";
}
