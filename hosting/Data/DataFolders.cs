using System.IO.Compression;
using Lathe.Contracts;

namespace Lathe.Hosting;

/// <summary>Finds the folder of a data set on this machine.</summary>
internal static class DataFolders
{
    private const string System = "/usr/share/datasets";

    /// <summary>
    /// The first folder that holds every file of the data set, plain or with <c>.gz</c> appended; for photographs, the first in which
    /// <see cref="ImageSetFiles.Find"/> finds some of that name. A folder that was named comes first, then the usual ones.
    /// </summary>
    /// <param name="name">A name of <see cref="DataSetFiles.ByName"/>, or of photographs.</param>
    /// <param name="settings">Where to look.</param>
    /// <exception cref="LatheException">No such data set here: says where it looked, for what, and what to do.</exception>
    public static string Find(string name, HostingSettings settings)
    {
        CheckNamed(settings);
        return TryFind(name, settings)
            ?? throw new LatheException(DataSetFiles.ByName.TryGetValue(name, out var files) ? NoFiles(name, files, settings) : NoImages(name, settings));
    }

    /// <summary>The same, or null where no folder holds the data set.</summary>
    internal static string? TryFind(string name, HostingSettings settings) =>
        Named(name, settings).Concat(Usual(name, settings)).FirstOrDefault(folder => DataSetFiles.ByName.ContainsKey(name)
            ? DataSetFiles.VariantIn(name, folder) is not null
            : ImageSetFiles.Find(name, folder) is not null);

    /// <summary>Whether a data set lies in a usual folder though another place was named.</summary>
    internal static bool IsElsewhere(string name, string folder, HostingSettings settings) =>
        settings.Data is not null && !Named(name, settings).Contains(folder) && Usual(name, settings).Contains(folder);

    /// <summary>What of a data set is in the folder that was named, for people; nothing where all or none of it is.</summary>
    internal static string LackingInNamed(string name, HostingSettings settings) =>
        string.Concat(Named(name, settings).Select(folder => Lacking(name, folder)));

    private static string NoFiles(string name, IReadOnlyList<string> files, HostingSettings settings) =>
        $"data set {name} is not here. Looked in {LookedIn(name, settings)} for {string.Join(", ", files)} (each plain or .gz). "
        + string.Concat(Named(name, settings).Concat(Usual(name, settings)).Select(folder => Lacking(name, folder)))
        + $"Put the files into one of these places, or name their place with --data or {HostingSettings.DataVariable}"
        + (name == "fashion-mnist" ? "; Debian and Ubuntu have them: apt-get install dataset-fashion-mnist" : "");

    private static string NoImages(string name, HostingSettings settings) =>
        $"unknown data set '{name}'{Nearest.Hint(name, DataSetFiles.ByName.Keys)}; known are {string.Join(", ", DataSetFiles.ByName.Keys)}, and photographs: "
        + $"looked in {LookedIn(name, settings)} for {ImageSetFiles.Expected}. "
        + (DataPlaces.IsBucket(settings) ? $"In a bucket {BucketDataSets.Expected} are read, no folders of images: pack them into shards. " : "")
        + string.Concat(Named(name, settings).Concat(Usual(name, settings)).Select(folder => Lacking(name, folder)))
        + $"Name their place with --data or {HostingSettings.DataVariable}";

    /// <summary>Every place where a data set was looked for, in the order of looking.</summary>
    private static string LookedIn(string name, HostingSettings settings)
    {
        var folders = Named(name, settings).Concat(Usual(name, settings));
        // Photographs lie in a folder of their name, or are all that is there.
        if (!DataSetFiles.ByName.ContainsKey(name)) folders = folders.SelectMany(folder => (string[])[Path.Combine(folder, name), folder]);
        return string.Join(", ", (DataPlaces.IsBucket(settings) ? BucketDataSets.LookedIn(name, settings) : []).Concat(folders));
    }

    /// <summary>Where a data set may lie in the folder that was named; nothing where none was, or a bucket.</summary>
    private static string[] Named(string name, HostingSettings settings) =>
        settings.Data is not { } named || DataPlaces.IsBucket(settings) ? []
        : DataSetFiles.ByName.ContainsKey(name) ? [named, Path.Combine(named, name)]
        : [named];

    /// <summary>Where a data set usually lies.</summary>
    private static string[] Usual(string name, HostingSettings settings)
    {
        var home = Path.Combine(settings.Home, "data");
        return DataSetFiles.ByName.ContainsKey(name) ? [Path.Combine(home, name), Path.Combine(System, name)] : [home, System];
    }

    /// <summary>What is missing where some of a data set is; nothing where none is.</summary>
    private static string Lacking(string name, string folder) => DataSetFiles.ByName.TryGetValue(name, out var files)
        ? LackingFiles(folder, files)
        : LackingSplit(Path.Combine(folder, name)) + LackingSplit(folder);

    private static string LackingFiles(string folder, IReadOnlyList<string> files)
    {
        var missing = files.Where(file => FileIn(folder, file) is null).ToList();
        return missing.Count == 0 || missing.Count == files.Count ? "" : $"{folder} has the others, but not {string.Join(", ", missing)}. ";
    }

    /// <summary>The split that is missing beside the other; nothing where none is there.</summary>
    private static string LackingSplit(string folder)
    {
        var (train, validation) = (Directory.Exists(Path.Combine(folder, "train")), Directory.Exists(Path.Combine(folder, "val")));
        return train == validation ? "" : $"{folder} has {(train ? "train, but no val" : "val, but no train")}. ";
    }

    /// <summary>Refuses a folder that was named and is not there, before another place is looked at in its stead.</summary>
    /// <exception cref="LatheException">There is no such folder.</exception>
    internal static void CheckNamed(HostingSettings settings)
    {
        if (settings.Data is not null && !DataPlaces.IsBucket(settings) && !Directory.Exists(settings.Data))
            throw new LatheException($"--data or {HostingSettings.DataVariable} is '{settings.Data}': no such folder");
    }

    /// <summary>The files of a data set, relative to its folder.</summary>
    /// <exception cref="LatheException">No such data set.</exception>
    public static IReadOnlyList<string> FilesOf(string name) =>
        DataSetFiles.ByName.TryGetValue(name, out var files)
            ? files
            : throw new LatheException(
                $"unknown data set '{name}'{Nearest.Hint(name, DataSetFiles.ByName.Keys)}; known are {string.Join(", ", DataSetFiles.ByName.Keys)}");

    /// <summary>The path of a data set's file, plain before <c>.gz</c>, or null.</summary>
    public static string? FileIn(string folder, string file)
    {
        var plain = Path.Combine(folder, file);
        return File.Exists(plain) ? plain : File.Exists(plain + ".gz") ? plain + ".gz" : null;
    }

    /// <summary>Opens a file of a data set, decompressed.</summary>
    /// <exception cref="LatheException">The file is not there.</exception>
    public static Stream Open(string folder, string file)
    {
        var path = FileIn(folder, file) ?? throw new LatheException($"no file {Path.Combine(folder, file)}, plain or .gz");
        var stream = File.OpenRead(path);
        return path.EndsWith(".gz", StringComparison.Ordinal) ? new GZipStream(stream, CompressionMode.Decompress) : stream;
    }
}
