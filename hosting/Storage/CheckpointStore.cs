using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using Lathe.Contracts;

namespace Lathe.Hosting;

/// <summary>
/// Checkpoints, each named by the SHA-256 of its content: <c>ab/abcdef….safetensors</c>. Every read is verified.
/// </summary>
public sealed class CheckpointStore
{
    /// <summary>Ending of a checkpoint's name.</summary>
    public const string Extension = ".safetensors";
    private const string DamagedExtension = ".damaged";

    private readonly IBlobs _blobs;

    /// <param name="blobs">Folder or bucket that holds them.</param>
    internal CheckpointStore(IBlobs blobs) => _blobs = blobs;

    /// <summary>The store that settings name.</summary>
    public CheckpointStore(HostingSettings settings)
        : this(Blobs.Of(settings))
    {
    }

    /// <summary>The store's folder or bucket, for messages.</summary>
    public string Place => _blobs.Place;

    /// <summary>Writes a checkpoint, whole or not at all.</summary>
    /// <param name="write">Writes the file to a stream that can only be written forward.</param>
    public CheckpointRef Write(Action<Stream> write) => Write(write, _ => { });

    /// <summary>The same for a file that somebody looks at before it is kept.</summary>
    /// <param name="write">Writes the file to a stream that can only be written forward.</param>
    /// <param name="look">Gets the whole file, at its beginning; if it throws, nothing is kept.</param>
    internal CheckpointRef Write(Action<Stream> write, Action<Stream> look)
    {
        CheckpointRef? written = null;
        _blobs.Write(file =>
        {
            using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
            var digesting = new DigestingStream(file, hash);
            write(digesting);
            file.Position = 0;
            look(file);
            written = new CheckpointRef(Convert.ToHexStringLower(hash.GetCurrentHash()), digesting.Length);
            return NameOf(written.Sha256);
        });
        return written!;
    }

    /// <summary>Takes a copy of a file into the store.</summary>
    public CheckpointRef Import(string path)
    {
        if (!File.Exists(path)) throw new LatheException($"no file {path}; expected a checkpoint");
        return Write(to =>
        {
            using var from = File.OpenRead(path);
            from.CopyTo(to);
        });
    }

    /// <summary>The verified file of a checkpoint.</summary>
    /// <exception cref="LatheException">
    /// It is missing or damaged. A damaged checkpoint is moved aside, so that it can be computed again.
    /// </exception>
    public string PathOf(CheckpointRef checkpoint) =>
        TryPathOf(checkpoint, out var path, out var problem) ? path : throw new LatheException(problem);

    /// <summary>The verified file of a checkpoint, or what is wrong with it. A damaged one is moved aside.</summary>
    /// <exception cref="LatheException">The store cannot be reached.</exception>
    public bool TryPathOf(CheckpointRef checkpoint, [NotNullWhen(true)] out string? path, [NotNullWhen(false)] out string? problem) =>
        TryVerify(checkpoint, out path, out problem);

    /// <summary>True if the checkpoint exists and is undamaged; a damaged one is moved aside.</summary>
    /// <exception cref="LatheException">The store cannot be reached.</exception>
    public bool Has(CheckpointRef checkpoint) => TryVerify(checkpoint, out _, out _);

    /// <summary>
    /// True if the checkpoint can be used as far as that can be found out cheaply: in a folder as <see cref="Has"/> does, in a bucket by its length, without a
    /// transfer. Whoever reads it verifies it.
    /// </summary>
    /// <exception cref="LatheException">The store cannot be reached.</exception>
    public bool Exists(CheckpointRef checkpoint) => _blobs.IsRemote ? IsThere(checkpoint) : Has(checkpoint);

    /// <summary>True if the checkpoint is there with its length. Nothing is read of it.</summary>
    /// <exception cref="LatheException">The store cannot be reached.</exception>
    public bool IsThere(CheckpointRef checkpoint) => _blobs.Find(NameOf(checkpoint.Sha256))?.Bytes == checkpoint.Bytes;

