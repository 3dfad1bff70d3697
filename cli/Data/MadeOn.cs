using Lathe.Graph.Checkpoints;
using Lathe.Hosting;

namespace Lathe.Cli.Data;

/// <summary>Checks whether a data set is the one that a checkpoint was made with.</summary>
internal static class MadeOn
{
    /// <summary>
    /// A warning if it is another one: the checkpoint's figures, and the constants that normalize pixels, belong to the original data set. Null
    /// if it is the same, or if the checkpoint does not say.
    /// </summary>
    /// <param name="lineage">Of the checkpoint.</param>
    /// <param name="name">Name of the data set.</param>
    /// <param name="settings">Its location.</param>
    public static string? Warning(Lineage lineage, string name, HostingSettings settings)
    {
        if (lineage.Steps is not [.., { Data: { } made }]) return null;
        if (made.Name != name) return $"the checkpoint was made with {made.Name}, not with {name}";
        return DataFingerprint.Find(name, settings).Fingerprint == made.Fingerprint
            ? null
            : $"this {name} is not the one that the checkpoint was made with: its files differ, and with them the constants that pixels are normalized by";
    }
}
