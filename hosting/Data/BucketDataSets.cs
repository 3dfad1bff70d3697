using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Lathe.Contracts;

namespace Lathe.Hosting;

/// <summary>
/// Data sets in a bucket. Photographs stay there, in tars that are read in parts; the files of <see cref="DataSetFiles"/> are small and are
/// copied to this machine once.
/// </summary>
internal static class BucketDataSets
{
    public const string Expected = "shards train*.tar and val*.tar, or one tar with the folders train/ and val/";

    /// <summary>Finds a data set, and copies it where it is one of the small ones; null where it is not there.</summary>
    /// <exception cref="LatheException">The bucket cannot be used.</exception>
    public static DataPlace? Find(string name, HostingSettings settings)
    {
        var bucket = Bucket(settings);
        if (!DataSetFiles.ByName.ContainsKey(name)) return Photographs(name, bucket, settings);
        return Files(name, bucket) is { } found ? new DataPlace(Copied(found, bucket, settings)) : null;
    }

    /// <summary>Where <see cref="Find"/> looks, for people.</summary>
    public static IEnumerable<string> LookedIn(string name, HostingSettings settings)
    {
        var top = Bucket(settings).Address;
        return DataSetFiles.ByName.ContainsKey(name) ? [$"{top}", $"{top}/{name}"] : [$"{top}/{name}", $"{top}"];
    }

    /// <summary>Where a data set lies, or null; nothing is copied.</summary>
    public static string? Locate(string name, HostingSettings settings)
    {
        var bucket = Bucket(settings);
        return DataSetFiles.ByName.ContainsKey(name)
            ? Files(name, bucket) is { } found ? $"{bucket.Address}/{found.Folder}".TrimEnd('/') : null
            : Photographs(name, bucket, settings)?.Folder;
    }

    public static BucketClient Bucket(HostingSettings settings) =>
        new(settings.Buckets, BucketAddress.Parse(settings.Data!, HostingSettings.DataVariable));

    private static FoundFiles? Files(string name, BucketClient bucket)
    {
        foreach (var folder in (string[])["", $"{name}/"])
        {
            foreach (var files in DataSetFiles.Variants(name))
            {
                var there = files.Select(file => folder + file[..(file.LastIndexOf('/') + 1)]).Distinct().SelectMany(bucket.List).ToDictionary(found => found.Name);
                var found = files.Select(file => there.GetValueOrDefault(folder + file) ?? there.GetValueOrDefault(folder + file + ".gz")).OfType<BucketObject>().ToList();
                if (found.Count == files.Count) return new FoundFiles(folder, found);
            }
        }

        return null;
    }

    /// <summary>The folder of the copies: another one for other contents, so that what is being read is never replaced.</summary>
    private static string Copied(FoundFiles found, BucketClient bucket, HostingSettings settings)
    {
        var identity = new StringBuilder($"{settings.Buckets.Server}\n{bucket.Address}");
        foreach (var file in found.Files) identity.Append(CultureInfo.InvariantCulture, $"\n{file.Name}\n{file.Bytes}\n{file.Tag}");
        var copies = Path.Combine(
            settings.Home, "cache", "data", Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(identity.ToString())))[..16]);
        foreach (var file in found.Files)
        {
            var copy = new FileInfo(Path.Combine(copies, file.Name[found.Folder.Length..]));
            if (!copy.Exists || copy.Length != file.Bytes) bucket.Download(file, copy.FullName);
        }

        return copies;
    }

    private static DataPlace? Photographs(string name, BucketClient bucket, HostingSettings settings)
    {
        if (!ImageSetFiles.IsName(name)) return null;
        foreach (var folder in (string[])[$"{name}/", ""])
        {
            var (train, validation) = (Shards("train"), Shards("val"));
            if (train.Count > 0 && validation.Count > 0) return Place(folder, ImageSetForm.Shards, train, validation);

            List<BucketObject> Shards(string split) =>
                [.. bucket.List(folder + split).Where(found => found.Name.EndsWith(".tar", StringComparison.Ordinal))];
        }

        return bucket.Find($"{name}.tar") is { } archive ? Place("", ImageSetForm.Archive, [archive], [archive]) : null;

        DataPlace Place(string folder, ImageSetForm form, List<BucketObject> train, List<BucketObject> validation)
        {
            var root = bucket.Address.Below(folder).ToString();
            var files = new BucketFiles(
                bucket,
                train.Union(validation).ToDictionary(found => $"{bucket.Address}/{found.Name}"),
                Path.Combine(settings.Home, "cache", "shards"));
            return new DataPlace(root, new ImageSetFiles(root, form, Names(train), Names(validation), files));

            List<string> Names(List<BucketObject> shards) => [.. shards.Select(shard => shard.Name[folder.Length..])];
        }
    }

    /// <param name="Folder">Where the files lie, relative to the address: empty, or with a slash at its end.</param>
    /// <param name="Files">The files, in the order of <see cref="DataSetFiles"/>.</param>
    private sealed record FoundFiles(string Folder, IReadOnlyList<BucketObject> Files);
}
