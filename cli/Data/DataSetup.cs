using Lathe.Contracts;
using Lathe.Coordinator;
using Lathe.Hosting;

namespace Lathe.Cli.Data;

/// <summary>Makes sure that a sweep's data sets are on this machine before anything trains.</summary>
internal static class DataSetup
{
    /// <summary>Finds every data set, and gets the one that can be had.</summary>
    /// <param name="sweep">Names the data sets.</param>
    /// <param name="settings">Where to look, and the home for what is downloaded.</param>
    /// <param name="say">Prints one line for the user.</param>
    /// <param name="stop">Cancels it.</param>
    /// <exception cref="LatheException">A data set is not here and cannot be had.</exception>
    public static async Task EnsureAsync(SweepDocument sweep, HostingSettings settings, Action<string> say, CancellationToken stop)
    {
        DataPlaces.CheckNamed(settings);
        foreach (var name in sweep.Spec.Datasets)
        {
            if (name == FashionMnist.Name && DataPlaces.Locate(name, settings) is null)
            {
                using var http = new HttpClient { Timeout = TimeSpan.FromMinutes(5) };
                await new FashionMnist(http, FashionMnist.Official, say).GetAsync(settings, stop);
            }
        }

        var problems = new List<SweepProblem>();
        for (var i = 0; i < sweep.Spec.Datasets.Count; i++)
        {
            try
            {
                var name = sweep.Spec.Datasets[i];
                if (DataPlaces.Elsewhere(name, DataPlaces.Find(name, settings), settings) is { } elsewhere) say(elsewhere);
            }
            catch (LatheException problem)
            {
                problems.Add(new SweepProblem($"/datasets/{i}", problem.Message));
            }
        }

        if (problems.Count > 0) throw sweep.Sources.Fault(problems);
    }
}
