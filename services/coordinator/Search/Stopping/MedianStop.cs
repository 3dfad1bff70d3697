namespace Lathe.Coordinator;

/// <summary>
/// The median rule (Golovin, Solnik, Moitra, Kochanski, Karro and Sculley, 2017): a trial is stopped after an epoch if its best loss so far is worse than the median, over the others that
/// got so far, of their mean loss up to there.
/// </summary>
public static class MedianStop
{
    /// <summary>Whether a trial is to be stopped.</summary>
    /// <param name="losses">Its losses by epoch, from the first; less is better.</param>
    /// <param name="others">Those of the other trials, whether they have ended or not.</param>
    /// <param name="grace">Epochs that every trial may compute.</param>
    /// <param name="least">So many others must have got as far.</param>
    public static bool IsDue(IReadOnlyList<double> losses, IEnumerable<IReadOnlyList<double>> others, int grace, int least)
    {
        if (losses.Count == 0 || losses.Count < grace) return false;
        var means = others.Where(o => o.Count >= losses.Count).Select(o => o.Take(losses.Count).Average()).Order().ToList();
        if (means.Count < Math.Max(1, least)) return false;
        var median = means.Count % 2 == 1 ? means[means.Count / 2] : (means[(means.Count / 2) - 1] + means[means.Count / 2]) / 2;
        return losses.Min() > median;
    }
}
