using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Lathe.Contracts;

namespace Lathe.Hosting;

/// <summary>Objects of a bucket as they were listed; one that is replaced later is refused.</summary>
/// <param name="bucket">Holds them.</param>
/// <param name="objects">By their full addresses.</param>
/// <param name="notes">Folder of this machine, where notes are kept by address, length and tag.</param>
internal sealed class BucketFiles(BucketClient bucket, IReadOnlyDictionary<string, BucketObject> objects, string notes) : IRemoteFiles
{
    public long LengthOf(string path) => objects[path].Bytes;

    public void Read(string path, long offset, Memory<byte> bytes) => bucket.Read(objects[path], offset, bytes);

    public string? Recall(string path, string about) => File.Exists(NoteOf(path, about)) ? File.ReadAllText(NoteOf(path, about)) : null;

    public void Note(string path, string about, string text) => AtomicFile.WriteText(NoteOf(path, about), text);

    private string NoteOf(string path, string about)
    {
        var identity = string.Create(CultureInfo.InvariantCulture, $"{path}\n{objects[path].Bytes}\n{objects[path].Tag}\n{about}");
        return Path.Combine(notes, Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(identity)))[..32]);
    }
}
