using System.Text.RegularExpressions;

namespace Lathe.Testing;

/// <summary>The rights that docs/cluster.md gives to the broker's user of one stage.</summary>
public static partial class RightsOfAStage
{
    /// <summary>The patterns that the guide shows for the workers of prune, for another stage: configure, write, read.</summary>
    public static string[] InTheGuide(string stage)
    {
        var line = SetPermissions().Match(File.ReadAllText(Path.Combine(Checkout.Root, "docs", "cluster.md")));
        if (!line.Success) throw new InvalidDataException("docs/cluster.md shows no rabbitmqctl set_permissions for prune");
        // Reports of tests go to queues of another name than those of lathe run.
        return [.. line.Groups.Values.Skip(1).Select(g => g.Value.Replace("prune", stage, StringComparison.Ordinal).Replace("lathe\\.run", "lathe\\.test", StringComparison.Ordinal))];
    }

    [GeneratedRegex(@"rabbitmqctl set_permissions prune '([^']+)' \\\s+'([^']+)' \\\s+'([^']+)'")]
    private static partial Regex SetPermissions();
}