    /// <summary>The checkpoint whose digest starts so.</summary>
    /// <param name="prefix">4 to 64 hexadecimal characters.</param>
    /// <exception cref="LatheException">No checkpoint or several checkpoints match.</exception>
    public CheckpointRef Find(string prefix)
    {
        var wanted = prefix.ToLowerInvariant();
        if (wanted.Length is > 0 and < 4 && wanted.All(char.IsAsciiHexDigitLower))
            throw new LatheException($"'{prefix}' is too short for the start of a digest; expected 4 to 64 characters of it, or a file");
        if (wanted.Length is < 4 or > 64 || !wanted.All(char.IsAsciiHexDigitLower))
            throw new LatheException($"'{prefix}' is neither a file here nor a digest; expected a path, or 4 to 64 hexadecimal characters of a digest");
        return StartingWith(wanted) switch
        {
            [] => throw new LatheException($"no checkpoint in {Place} has a digest that starts with {wanted}"),
            [var only] => only,
            var several => throw new LatheException(Several(wanted, several)),
        };
    }

    /// <summary>All checkpoints whose digest starts so.</summary>
    /// <param name="start">2 to 64 lower-case hexadecimal characters.</param>
    /// <exception cref="LatheException">The store cannot be reached.</exception>
    public IReadOnlyList<CheckpointRef> StartingWith(string start) =>
    [
        .. _blobs.List($"{start[..2]}/{start}").Where(blob => blob.Name.EndsWith(Extension, StringComparison.Ordinal))
            .Select(blob => new CheckpointRef(Path.GetFileNameWithoutExtension(blob.Name), blob.Bytes)),
    ];

    /// <summary>Says that a start of a digest is not enough.</summary>
    public static string Several(string start, IReadOnlyList<CheckpointRef> found) =>
        $"{found.Count} checkpoints start with {start}: {string.Join(", ", found.Take(4).Select(f => f.Sha256[..Math.Min(64, start.Length + 6)]))}"
        + $"{(found.Count > 4 ? ", ..." : "")}; give more of the digest";

    private bool TryVerify(CheckpointRef checkpoint, [NotNullWhen(true)] out string? path, [NotNullWhen(false)] out string? problem)
    {
        var name = NameOf(checkpoint.Sha256);
        path = _blobs.FileOf(name);
        if (path is null)
        {
            problem = $"checkpoint {checkpoint.Sha256} is not in the store {Place}; whoever made it must have used the same store "
                + $"({HostingSettings.StoreVariable} or --store)";
            return false;
        }

        var (found, bytes) = Digest(path);
        // The local copy may be damaged although the object in the bucket is not.
        if (found != checkpoint.Sha256 && _blobs.FileOf(name, again: true) is { } anew) (found, bytes) = Digest(path = anew);
        problem = null;
        if (found != checkpoint.Sha256)
        {
            _blobs.SetAside(name, name + DamagedExtension);
            problem = $"checkpoint {_blobs.PlaceOf(name)} is damaged: expected SHA-256 {checkpoint.Sha256} of {checkpoint.Bytes} bytes, found {found} of {bytes}; "
                + $"it is set aside as {Path.GetFileName(name)}{DamagedExtension} and will be computed again when a sweep needs it";
        }
        else if (bytes != checkpoint.Bytes)
        {
            problem = $"checkpoint {checkpoint.Sha256} has {bytes} bytes; the reference to it says {checkpoint.Bytes}";
        }

        return problem is null;
    }

    private static string NameOf(string sha256)
    {
        if (sha256.Length != 64 || !sha256.All(char.IsAsciiHexDigitLower))
            throw new LatheException($"'{sha256}' is no checkpoint digest; expected 64 lower-case hexadecimal characters");
        return $"{sha256[..2]}/{sha256}{Extension}";
    }

    private static (string Sha256, long Bytes) Digest(string path)
    {
        using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read | FileShare.Delete, 1 << 16, FileOptions.SequentialScan);
        return (Convert.ToHexStringLower(SHA256.HashData(file)), file.Length);
    }
}
