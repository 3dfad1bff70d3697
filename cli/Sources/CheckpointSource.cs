using Lathe.Contracts;
using Lathe.Hosting;

namespace Lathe.Cli.Sources;

/// <summary>Finds the checkpoint that a user means: a file, or one of the store. With a coordinator it is one of that one's store, which is copied into this one.</summary>
/// <param name="settings">Location of the store.</param>
/// <param name="coordinator">Its address; null: the store alone.</param>
/// <param name="say">Prints one line for the user.</param>
internal sealed class CheckpointSource(HostingSettings settings, Uri? coordinator, Action<string> say)
{
    /// <summary>Description of the commands' argument.</summary>
    public const string Description = "Digest, a unique start of one (4 characters or more), or a file. With --coordinator: a digest of its store.";

    /// <summary>File of a checkpoint; one of the store is verified.</summary>
    /// <param name="name">A file, or a digest of the store or the start of one.</param>
    /// <param name="stop">Gives up.</param>
    /// <exception cref="LatheException">There is no such file or checkpoint, or several.</exception>
    public async Task<string> PathOfAsync(string name, CancellationToken stop)
    {
        if (File.Exists(name)) return name;
        if (Directory.Exists(name)) throw new LatheException($"{name}: is a folder; expected a checkpoint's digest, the start of one, or a file");
        if (name.Contains('/', StringComparison.Ordinal) || name.Contains('.', StringComparison.Ordinal))
            throw new LatheException($"{name}: no such file; expected a checkpoint's digest, the start of one, or a file");
        var store = new CheckpointStore(settings);
        if (await FetchAsync(name.ToLowerInvariant(), store, stop) is { } fetched) return store.PathOf(fetched);
        try
        {
            return store.PathOf(store.Find(name));
        }
        catch (LatheException e) when (coordinator is not null)
        {
            throw new LatheException($"the coordinator at {coordinator} has no checkpoint {name}, and here {e.Message}", e.Kind, e);
        }
    }

    /// <summary>File of a checkpoint of the store, verified.</summary>
    /// <exception cref="LatheException">It is missing or damaged.</exception>
    public async Task<string> PathOfAsync(CheckpointRef checkpoint, CancellationToken stop)
    {
        var store = new CheckpointStore(settings);
        if (!store.IsThere(checkpoint)) await FetchAsync(checkpoint.Sha256, store, stop);
        return store.PathOf(checkpoint);
    }

    private async Task<CheckpointRef?> FetchAsync(string start, CheckpointStore store, CancellationToken stop)
    {
        if (coordinator is null) return null;
        using var client = new CoordinatorClient(coordinator);
        if (await client.FetchAsync(start, store, stop) is not { } found) return null;
        if (found.IsNew) say($"checkpoint {found.Checkpoint.Sha256[..12]} ({found.Checkpoint.Bytes:N0} bytes) is copied from {coordinator} into {store.Place}");
        return found.Checkpoint;
    }
}
