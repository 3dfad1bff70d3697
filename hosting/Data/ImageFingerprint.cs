using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Lathe.Contracts;

namespace Lathe.Hosting;

/// <summary>Identifies photographs by content: the same for any folder and for shards.</summary>
internal static class ImageFingerprint
{
    private const int PieceBytes = 8 << 20;

    /// <summary>SHA-256 over each file's relative path, length and the SHA-256 of its content, in ordinal order of the paths.</summary>
    /// <param name="files">The data set.</param>
    /// <param name="cache">
    /// Folder where digests are kept by path, length and time of change: one file for the data set, because ImageNet has 1.3 million images.
    /// </param>
    /// <exception cref="LatheException">A file cannot be read.</exception>
    public static string Compute(ImageSetFiles files, string cache)
    {
        var paths = files.All();
        var entries = files.Remote is { } remote ? ReadRemote(remote, files.Root, paths) : ReadFolder(files.Root, paths, cache);
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData("lathe-images/1"u8);
        foreach (var entry in entries)
            hash.AppendData(Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"\n{entry.Length} {entry.Digest} {entry.Path}")));
        return Hex(hash.GetHashAndReset());
    }

    private static Entry[] ReadFolder(string root, IReadOnlyList<string> paths, string cache)
    {
        var kept = Path.Combine(cache, $"images-{Hex(SHA256.HashData(Encoding.UTF8.GetBytes(Path.GetFullPath(root))))[..32]}");
        var known = Known(kept);
        var entries = new Entry[paths.Count];
        try
        {
            ForEach(entries, i => Read(root, paths[i], known));
        }
        finally
        {
            // Digests that were computed before a file failed are kept, so those files are not read again.
            Keep(kept, entries, known);
        }

        return entries;
    }

    private static Entry[] ReadRemote(IRemoteFiles remote, string root, IReadOnlyList<string> paths)
    {
        var entries = new Entry[paths.Count];
        ForEach(entries, i =>
        {
            var path = $"{root}/{paths[i]}";
            return new Entry(paths[i], remote.LengthOf(path), 0, remote.Recall(path, "sha256") is { Length: 64 } known ? known : Digest(remote, path));
        });
        return entries;
    }

    private static string Digest(IRemoteFiles remote, string path)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var (length, piece) = (remote.LengthOf(path), new byte[PieceBytes]);
        for (var offset = 0L; offset < length; offset += PieceBytes)
        {
            var bytes = piece.AsMemory(0, (int)Math.Min(PieceBytes, length - offset));
            remote.Read(path, offset, bytes);
            hash.AppendData(bytes.Span);
        }

        var digest = Hex(hash.GetHashAndReset());
        remote.Note(path, "sha256", digest);
        return digest;
    }

    private static void ForEach(Entry[] entries, Func<int, Entry> read)
    {
        try
        {
            Parallel.For(0, entries.Length, new ParallelOptions { MaxDegreeOfParallelism = Environment.ProcessorCount }, i => entries[i] = read(i));
        }
        catch (AggregateException e) when (e.InnerExceptions.OfType<LatheException>().FirstOrDefault() is { } unreadable)
        {
            throw unreadable;
        }
    }

    private static Entry Read(string root, string path, Dictionary<string, Entry> known)
    {
        try
        {
            var info = new FileInfo(Path.Combine(root, path));
            if (known.TryGetValue(path, out var entry) && entry.Length == info.Length && entry.Ticks == info.LastWriteTimeUtc.Ticks)
                return entry;
            using var stream = new FileStream(info.FullName, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 0);
            return new Entry(path, info.Length, info.LastWriteTimeUtc.Ticks, Hex(SHA256.HashData(stream)));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new LatheException(Unreadable(Path.Combine(root, path), e), FailureKind.Transient, e);
        }
    }

    private static string Unreadable(string path, Exception e) => new FileInfo(path).LinkTarget is { } target
        ? $"{path} is a link to {target} and cannot be read: {e.Message.TrimEnd('.')}. Expected an image or a link to one. Mend the link, or remove it."
        : $"{path} cannot be read: {e.Message}";

    private static Dictionary<string, Entry> Known(string kept) => File.Exists(kept)
        ? File.ReadLines(kept).Select(Entry.Parse).OfType<Entry>().GroupBy(entry => entry.Path).ToDictionary(same => same.Key, same => same.Last())
        : [];

    private static void Keep(string kept, Entry?[] entries, Dictionary<string, Entry> known)
    {
        var read = entries.OfType<Entry>().ToList();
        if (read.Count == known.Count && read.TrueForAll(entry => known.GetValueOrDefault(entry.Path) == entry))
            return;
        AtomicFile.Write(kept, stream =>
        {
            using var writer = new StreamWriter(stream, leaveOpen: true);
            foreach (var entry in read)
                writer.WriteLine(entry.Line);
        });
    }

    private static string Hex(byte[] bytes) => Convert.ToHexStringLower(bytes);

    /// <summary>One file.</summary>
    /// <param name="Path">Relative to the data set's folder.</param>
    /// <param name="Length">Bytes.</param>
    /// <param name="Ticks">Time of the last change, UTC.</param>
    /// <param name="Digest">SHA-256 of the content.</param>
    private sealed record Entry(string Path, long Length, long Ticks, string Digest)
    {
        public string Line => string.Create(CultureInfo.InvariantCulture, $"{Length} {Ticks} {Digest} {Path}");

        public static Entry? Parse(string line) => line.Split(' ', 4) is [var length, var ticks, { Length: 64 } digest, var path]
            && long.TryParse(length, NumberStyles.None, CultureInfo.InvariantCulture, out var bytes)
            && long.TryParse(ticks, NumberStyles.None, CultureInfo.InvariantCulture, out var time)
            ? new Entry(path, bytes, time, digest)
            : null;
    }
}
