using System.Globalization;
using Lathe.Contracts;
using Lathe.Graph.Sizing;

namespace Lathe.Pruner.Budget;

/// <summary>The least and greatest sizes that closing channels can give. Known before any training.</summary>
/// <param name="LeastParameters">Every group at its narrowest.</param>
/// <param name="LeastMultiplications">Every group at its narrowest.</param>
/// <param name="DenseParameters">Nothing closed.</param>
/// <param name="DenseMultiplications">Nothing closed.</param>
public sealed record ReachableSizes(
    double LeastParameters, double LeastMultiplications, double DenseParameters, double DenseMultiplications)
{
    /// <summary>Step between widths; above 1 it may be why a target is out of reach.</summary>
    public int ChannelMultiple { get; private init; } = 1;

    /// <summary>An earlier pruning has the network first, so that "dense" is only the most that it leaves.</summary>
    private bool IsBehindPruning { get; init; }

    /// <summary>The least and the dense value of other costs, by name.</summary>
    public IReadOnlyDictionary<string, SizeRange> Others { get; private init; } = new Dictionary<string, SizeRange>();

    /// <param name="size">The network's sizes.</param>
    /// <param name="widths">Allowed widths, by group.</param>
    /// <param name="others">Other costs.</param>
    /// <param name="freeLayers">Number of layers whose bits are chosen too.</param>
    public static ReachableSizes Of(SizeModel size, IReadOnlyList<GroupWidths> widths, IReadOnlyList<(string Name, ICost Cost)>? others = null, int freeLayers = 0)
    {
        var least = size.Evaluate([.. widths.Select(w => (double)w.Least)]);
        var dense = size.Evaluate([.. widths.Select(w => (double)w.Full)]);
        return new ReachableSizes(least.Parameters, least.Multiplications, dense.Parameters, dense.Multiplications)
        {
            ChannelMultiple = widths.Select(w => w.Multiple).DefaultIfEmpty(1).Max(),
            Others = (others ?? []).ToDictionary(
                other => other.Name, other => new SizeRange(
                    other.Cost.Of([.. widths.Select(w => (double)w.Least), .. Enumerable.Repeat((double)PlannedBits.Least, freeLayers)]),
                    other.Cost.Of([.. widths.Select(w => (double)w.Full), .. Enumerable.Repeat((double)PlannedBits.Most, freeLayers)]))),
        };
    }

    /// <summary>
    /// The sizes that a network can have of which only ranges are known, because it is yet to be pruned. A layer that the earlier pruning makes narrower than a step between widths stays
    /// as it is, so that one channel of each group may be left.
    /// </summary>
    /// <param name="narrowest">Those of the network in steps of one channel.</param>
    /// <param name="parameters">Range of the network that enters.</param>
    /// <param name="multiplications">Range of the network that enters.</param>
    public static ReachableSizes Behind(ReachableSizes narrowest, SizeRange parameters, SizeRange multiplications) => narrowest with
    {
        DenseParameters = Math.Min(narrowest.DenseParameters, parameters.Most),
        DenseMultiplications = Math.Min(narrowest.DenseMultiplications, multiplications.Most),
        IsBehindPruning = true,
    };

    /// <summary>The same where nothing is known of the least.</summary>
    public ReachableSizes WithoutLeast() => this with
    {
        LeastParameters = 0, LeastMultiplications = 0, Others = Others.ToDictionary(other => other.Key, other => other.Value with { Least = 0 }),
    };

    /// <summary>
    /// What is wrong with a budget that no choice of channels meets. All costs grow with every width, so the narrowest network has the least
    /// of all at once: targets that can be met one by one can be met together.
    /// </summary>
    /// <returns>One problem for each target under the least reachable cost or above the dense one.</returns>
    public IReadOnlyList<ParameterProblem> Problems(SizeBudget budget) => [.. budget.Targets.SelectMany(target =>
    {
        var (least, dense) = target.Name switch
        {
            CostNames.Parameters => (LeastParameters, DenseParameters),
            CostNames.Multiplications => (LeastMultiplications, DenseMultiplications),
            _ => (Others[target.Name].Least, Others[target.Name].Most),
        };
        return Problem(target.Name, target.Most, least, dense);
    })];

    private IEnumerable<ParameterProblem> Problem(string name, double wanted, double least, double dense)
    {
        if (wanted >= least && wanted <= dense) return [];
        var whole = IsBehindPruning ? $"the at most {dense:N0} that the pruning before it leaves" : $"{dense:N0}";
        return [ParameterProblem.Of(name, $"{Size(wanted)} ({Share(wanted / dense)} of {whole}) cannot be reached: {Why(wanted, least, dense)}")];
    }

    private string Why(double wanted, double least, double dense)
    {
        var multiple = ChannelMultiple > 1 ? $"channelMultiple {ChannelMultiple}" : null;
        var remedy = multiple is null || wanted > dense ? "" : ", or a smaller channelMultiple";
        if (least >= dense && !IsBehindPruning)
            return $"nothing in the network can be pruned{(multiple is null ? "" : $" with {multiple}")}; expected {dense:N0} (1){remedy}";

        var why = wanted > dense ? "the network has fewer to begin with"
            : multiple is null ? "even with the narrowest allowed layers more remain"
            : $"even with the narrowest layers that {multiple} allows more remain";
        // Rounded up, so that what is shown can be reached.
        var leastShare = Math.Ceiling(least / dense * 10000) / 10000;
        var range = least > 0 ? $"between {least:N0} ({Share(leastShare)}) and {dense:N0} (1)" : $"at most {dense:N0} (1)";
        return $"{why}; expected {range}{remedy}";
    }

    /// <summary>With the digits that tell it from a limit beside it, and never rounded up to that.</summary>
    private static string Size(double size) =>
        size is < 1 or > 1e15 ? Digits(size) : (Math.Floor(size * 100) / 100).ToString("#,0.##", CultureInfo.InvariantCulture);

    private static string Share(double share) => share is >= 0.001 and < 100 ? share.ToString("0.####", CultureInfo.InvariantCulture) : Digits(share);

    /// <summary>Four digits that count, without an exponent as far as people read that.</summary>
    private static string Digits(double value)
    {
        var digits = value.ToString("G4", CultureInfo.InvariantCulture);
        return value is >= 1e-12 and < 1e12
            ? decimal.Parse(digits, NumberStyles.Float, CultureInfo.InvariantCulture).ToString("#,0.################", CultureInfo.InvariantCulture)
            : digits;
    }
}
