using Lathe.Contracts;

namespace Lathe.Pruner.Budget;

/// <summary>The largest sizes allowed, as absolute numbers. Null: free.</summary>
/// <param name="Parameters">Trainable values.</param>
/// <param name="Multiplications">Products for one image.</param>
public sealed record SizeBudget(double? Parameters, double? Multiplications)
{
    /// <summary>Turns shares of the dense sizes into numbers: at most 1 is a share, above 1 a number.</summary>
    /// <exception cref="LatheException">Neither target is given.</exception>
    public static SizeBudget From(PruneParameters parameters, double denseParameters, double denseMultiplications)
    {
        if (Missing(parameters) is { } missing) throw missing.Fault(PruneStage.Manifest.Name);
        return new SizeBudget(Absolute(parameters.TargetParameters, denseParameters), Absolute(parameters.Multiplications, denseMultiplications));
    }

    /// <summary>What is wrong with parameters without a target; null where there is one.</summary>
    public static ParameterProblem? Missing(PruneParameters parameters) => parameters.TargetParameters is null && parameters.Multiplications is null
        ? new ParameterProblem(
            "", "no target is given; expected 'parameters', 'multiplications' or both, as a share of the dense network (0.25) or an absolute number (1.6e9)")
        : null;

    /// <summary>True when both sizes are at or under their targets.</summary>
    public bool Holds(double parameters, double multiplications) =>
        !(parameters > Parameters) && !(multiplications > Multiplications);

    private static double? Absolute(double? target, double dense) => target switch
    {
        null => null,
        <= 1 => target * dense,
        _ => target,
    };
}
