using Lathe.Contracts;

namespace Lathe.Hosting;

/// <summary>Finds a data set in the folder or the bucket that the settings name, else in the usual folders of this machine.</summary>
internal static class DataPlaces
{
    /// <summary>Where a data set lies, ready to be read: in a folder, or as shards in a bucket.</summary>
    /// <exception cref="LatheException">No such data set: says where it looked, for what, and what to do.</exception>
    public static DataPlace Find(string name, HostingSettings settings)
    {
        if (!IsName(name)) throw new LatheException("a data set is named by the folder that it lies in, without any way there");
        return (IsBucket(settings) ? BucketDataSets.Find(name, settings) : null) ?? new DataPlace(DataFolders.Find(name, settings));
    }

    /// <summary>Whether a name can be that of a data set: one that leaves no folder that data lie in, and says nothing to a terminal.</summary>
    public static bool IsName(string name) =>
        name.Length is > 0 and <= 200 && !name.Any(char.IsControl) && !Path.IsPathRooted(name) && !name.Split('/', '\\').Contains("..");

    /// <summary>One line for people where a data set was not in the place that the settings name; null where it was, or none is named.</summary>
    /// <param name="name">The data set.</param>
    /// <param name="place">Where <see cref="Find"/> found it.</param>
    /// <param name="settings">Where it was looked for.</param>
    public static string? Elsewhere(string name, DataPlace place, HostingSettings settings) =>
        place.Remote is null && DataFolders.IsElsewhere(name, place.Folder, settings)
            ? $"data set {name} is not in {settings.Data}, which --data or {HostingSettings.DataVariable} names; taken from {place}. {DataFolders.LackingInNamed(name, settings)}".TrimEnd()
            : null;

    /// <summary>Refuses a place that was named and cannot be used, before another is looked at in its stead.</summary>
    /// <exception cref="LatheException">There is no such folder, or the bucket cannot be used.</exception>
    public static void CheckNamed(HostingSettings settings)
    {
        DataFolders.CheckNamed(settings);
        if (IsBucket(settings)) BucketDataSets.Bucket(settings).Check();
    }

    /// <summary>Where a data set lies, for people, without copying anything; null where it is not.</summary>
    public static string? Locate(string name, HostingSettings settings)
    {
        if (!IsName(name)) return null;
        try
        {
            return (IsBucket(settings) ? BucketDataSets.Locate(name, settings) : null) ?? DataFolders.Find(name, settings);
        }
        catch (LatheException)
        {
            return null;
        }
    }

    internal static bool IsBucket(HostingSettings settings) => settings.Data is { } data && BucketAddress.IsOne(data);
}
