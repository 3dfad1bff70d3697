using Lathe.Pruner.Budget;

namespace Lathe.Pruner.Methods;

/// <summary>
/// How hard the size loss pulls at each group's magnitudes, in the terms of <see cref="ExactFinish"/>: there the least magnitude goes first
/// for what it saves and for what it adds to its group's 1 / (share left), which is magnitude / (n · share²). A pull of slope · n · share²
/// drives to the threshold first what the finish would close first, and no group is drained because its channels cost much. Detail ours.
/// </summary>
public static class SharePull
{
    /// <summary>The pull at every channel of a group.</summary>
    /// <param name="gradient">∂L/∂n_G by group: what one more channel adds to the size loss.</param>
    /// <param name="live">n_G by group.</param>
    /// <param name="widths">Widths that groups may have; n is the full one.</param>
    public static double[] Of(double[] gradient, double[] live, IReadOnlyList<GroupWidths> widths) =>
        [.. gradient.Select((slope, g) => slope * live[g] * live[g] / widths[g].Full)];

    /// <summary>How far a step of 1 with λ = 1 moves the magnitude of a channel of the dense network, in the mean over all that may go and that cost something.</summary>
    /// <param name="loss">Size loss.</param>
    /// <param name="widths">Widths that groups may have.</param>
    /// <param name="sources">By group: how many scales make a magnitude and share the pull.</param>
    public static double Mean(SizeLoss loss, IReadOnlyList<GroupWidths> widths, Func<int, double> sources)
    {
        double[] full = [.. widths.Select(w => (double)w.Full)];
        var pull = Of(loss.Slope(full), full, widths);
        var prunable = Enumerable.Range(0, full.Length).Where(g => widths[g].Prunable && pull[g] > 0).ToList();
        return prunable.Sum(g => full[g] * pull[g] / sources(g)) / prunable.Sum(g => full[g]);
    }
}
