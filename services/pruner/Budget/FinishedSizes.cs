using Lathe.Contracts;
using Lathe.Graph.Sizing;

namespace Lathe.Pruner.Budget;

/// <summary>A network that is yet to be pruned before this pruning.</summary>
/// <param name="Parameters">Range of its parameters.</param>
/// <param name="Multiplications">Range of its multiplications.</param>
/// <param name="HasGrouped">True: it has grouped convolutions, whose channels may be bound otherwise once the first pruning is done.</param>
internal sealed record EnteringSizes(SizeRange Parameters, SizeRange Multiplications, bool HasGrouped);

/// <summary>
/// The parameters and multiplications that <see cref="ExactFinish"/> can give, whatever the magnitudes of the channels. Its result is at or under every target, and one step of any closed group would pass one of
/// them. So under one of the targets less is left than the widest step of any group adds.
/// </summary>
/// <param name="size">Sizes as a function of the groups' widths.</param>
/// <param name="widths">Allowed widths, by group.</param>
internal sealed class FinishedSizes(SizeModel size, IReadOnlyList<GroupWidths> widths)
{
    private readonly double[] _full = [.. widths.Select(w => (double)w.Full)];

    /// <summary>Ranges of both sizes.</summary>
    /// <param name="parameters">Name the targets.</param>
    /// <param name="budget">The targets as numbers, the greatest that they can be.</param>
    /// <param name="entering">What is known of the network that enters; null: it is the whole network.</param>
    public (SizeRange Parameters, SizeRange Multiplications) Of(PruneParameters parameters, SizeBudget budget, EnteringSizes? entering)
    {
        var dense = size.Evaluate(_full);
        // Where bits are free, channels may go although they would fit with the fewest bits.
        if (entering is null && !parameters.Bits.IsFree && budget.Holds(_full))
            return (new SizeRange(dense.Parameters, dense.Parameters), new SizeRange(dense.Multiplications, dense.Multiplications));
        var (mostParameters, mostMultiplications) = (
            Most(budget.Parameters, entering?.Parameters.Most ?? dense.Parameters), Most(budget.Multiplications, entering?.Multiplications.Most ?? dense.Multiplications));
        if (entering is { HasGrouped: true }) return (new SizeRange(0, mostParameters), new SizeRange(0, mostMultiplications));

        // A pruning before this one may leave any channels.
        double[] least = [.. widths.Select(w => entering is null ? w.Least : w.Prunable ? 1.0 : w.Full)];
        var widest = Widest(least, budget);
        // Which of several targets is nearly reached nobody knows, and of one for bytes or memory no bound of the two sizes is worked out.
        if (budget.Others.Any())
        {
            var (narrow, wide) = (size.Evaluate(least), size.Evaluate(widest));
            return (new SizeRange(narrow.Parameters, Math.Min(mostParameters, wide.Parameters)), new SizeRange(narrow.Multiplications, Math.Min(mostMultiplications, wide.Multiplications)));
        }

        var step = WidestStep(widest);
        var near = (
            Parameters: new SizeRange(Low(budget.Parameters, parameters.TargetParameters, entering?.Parameters, step.Parameters), mostParameters),
            Multiplications: new SizeRange(Low(budget.Multiplications, parameters.Multiplications, entering?.Multiplications, step.Multiplications), mostMultiplications));
        if (budget.Multiplications is null) return (near.Parameters, size.MultiplicationsWhere(least, widest, near.Parameters));
        if (budget.Parameters is null) return (size.ParametersWhere(least, widest, near.Multiplications), near.Multiplications);
        // Both hold, and one of them is nearly reached; nobody knows which.
        return (Either(near.Parameters, size.ParametersWhere(least, widest, near.Multiplications)), Either(near.Multiplications, size.MultiplicationsWhere(least, widest, near.Parameters)));

        static SizeRange Either(SizeRange a, SizeRange b) => new(Math.Min(a.Least, b.Least), Math.Min(a.Most, b.Most));
    }

    /// <summary>More than this is left under no target, but by the whole of a network that has no more.</summary>
    private static double Low(double? target, double? asked, SizeRange? entering, double step)
    {
        if (target is not { } most) return 0;
        // As in a budget: up to 1 it is a share.
        var reached = asked <= 1 && entering is not null ? asked.Value * entering.Least : most;
        var low = Math.Floor(reached - step) + 1;
        low = entering is not null && asked >= 1 ? Math.Min(low, entering.Least) : low;
        return Math.Max(0, low);
    }

    /// <summary>The greatest width that each group can have within the budget, be the others as narrow as they may.</summary>
    private double[] Widest(double[] least, SizeBudget budget)
    {
        var counts = least.ToArray();
        var widest = new double[least.Length];
        for (var g = 0; g < widest.Length; g++)
        {
            var (fits, beyond) = ((int)least[g], widths[g].Full + 1);
            while (beyond - fits > 1)
            {
                var middle = (fits + beyond) / 2;
                counts[g] = middle;
                if (budget.Holds(counts)) fits = middle;
                else beyond = middle;
            }

            counts[g] = least[g];
            widest[g] = fits;
        }

        return widest;
    }

    /// <summary>What the step of one group adds to each size at most. Both sizes grow with every width, and the faster the wider the others are.</summary>
    private (double Parameters, double Multiplications) WidestStep(double[] widest)
    {
        var counts = widest.ToArray();
        var (parameters, multiplications) = (0.0, 0.0);
        for (var g = 0; g < widest.Length; g++)
        {
            if (!widths[g].Prunable) continue;
            counts[g] = Math.Min(widths[g].Full, widest[g] + widths[g].Multiple);
            var after = size.Evaluate(counts);
            counts[g] = Math.Max(0, counts[g] - widths[g].Multiple);
            var before = size.Evaluate(counts);
            counts[g] = widest[g];
            (parameters, multiplications) = (Math.Max(parameters, after.Parameters - before.Parameters), Math.Max(multiplications, after.Multiplications - before.Multiplications));
        }

        return (parameters, multiplications);
    }

    private static double Most(double? target, double dense) => Math.Min(dense, Math.Floor(target ?? dense));
}
