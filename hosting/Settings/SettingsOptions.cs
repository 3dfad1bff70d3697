using Lathe.Contracts;

namespace Lathe.Hosting;

/// <summary>The options of a service's command line.</summary>
internal static class SettingsOptions
{
    private static readonly string[] WithValue =
        ["--home", "--broker", "--store", "--data", "--threads", "--device", "--compute-slots", "--drain", "--health-port"];

    private static readonly string[] Flags = ["--announce"];

    /// <exception cref="LatheException">Unknown option, a value missing, or one too many.</exception>
    public static Dictionary<string, string?> Parse(IReadOnlyList<string> args)
    {
        var found = new Dictionary<string, string?>(StringComparer.Ordinal);
        for (var i = 0; i < args.Count; i++)
        {
            var equals = args[i].IndexOf('=', StringComparison.Ordinal);
            var name = equals < 0 ? args[i] : args[i][..equals];
            string? value = null;
            if (Flags.Contains(name))
            {
                if (equals >= 0) throw new LatheException($"{name} takes no value");
            }
            else if (!WithValue.Contains(name))
            {
                throw new LatheException($"unknown option '{name}'; known are {string.Join(", ", WithValue.Concat(Flags))}");
            }
            else
            {
                value = equals >= 0 ? args[i][(equals + 1)..] : ++i < args.Count ? args[i] : null;
                if (string.IsNullOrWhiteSpace(value)) throw new LatheException($"{name} needs a value");
            }

            if (!found.TryAdd(name, value)) throw new LatheException($"{name} is given twice");
        }

        return found;
    }
}
