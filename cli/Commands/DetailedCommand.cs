using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;

namespace Lathe.Cli.Commands;

/// <summary>A command whose own help is longer than its line in the list of commands.</summary>
/// <param name="name">As typed.</param>
/// <param name="summary">One line.</param>
/// <param name="details">Details and examples, shown below the options.</param>
internal sealed class DetailedCommand(string name, string summary, string details) : Command(name, summary)
{
    private readonly string _details = details;

    /// <summary>Makes <c>--help</c> show the details of a command.</summary>
    public static void ShowDetails(RootCommand root, string details)
    {
        var help = root.Options.OfType<HelpOption>().Single();
        help.Action = new Help((HelpAction)help.Action!, command => command switch
        {
            DetailedCommand detailed => detailed._details,
            RootCommand => details,
            _ => null,
        });
    }

    /// <summary>The usual help, then the details.</summary>
    internal sealed class Help(HelpAction usual, Func<Command, string?> details) : SynchronousCommandLineAction
    {
        public override int Invoke(ParseResult parseResult)
        {
            var code = usual.Invoke(parseResult);
            if (details(parseResult.CommandResult.Command) is { } text) parseResult.InvocationConfiguration.Output.WriteLine(text.TrimEnd() + "\n");
            return code;
        }
    }
}
