using Lathe.Contracts;

namespace Lathe.Hosting;

/// <summary>Finds a data set in folders of this machine or in the bucket that the settings name.</summary>
public static class DataPlaces
{
    /// <summary>Where a data set lies, ready to be read: in a folder, or as shards in a bucket.</summary>
    /// <exception cref="LatheException">No such data set: says where it looked, for what, and what to do.</exception>
    public static DataPlace Find(string name, HostingSettings settings) =>
        IsBucket(settings) ? BucketDataSets.Find(name, settings) : new DataPlace(DataFolders.Find(name, settings));

    /// <summary>Where a data set lies, for people, without copying anything; null where it is not.</summary>
    public static string? Locate(string name, HostingSettings settings)
    {
        try
        {
            return IsBucket(settings) ? BucketDataSets.Locate(name, settings) : DataFolders.Find(name, settings);
        }
        catch (LatheException)
        {
            return null;
        }
    }

    internal static bool IsBucket(HostingSettings settings) => settings.Data is { } data && BucketAddress.IsOne(data);
}
