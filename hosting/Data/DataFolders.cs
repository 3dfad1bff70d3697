using System.IO.Compression;
using Lathe.Contracts;

namespace Lathe.Hosting;

/// <summary>Finds the folder of a data set on this machine.</summary>
public static class DataFolders
{
    private const string System = "/usr/share/datasets";
    private const string OnlyThere =
        $"--data or {HostingSettings.DataVariable} names the folder, and no other is looked at: put the files there, name another, or name none";

    /// <summary>
    /// The first folder that holds every file of the data set, plain or with <c>.gz</c> appended; for photographs, the first in which
    /// <see cref="ImageSetFiles.Find"/> finds some of that name.
    /// </summary>
    /// <param name="name">A name of <see cref="DataSetFiles.ByName"/>, or of photographs.</param>
    /// <param name="settings">Where to look.</param>
    /// <exception cref="LatheException">No such data set here: says where it looked, for what, and what to do.</exception>
    public static string Find(string name, HostingSettings settings)
    {
        CheckNamed(settings);
        if (!DataSetFiles.ByName.TryGetValue(name, out var files)) return FindImages(name, settings);
        var candidates = Candidates(name, settings).ToList();
        return candidates.Find(folder => DataSetFiles.VariantIn(name, folder) is not null)
            ?? throw new LatheException(
                $"data set {name} is not here. Looked in {string.Join(", ", candidates)} for {string.Join(", ", files)} (each plain or .gz). "
                + string.Concat(candidates.Select(folder => Lacking(folder, files)))
                + (settings.Data is null
                    ? $"Put the files into one of these folders, or name their folder with --data or {HostingSettings.DataVariable}"
                        + (name == "fashion-mnist" ? "; Debian and Ubuntu have them: apt-get install dataset-fashion-mnist" : "")
                    : OnlyThere));
    }

    private static string FindImages(string name, HostingSettings settings)
    {
        List<string> candidates = settings.Data is { } named ? [named] : [Path.Combine(settings.Home, "data"), System];
        return candidates.Find(folder => ImageSetFiles.Find(name, folder) is not null)
            ?? throw new LatheException(
                $"unknown data set '{name}'{Nearest.Hint(name, DataSetFiles.ByName.Keys)}; known are {string.Join(", ", DataSetFiles.ByName.Keys)}, and photographs: "
                + $"looked in {string.Join(", ", candidates.SelectMany(folder => (string[])[Path.Combine(folder, name), folder]))} for {ImageSetFiles.Expected}. "
                + string.Concat(candidates.SelectMany(folder => (string[])[Path.Combine(folder, name), folder]).Select(LackingSplit))
                + (settings.Data is null ? $"Name their folder with --data or {HostingSettings.DataVariable}" : OnlyThere));
    }

    /// <summary>What is missing where some of a data set's files are; nothing where none is.</summary>
    private static string Lacking(string folder, IReadOnlyList<string> files)
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
    public static void CheckNamed(HostingSettings settings)
    {
        if (settings.Data is not null && !DataPlaces.IsBucket(settings) && !Directory.Exists(settings.Data))
            throw new LatheException($"--data or {HostingSettings.DataVariable} is '{settings.Data}': no such folder");
    }

    /// <summary>The places where a data set is looked for, best first: in a folder that was named, or else where it usually is.</summary>
    public static IEnumerable<string> Candidates(string name, HostingSettings settings) => settings.Data is { } named
        ? [named, Path.Combine(named, name)]
        : [Path.Combine(settings.Home, "data", name), Path.Combine(System, name)];

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
