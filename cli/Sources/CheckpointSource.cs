using Lathe.Contracts;
using Lathe.Hosting;

namespace Lathe.Cli.Sources;

/// <summary>Finds the checkpoint that a user means.</summary>
internal static class CheckpointSource
{
    /// <summary>Description of the commands' argument.</summary>
    public const string Description = "Digest, a unique start of one (4 characters or more), or a file.";

    /// <summary>File of a checkpoint; one of the store is verified.</summary>
    /// <param name="name">A file, or a digest of the store or the start of one.</param>
    /// <param name="settings">Location of the store.</param>
    /// <exception cref="LatheException">There is no such file or checkpoint, or several.</exception>
    public static string PathOf(string name, HostingSettings settings)
    {
        if (File.Exists(name)) return name;
        if (Directory.Exists(name)) throw new LatheException($"{name}: is a folder; expected a checkpoint's digest, the start of one, or a file");
        if (name.Contains('/', StringComparison.Ordinal) || name.Contains('.', StringComparison.Ordinal))
            throw new LatheException($"{name}: no such file; expected a checkpoint's digest, the start of one, or a file");
        var store = new CheckpointStore(settings);
        return store.PathOf(store.Find(name));
    }
}
