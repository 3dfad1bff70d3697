using System.CommandLine;
using Lathe.Contracts;

namespace Lathe.Hosting;

/// <summary>A setting of a Lathe process: an option of its command line and a variable of its environment. The option wins.</summary>
/// <typeparam name="T">What its text stands for.</typeparam>
internal sealed class Setting<T> : Option<string?>
{
    private readonly string _variable;
    private readonly Func<string, string, T> _read;

    /// <param name="option">Name of the option, with its dashes.</param>
    /// <param name="variable">Name of the variable.</param>
    /// <param name="value">What help calls the value.</param>
    /// <param name="help">What the setting is for, and its default.</param>
    /// <param name="read">Reads a text; also gets the name of the option or variable that it comes from, for its message.</param>
    internal Setting(string option, string variable, string value, string help, Func<string, string, T> read)
        : base(option)
    {
        Description = help;
        HelpName = value;
        Recursive = true;
        _variable = variable;
        _read = read;
    }

    /// <summary>The value in a call.</summary>
    /// <param name="call">Its command line.</param>
    /// <param name="environment">Looks up an environment variable.</param>
    /// <param name="absent">The value where neither is given.</param>
    /// <exception cref="LatheException">The text cannot be used; names option or variable.</exception>
    internal T Of(ParseResult call, Func<string, string?> environment, T absent)
    {
        if (call.GetValue(this) is not { } given)
            return environment(_variable)?.Trim() is { Length: > 0 } set ? _read(set, _variable) : absent;
        return string.IsNullOrWhiteSpace(given) ? throw new LatheException($"{Name} needs a value") : _read(given, Name);
    }
}
