using Lathe.Contracts;
using Lathe.Hosting;

namespace Lathe.Cli.Data;

/// <summary>Makes sure that a sweep's data sets are on this machine before anything trains.</summary>
internal static class DataSetup
{
    /// <summary>Finds every data set, and gets the one that can be had.</summary>
    /// <param name="names">Data set names of the sweep.</param>
    /// <param name="settings">Where to look, and the home for what is downloaded.</param>
    /// <param name="say">Takes one line for the user.</param>
    /// <param name="stop">Calls it off.</param>
    /// <exception cref="LatheException">A data set is not here and cannot be had.</exception>
    public static async Task EnsureAsync(IEnumerable<string> names, HostingSettings settings, Action<string> say, CancellationToken stop)
    {
        DataFolders.CheckNamed(settings);
        foreach (var name in names)
        {
            // Where a folder is named, its contents are the user's business.
            if (name == FashionMnist.Name && settings.Data is null && !IsHere(name, settings))
            {
                using var http = new HttpClient { Timeout = TimeSpan.FromMinutes(5) };
                var debian = new DebianPackage(say);
                await new FashionMnist(http, FashionMnist.Official, s => debian.InstallAsync("dataset-fashion-mnist", s), say).GetAsync(settings, stop);
            }

            DataFolders.Find(name, settings);
        }
    }

    /// <summary>The folder of a data set, or null.</summary>
    public static string? Folder(string name, HostingSettings settings)
    {
        try
        {
            return DataFolders.Find(name, settings);
        }
        catch (LatheException)
        {
            return null;
        }
    }

    private static bool IsHere(string name, HostingSettings settings) => Folder(name, settings) is not null;
}
