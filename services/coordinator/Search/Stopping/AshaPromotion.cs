namespace Lathe.Coordinator;

/// <summary>One rung of a search by successive halving: trials that have computed for the same time.</summary>
/// <param name="Losses">Loss of each trial that has reached the rung, by number of the trial; less is better.</param>
/// <param name="Promoted">Trials that were sent on from here.</param>
public sealed record Rung(IReadOnlyDictionary<int, double> Losses, IReadOnlySet<int> Promoted);

/// <summary>
/// Asynchronous successive halving, the kind that promotes (Li, Jamieson, Rostamizadeh, Gonina, Hardt, Recht and Talwalkar, 2018, algorithm 2): whoever is free sends on a trial that is among the best
/// share of its rung, from the highest rung down, and begins a new one where there is none. Nobody waits for a rung to fill.
/// </summary>
public static class AshaPromotion
{
    /// <summary>Epochs that the trials of each rung have computed: grace, grace times reduction, and so on up to the most.</summary>
    /// <param name="grace">Epochs of the first rung, from 1.</param>
    /// <param name="reduction">One of so many trials is sent on; from 2.</param>
    /// <param name="most">Epochs of the last rung.</param>
    public static IReadOnlyList<int> Epochs(int grace, int reduction, int most)
    {
        var epochs = new List<int>();
        for (var of = (long)grace; of < most; of *= reduction) epochs.Add((int)of);
        epochs.Add(most);
        return epochs;
    }

    /// <summary>The trial to send on, with the number of the rung that it goes to; null: begin a new trial.</summary>
    /// <param name="rungs">From the first. From the last one nobody is sent on.</param>
    /// <param name="reduction">One of so many trials is sent on; from 2.</param>
    public static (int Trial, int Rung)? Next(IReadOnlyList<Rung> rungs, int reduction)
    {
        for (var k = rungs.Count - 2; k >= 0; k--)
        {
            var best = rungs[k].Losses.OrderBy(l => l.Value).ThenBy(l => l.Key).Take(rungs[k].Losses.Count / reduction);
            foreach (var (trial, _) in best)
            {
                if (!rungs[k].Promoted.Contains(trial)) return (trial, k + 1);
            }
        }

        return null;
    }
}
