using System.Security.Cryptography;
using Lathe.Contracts;

namespace Lathe.Hosting;

/// <summary>
/// Checkpoints in a folder, each named by the SHA-256 of its content: <c>ab/abcdef….safetensors</c>. Every read is verified.
/// </summary>
/// <param name="folder">The store's folder; made at the first write.</param>
public sealed class CheckpointStore(string folder)
{
    private const string Extension = ".safetensors";
    private const string DamagedExtension = ".damaged";

    public CheckpointStore(HostingSettings settings)
        : this(settings.Store)
    {
    }

    public string Folder { get; } = Path.GetFullPath(folder);

    /// <summary>Writes a checkpoint, whole or not at all.</summary>
    /// <param name="write">Writes the file to a stream that can only be written forward.</param>
    public CheckpointRef Write(Action<Stream> write)
    {
        CheckpointRef? written = null;
        AtomicFile.WriteNamed(Folder, file =>
        {
            using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
            var digesting = new DigestingStream(file, hash);
            write(digesting);
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
    /// Not there, or not what it was when it was written; a damaged file is set aside, so that it can be made again.
    /// </exception>
    public string PathOf(CheckpointRef checkpoint)
    {
        var path = NameOf(checkpoint.Sha256);
        if (!File.Exists(path))
        {
            throw new LatheException(
                $"checkpoint {checkpoint.Sha256} is not in the store {Folder}; coordinator and workers must share one store "
                + $"({HostingSettings.StoreVariable} or --store)");
        }

        var bytes = new FileInfo(path).Length;
        var found = Digest(path);
        if (bytes == checkpoint.Bytes && found == checkpoint.Sha256) return path;
        if (found == checkpoint.Sha256)
            throw new LatheException($"checkpoint {checkpoint.Sha256} has {bytes} bytes; the reference to it says {checkpoint.Bytes}");
        SetAside(path);
        throw new LatheException(
            $"checkpoint {path} is damaged: expected SHA-256 {checkpoint.Sha256} of {checkpoint.Bytes} bytes, found {found} of {bytes}; "
            + $"it is set aside as {Path.GetFileName(path)}{DamagedExtension} and will be computed again when a sweep needs it");
    }

    /// <summary>True where the checkpoint is there and undamaged; a damaged one is set aside.</summary>
    public bool Has(CheckpointRef checkpoint)
    {
        if (!File.Exists(NameOf(checkpoint.Sha256))) return false;
        try
        {
            PathOf(checkpoint);
            return true;
        }
        catch (LatheException)
        {
            return false;
        }
    }

    /// <summary>The checkpoint whose digest starts so.</summary>
    /// <param name="prefix">4 to 64 hexadecimal characters.</param>
    /// <exception cref="LatheException">None or several do.</exception>
    public CheckpointRef Find(string prefix)
    {
        var wanted = prefix.ToLowerInvariant();
        if (wanted.Length is < 4 or > 64 || !wanted.All(char.IsAsciiHexDigitLower))
            throw new LatheException($"'{prefix}' is no digest; expected 4 to 64 hexadecimal characters");
        var shelf = Path.Combine(Folder, wanted[..2]);
        var found = Directory.Exists(shelf) ? Directory.GetFiles(shelf, $"{wanted}*{Extension}") : [];
        Array.Sort(found, StringComparer.Ordinal);
        return found.Length switch
        {
            0 => throw new LatheException($"no checkpoint in {Folder} has a digest that starts with {wanted}"),
            1 => new CheckpointRef(Path.GetFileNameWithoutExtension(found[0]), new FileInfo(found[0]).Length),
            _ => throw new LatheException(
                $"{found.Length} checkpoints start with {wanted}: "
                + $"{string.Join(", ", found.Take(4).Select(f => Path.GetFileNameWithoutExtension(f)[..Math.Min(64, wanted.Length + 6)]))}"
                + $"{(found.Length > 4 ? ", ..." : "")}; give more of the digest"),
        };
    }

    private string NameOf(string sha256)
    {
        if (sha256.Length != 64 || !sha256.All(char.IsAsciiHexDigitLower))
            throw new LatheException($"'{sha256}' is no checkpoint digest; expected 64 lower-case hexadecimal characters");
        return Path.Combine(Folder, sha256[..2], sha256 + Extension);
    }

    private static string Digest(string path)
    {
        using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read | FileShare.Delete, 1 << 16, FileOptions.SequentialScan);
        return Convert.ToHexStringLower(SHA256.HashData(file));
    }

    private static void SetAside(string path)
    {
        try
        {
            File.Move(path, path + DamagedExtension, overwrite: true);
        }
        catch (FileNotFoundException)
        {
            // Another reader found the same damage and was quicker.
        }
    }
}
