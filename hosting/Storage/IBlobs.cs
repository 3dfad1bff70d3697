namespace Lathe.Hosting;

/// <summary>
/// Named contents in a folder or in a bucket: what every store of Lathe is made of. Names are relative, with <c>/</c> between. A content is
/// there whole or not at all. For many threads and processes at once.
/// </summary>
public interface IBlobs
{
    /// <summary>The folder or the bucket, for people.</summary>
    string Place { get; }

    /// <summary>Where a name lies, for people.</summary>
    string PlaceOf(string name);

    /// <summary>A file of this machine with that content; null where there is none of the name. Neither written nor deleted by the caller.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="again">True: where the file is a copy, make it anew.</param>
    string? FileOf(string name, bool again = false);

    /// <summary>The content from its start, in a stream that can seek; null where there is none. The caller disposes it.</summary>
    Stream? Open(string name);

    /// <summary>Writes a content; where the writer throws, what was there before stays.</summary>
    /// <param name="write">Writes it to a stream and gives its name.</param>
    void Write(Func<Stream, string> write);

    /// <summary>Removes a content; nothing happens where there is none.</summary>
    void Delete(string name);

    /// <summary>Gives a content another name; nothing happens where there is none any more.</summary>
    void SetAside(string name, string newName);

    /// <summary>Names that start so, without those further down, in ordinal order.</summary>
    IReadOnlyList<(string Name, long Bytes)> List(string start);
}

/// <summary>Opens the store that the settings name.</summary>
public static class Blobs
{
    /// <param name="settings">Their <see cref="HostingSettings.Store"/> is a folder or a bucket.</param>
    /// <param name="below">A part of the store, or empty for all of it.</param>
    public static IBlobs Of(HostingSettings settings, string below = "")
    {
        if (!BucketAddress.IsOne(settings.Store)) return new FolderBlobs(Path.Combine(settings.Store, below));
        var address = BucketAddress.Parse(settings.Store);
        return new BucketBlobs(settings.Buckets, below.Length == 0 ? address : address.Below(below), Path.Combine(settings.Home, "cache", "store"));
    }
}
