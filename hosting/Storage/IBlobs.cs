namespace Lathe.Hosting;

/// <summary>
/// Named contents in a folder or in a bucket. Every store of Lathe uses them. Names are relative paths with <c>/</c>. A content exists
/// completely or not at all. Safe for many threads and processes at once.
/// </summary>
internal interface IBlobs
{
    /// <summary>The folder or the bucket, for messages.</summary>
    string Place { get; }

    /// <summary>True: what is read is transferred first, so that a look into a content costs more than one at its length.</summary>
    bool IsRemote { get; }

    /// <summary>Location of a name, for messages.</summary>
    string PlaceOf(string name);

    /// <summary>A local file with that content; null if the name does not exist. The caller must not write or delete it.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="again">True: if the file is a copy, copy it again.</param>
    string? FileOf(string name, bool again = false);

    /// <summary>The content in a seekable stream, from its start; null if it does not exist. The caller disposes it.</summary>
    Stream? Open(string name);

    /// <summary>Writes a content. If the writer throws, the previous content stays.</summary>
    /// <param name="write">Writes it to a stream and returns its name.</param>
    void Write(Func<Stream, string> write);

    /// <summary>Removes a content; does nothing if it does not exist.</summary>
    void Delete(string name);

    /// <summary>Renames a content; does nothing if it no longer exists.</summary>
    void SetAside(string name, string newName);

    /// <summary>Names that start so, without those further down, in ordinal order.</summary>
    IReadOnlyList<(string Name, long Bytes)> List(string start);

    /// <summary>A content without its bytes; null if it does not exist.</summary>
    StoredBlob? Find(string name);

    /// <summary>Every content, those further down too, in no order; files on their way among them.</summary>
    IEnumerable<StoredBlob> ListAll();
}

/// <summary>Opens the store that the settings name.</summary>
internal static class Blobs
{
    /// <param name="settings">Their <see cref="HostingSettings.Store"/> is a folder or a bucket.</param>
    /// <param name="below">A part of the store, or empty for all of it.</param>
    public static IBlobs Of(HostingSettings settings, string below = "")
    {
        if (!BucketAddress.IsOne(settings.Store)) return new FolderBlobs(Path.Combine(settings.Store, below));
        var address = BucketAddress.Parse(settings.Store);
        return new BucketBlobs(settings.Buckets, below.Length == 0 ? address : address.Below(below), Path.Combine(settings.Home, "cache", "store"), settings.CacheBytes);
    }
}
