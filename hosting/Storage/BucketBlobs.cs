using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace Lathe.Hosting;

/// <summary>
/// Objects of a bucket. They are written and read through local files, so memory does not grow with their size. An object appears
/// when all of it has been sent.
/// </summary>
/// <param name="access">Server and credentials.</param>
/// <param name="address">Names are relative to it.</param>
/// <param name="cache">Folder for files on their way and for copies. May be emptied while nothing runs.</param>
/// <param name="cacheBytes">Bytes that the copies may take.</param>
internal sealed class BucketBlobs(BucketAccess access, BucketAddress address, string cache, long cacheBytes = HostingSettings.UsualCacheBytes) : IBlobs
{
    // An upload in parts that is not complete is listed as NAME?upload=ID.writing, like a file that is being written to a folder.
    private const string Upload = "?upload=";

    private readonly BucketClient _bucket = new(access, address);
    private readonly LocalCopies _copies = new(cache, cacheBytes);

    public string Place => address.ToString();

    public bool IsRemote => true;

    public string PlaceOf(string name) => $"{address}/{name}";

    public string? FileOf(string name, bool again = false)
    {
        if (_bucket.Find(name) is not { } there) return null;
        // A new content of the same name has a new tag, so a copy of the old content is never used for it.
        var identity = string.Create(CultureInfo.InvariantCulture, $"{access.Server}\n{PlaceOf(name)}\n{there.Bytes}\n{there.Tag}");
        var copy = Path.Combine(cache, Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(identity)))[..16], name);
        LocalCopies.Use(copy);
        if (!again && File.Exists(copy)) return copy;
        _bucket.Download(there, copy);
        _copies.Trim();
        return copy;
    }

    public Stream? Open(string name)
    {
        Directory.CreateDirectory(cache);
        var path = Path.Combine(cache, $".{Guid.NewGuid():N}.reading");
        var file = new FileStream(path, FileMode.CreateNew, FileAccess.ReadWrite, FileShare.None, 1 << 16);
        try
        {
            // The open stream keeps the deleted file alive, and a process that dies leaves no file.
            File.Delete(path);
            if (!_bucket.Download(name, file))
            {
                file.Dispose();
                return null;
            }

            file.Position = 0;
            return file;
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    public void Write(Func<Stream, string> write) => AtomicFile.WriteAside(cache, write, _bucket.Upload);

    public void Delete(string name)
    {
        if (UploadOf(name) is { } upload) _bucket.GiveUp(upload.Name, upload.Id);
        else _bucket.Delete(name);
    }

    public void SetAside(string name, string newName)
    {
        // Copies through this machine: not every server can copy, and no server copies more than 5 GB at a time.
        AtomicFile.WriteAside(cache, stream => _bucket.Download(name, stream) ? newName : null, _bucket.Upload);
        _bucket.Delete(name);
    }

    public IReadOnlyList<(string Name, long Bytes)> List(string start) => [.. _bucket.List(start).Select(found => (found.Name, found.Bytes))];

    public StoredBlob? Find(string name) => UploadOf(name) is not null ? ListUploads().FirstOrDefault(u => u.Name == name) : _bucket.Find(name) is { } there ? new StoredBlob(name, there.Bytes, there.WrittenAt) : null;

    public IEnumerable<StoredBlob> ListAll() => _bucket.ListAll().Select(there => new StoredBlob(there.Name, there.Bytes, there.WrittenAt)).Concat(ListUploads());

    private IEnumerable<StoredBlob> ListUploads() => _bucket.ListUploads().Select(u => new StoredBlob($"{u.Name}{Upload}{u.Id}{AtomicFile.Aside}", 0, u.BeganAt));

    private static (string Name, string Id)? UploadOf(string name) =>
        name.IndexOf(Upload, StringComparison.Ordinal) is > 0 and var at && name.EndsWith(AtomicFile.Aside, StringComparison.Ordinal)
            ? (name[..at], name[(at + Upload.Length)..^AtomicFile.Aside.Length])
            : null;
}
