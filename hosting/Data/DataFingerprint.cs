using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Lathe.Contracts;

namespace Lathe.Hosting;

/// <summary>Identifies a data set by content: the same for plain and compressed files in any folder.</summary>
internal static class DataFingerprint
{
    /// <summary>
    /// SHA-256 over each file's name and the SHA-256 of its decompressed content, in the order of <see cref="DataSetFiles"/>; for photographs
    /// over each file's relative path, length and content.
    /// </summary>
    /// <param name="name">A name of <see cref="DataSetFiles.ByName"/>, or of photographs in that folder.</param>
    /// <param name="folder">Folder that <see cref="DataFolders.Find"/> gave.</param>
    /// <param name="settings">Digests are kept in its home by path, length and time of change, so that a start costs no reading.</param>
    /// <exception cref="LatheException">A file is missing, cannot be read or cannot be decompressed.</exception>
    public static DataRef Compute(string name, string folder, HostingSettings settings) => Compute(name, new DataPlace(folder), settings);

    /// <summary>The same for a data set in a folder or a bucket: the same content has the same fingerprint everywhere.</summary>
    public static DataRef Compute(string name, DataPlace place, HostingSettings settings)
    {
        var (folder, cache) = (place.Folder, Path.Combine(settings.Home, "cache"));
        if (!DataSetFiles.ByName.ContainsKey(name) && (place.Remote ?? ImageSetFiles.Find(name, folder)) is { } images)
            return new DataRef(name, ImageFingerprint.Compute(images, cache));
        var text = new StringBuilder("lathe-data/1");
        foreach (var file in DataSetFiles.VariantIn(name, folder) ?? DataFolders.FilesOf(name))
            text.Append('\n').Append(file).Append(' ').Append(FileDigest(folder, file, cache));
        return new DataRef(name, Hex(SHA256.HashData(Encoding.UTF8.GetBytes(text.ToString()))));
    }

    /// <summary>Finds a data set and computes its fingerprint.</summary>
    public static DataRef Find(string name, HostingSettings settings) => Compute(name, DataPlaces.Find(name, settings), settings);

    private static string FileDigest(string folder, string file, string cache)
    {
        var path = DataFolders.FileIn(folder, file) ?? throw new LatheException($"no file {Path.Combine(folder, file)}, plain or .gz");
        var info = new FileInfo(path);
        var identity = string.Create(
            CultureInfo.InvariantCulture, $"{info.FullName}\n{info.Length}\n{info.LastWriteTimeUtc.Ticks}");
        var kept = Path.Combine(cache, $"digest-{Hex(SHA256.HashData(Encoding.UTF8.GetBytes(identity)))[..32]}");
        if (File.Exists(kept) && File.ReadAllText(kept) is { Length: 64 } known) return known;
        var digest = DigestOf(folder, file, path);
        AtomicFile.WriteText(kept, digest);
        return digest;
    }

    private static string DigestOf(string folder, string file, string path)
    {
        try
        {
            using var stream = DataFolders.Open(folder, file);
            return Hex(SHA256.HashData(stream));
        }
        catch (InvalidDataException e)
        {
            throw new LatheException($"{path} is damaged: it does not decompress ({e.Message}); fetch it again", FailureKind.Permanent, e);
        }
    }

    private static string Hex(byte[] bytes) => Convert.ToHexStringLower(bytes);
}
