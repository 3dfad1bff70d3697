using System.CommandLine;
using System.CommandLine.Parsing;
using System.Text.RegularExpressions;
using Lathe.Hosting;

namespace Lathe.Cli.Commands;

/// <summary>What is wrong with a command line, in Lathe's own words: what is missing or unknown, and what was expected.</summary>
internal static partial class CallProblems
{
    /// <summary>One line for each problem.</summary>
    public static IEnumerable<string> Of(ParseResult call)
    {
        // Of several unknown words the first is the mistake, and the others are its arguments. For an unknown command the parser also
        // reports that no command was given.
        return call.UnmatchedTokens is [var first, ..]
            ? [$"{first}: no such {(first.StartsWith('-') ? "option" : "command or argument")}{Near(first, call.CommandResult.Command)}"]
            : call.Errors.Select(error => Words(error, call.CommandResult)).Distinct();
    }

    private static string Words(ParseError error, CommandResult call) => error.SymbolResult switch
    {
        ArgumentResult { Tokens: [], Parent: CommandResult, Argument: var argument } => $"{argument.Name} is missing; expected: {argument.Description}",
        ArgumentResult { Tokens: [var given, ..], Parent: CommandResult, Argument: var argument } when OfType().IsMatch(error.Message) => $"{argument.Name} is '{given.Value}', expected a whole number",
        OptionResult { Option: { Required: true } option, IdentifierTokenCount: 0 } => $"{option.Name} {option.HelpName} is missing; expected: {option.Description}",
        CommandResult { Command.Subcommands: { Count: > 0 } commands } when call == error.SymbolResult =>
            $"a command is missing; expected one of {string.Join(", ", commands.Select(c => c.Name))}",
        _ => OfType().Replace(SettingsOptions.Words(error), "$2 $1: expected a whole number"),
    };

    private static string Near(string word, Command command) => Nearest.Hint(
        word, word.StartsWith('-') ? command.Options.Concat(CommonOptions.All).Select(o => o.Name) : command.Subcommands.Select(c => c.Name));

    /// <summary>The parser's message for a value of the wrong type, which contains a name of .NET.</summary>
    [GeneratedRegex(@"^Cannot parse argument '(.*)' for (?:option|command) '(.*)' as expected type 'System\.(?:Nullable`1\[System\.)?Int(?:32|64)\]?'\.$")]
    private static partial Regex OfType();
}
