using System.Security.Cryptography;
using System.Text;

namespace Lathe.Hosting;

/// <summary>
/// Allows one execution of a key at a time on this machine, over all processes that share a store. A duplicate message waits for the first execution and
/// finds its result. So does a sweep in another terminal that has its first stages in common.
/// </summary>
internal sealed class KeyLocks(HostingSettings settings)
{
    private const int DigitsOfStore = 16;

    private readonly string _folder = Path.Combine(
        settings.SlotFolder, $"keys-{Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(settings.Store)))[..DigitsOfStore]}");

    /// <summary>Waits until no other process holds the key.</summary>
    /// <param name="key">Key of an execution.</param>
    /// <param name="waiting">Called once if another process holds it.</param>
    /// <param name="stop">Ends the wait.</param>
    /// <returns>Dispose it to release the key.</returns>
    public Task<IDisposable> EnterAsync(string key, Action waiting, CancellationToken stop)
    {
        Directory.CreateDirectory(_folder);
        // Deleted while it is still locked. A process that has just opened the deleted file may then run in parallel with one that creates it
        // again. This costs a second computation but never changes a result.
        return FileLock.TakeAsync(() => [Path.Combine(_folder, key)], FileOptions.DeleteOnClose, waiting, stop);
    }
}
