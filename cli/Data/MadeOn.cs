using Lathe.Hosting;
using Lathe.NN.Checkpoints;

namespace Lathe.Cli.Data;

/// <summary>Whether a data set that is at hand is the one that a checkpoint was made with.</summary>
internal static class MadeOn
{
    /// <summary>
    /// What to tell where it is another: the checkpoint's figures, and the constants that pixels are normalized by, belong to the first. Null
    /// where it is the same, or the checkpoint does not say.
    /// </summary>
    /// <param name="lineage">Of the checkpoint.</param>
    /// <param name="name">Name of the data set at hand.</param>
    /// <param name="settings">Where it lies.</param>
    public static string? Warning(Lineage lineage, string name, HostingSettings settings)
    {
        if (lineage.Steps is not [.., { Data: var made }]) return null;
        if (made.Name != name) return $"the checkpoint was made with {made.Name}, not with {name}";
        return DataFingerprint.Find(name, settings).Fingerprint == made.Fingerprint
            ? null
            : $"this {name} is not the one that the checkpoint was made with: its files differ, and with them the constants that pixels are normalized by";
    }
}
