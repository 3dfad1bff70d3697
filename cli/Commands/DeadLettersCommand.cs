using System.CommandLine;
using System.Globalization;
using System.Text;
using System.Text.Json;
using Lathe.Cli.Output;
using Lathe.Contracts;
using Lathe.Hosting;
using Lathe.Reports.Terminals;

namespace Lathe.Cli.Commands;

/// <summary><c>lathe dead-letters list|show|retry|drop</c></summary>
internal static class DeadLettersCommand
{
    private const int Shown = 50;
    private const int LeastReason = 40;

    private static readonly Option<bool> All = new("--all") { Description = "All of them, instead of some by their ids." };

    private static readonly Argument<string[]> Ids = new("ID")
    {
        Description = "Id of a dead letter, or the start of one.",
        Arity = ArgumentArity.ZeroOrMore,
    };

    public static Command Create()
    {
        var command = new DetailedCommand(
            "dead-letters",
            "Messages that no worker or coordinator could take: shows them, sends them again, or deletes them. Needs --broker.",
            """
            Examples:
              lathe dead-letters list
              lathe dead-letters show 3f2a
              lathe dead-letters retry 3f2a 77b0
              lathe dead-letters drop --all
            """);
        foreach (var part in (Command[])[List(), Show(), Retry(), Drop()]) command.Subcommands.Add(part);
        return command;
    }

    private static Command List()
    {
        var command = new Command("list", $"Lists the oldest {Shown}, or with --all all of them: since when they are there, where they come from, and why (lathe dead-letters show has all of a long reason).") { All };
        command.SetAction((call, stop) => WithLetters(call, async letters =>
        {
            var found = await letters.ListAsync(stop);
            var terminal = new Terminal();
            if (found.Count == 0)
            {
                terminal.Line("no dead letters");
                return;
            }

            var shown = call.GetValue(All) ? found.Count : Shown;
            foreach (var line in Lines([.. found.Take(shown)], terminal.Width)) terminal.Line(line);
            if (found.Count > shown) terminal.Line($"and {found.Count - shown} more; lathe dead-letters list --all shows them");
        }));
        return command;
    }

    /// <summary>Each letter with its reason: beside it where the terminal is wide enough, otherwise in a line of its own.</summary>
    /// <param name="letters">The letters.</param>
    /// <param name="width">Columns of the terminal.</param>
    public static IEnumerable<string> Lines(IReadOnlyList<DeadLetter> letters, int width)
    {
        var cells = letters.Select(l => ((string[])[l.Id, Moment(l), l.Queue, l.Type]).Select(Printable).ToArray()).Prepend(["id", "since", "queue", "message"]).ToList();
        // Of what is no message of Lathe no type is known.
        var columns = Enumerable.Range(0, 4).Where(i => cells.Skip(1).Any(row => row[i].Length > 0)).ToList();
        var widths = columns.ConvertAll(i => cells.Max(row => row[i].Length));
        var room = width - widths.Sum(w => w + TextTable.UsualGap);
        foreach (var (number, row) in cells.Index())
        {
            var line = string.Concat(columns.Select((column, i) => row[column].PadRight(widths[i] + TextTable.UsualGap)));
            var reason = number == 0 ? "reason" : Printable(letters[number - 1].Reason);
            if (room >= LeastReason) yield return line + ExecutionNames.Cut(reason, room);
            else
            {
                yield return ExecutionNames.Cut(line.TrimEnd(), width);
                if (number > 0) yield return $"  {ExecutionNames.Cut(reason, width - 2)}";
            }
        }
    }

    private static Command Show()
    {
        var id = new Argument<string>("ID") { Description = Ids.Description };
        var command = new Command("show", "Shows one, with its content.") { id };
        command.SetAction((call, stop) => WithLetters(call, async letters =>
        {
            var (letter, body) = await letters.ShowAsync(call.GetRequiredValue(id), stop);
            var terminal = new Terminal();
            terminal.Line($"{letter.Id}: {letter.Bytes:N0} bytes{(letter.Type.Length > 0 ? $", {Printable(letter.Type)}" : "")}");
            terminal.Line($"from queue {(letter.Queue.Length > 0 ? Printable(letter.Queue) : "unknown")}, dead since {Moment(letter)}");
            terminal.Line($"reason: {Printable(letter.Reason)}");
            terminal.Line("");
            terminal.Line(Content(body));
        }));
        return command;
    }

    private static Command Retry()
    {
        var command = new Command("retry", "Sends messages to the queues that they came from. Exit code 1 if one stays because its queue is gone.") { Ids, All };
        command.SetAction(async (call, stop) =>
        {
            IReadOnlyList<DeadLetter> stay = [];
            await WithLetters(call, async letters =>
            {
                var (sent, kept) = await letters.RetryAsync(Chosen(call), stop);
                var terminal = new Terminal();
                terminal.Line($"sent {Counted(sent.Count)} again");
                foreach (var letter in kept)
                    terminal.Say($"{letter.Id} stays: {(letter.Queue.Length == 0 ? "where it came from is unknown" : $"there is no queue {Printable(letter.Queue)} any more")}");
                stay = kept;
            });
            return stay.Count == 0 ? LatheCommand.Success : LatheCommand.Failure;
        });
        return command;
    }

    private static Command Drop()
    {
        var command = new Command("drop", "Deletes messages.") { Ids, All };
        command.SetAction((call, stop) => WithLetters(call, async letters =>
            new Terminal().Line($"deleted {Counted((await letters.DropAsync(Chosen(call), stop)).Count)}")));
        return command;
    }

    private static async Task<int> WithLetters(ParseResult call, Func<DeadLetters, Task> work)
    {
        var address = CommonOptions.Settings(call).Broker
            ?? throw new LatheException($"dead letters are in a broker: name it with --broker or {HostingSettings.BrokerVariable}");
        await using var broker = new BrokerClient(address);
        await work(new DeadLetters(broker));
        return LatheCommand.Success;
    }

    /// <summary>The ids of the call; null: all.</summary>
    private static string[]? Chosen(ParseResult call) => (call.GetValue(Ids), call.GetValue(All)) switch
    {
        ({ Length: > 0 } ids, false) => ids,
        ({ Length: > 0 }, true) => throw new LatheException("give ids or --all, not both"),
        (_, true) => null,
        _ => throw new LatheException("which ones? Give their ids (lathe dead-letters list shows them), or --all"),
    };

    private static string Moment(DeadLetter letter) => letter.At?.ToLocalTime().ToString("yyyy-MM-dd HH:mm", CultureInfo.InvariantCulture) ?? "unknown";

    private static string Counted(int count) => count == 1 ? "one message" : $"{count} messages";

    /// <summary>Indented where it is JSON. Whoever wrote the message must not be able to write to the terminal.</summary>
    private static string Content(byte[] body)
    {
        try
        {
            using var json = JsonDocument.Parse(body);
            return JsonSerializer.Serialize(json.RootElement, LatheJson.Indented);
        }
        catch (JsonException)
        {
            return Printable(Encoding.UTF8.GetString(body));
        }
    }

    private static string Printable(string text) => string.Concat(text.Select(c => char.IsControl(c) ? $"\\u{(int)c:x4}" : c.ToString()));
}
