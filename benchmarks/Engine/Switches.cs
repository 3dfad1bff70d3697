using System.Globalization;
using Lathe.Contracts;

namespace Lathe.Benchmarks.Engine;

/// <summary>Command-line switches of the form <c>--name value</c>, each taken once.</summary>
internal sealed class Switches
{
    private readonly string _command;
    private readonly Dictionary<string, string> _values = [];

    /// <summary>Reads them all.</summary>
    /// <exception cref="LatheException">A word is no switch, or a switch has no value.</exception>
    public Switches(string command, IReadOnlyList<string> words)
    {
        _command = command;
        for (var i = 0; i < words.Count; i += 2)
        {
            if (!words[i].StartsWith("--", StringComparison.Ordinal) || i + 1 == words.Count)
                throw new LatheException($"{command}: '{words[i]}' should be a switch with a value, such as --threads 2.");
            _values[words[i][2..]] = words[i + 1];
        }
    }

    /// <summary>A text, or null where the switch is absent.</summary>
    public string? Text(string name) => _values.Remove(name, out var value) ? value : null;

    /// <summary>A whole number of at least <paramref name="least"/>.</summary>
    /// <exception cref="LatheException">It is none.</exception>
    public int Number(string name, int otherwise, int least = 1)
    {
        if (Text(name) is not { } text)
            return otherwise;
        if (int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number >= least)
            return number;
        throw new LatheException($"{_command}: --{name} is '{text}'; it must be a whole number of at least {least}.");
    }

    /// <summary>To be called once all known switches are taken.</summary>
    /// <exception cref="LatheException">Others are left.</exception>
    public void RefuseOthers(string known)
    {
        if (_values.Count > 0)
            throw new LatheException($"{_command}: unknown switch --{_values.Keys.First()}. Known are {known}.");
    }
}
