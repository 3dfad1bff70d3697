using System.Security.Cryptography;
using System.Text;
using Lathe.Conformance.Wire;
using Lathe.Contracts;
using Lathe.Contracts.Messages;
using Lathe.Hosting;

namespace Lathe.Conformance.Checks;

/// <summary>Messages that come twice, and messages that nobody can read.</summary>
internal static class Deliveries
{
    public static IReadOnlyList<StageCheckOf> All { get; } =
    [
        new("repeats", "answers a message that comes again with the same result, and computes nothing again", RepeatsAsync),
        new("malformed", "moves what it cannot read to the dead letters, with the reason, and goes on", MalformedAsync),
    ];

    private static async Task<string> RepeatsAsync(Runs runs, CancellationToken stop)
    {
        var (_, plain) = await runs.PlainAsync(stop);
        var command = await runs.CommandAsync(await runs.ParametersAsync(isLong: false, stop), null, stop);
        var first = await runs.SendAsync(command, stop);
        await runs.SendAsync(command, stop);
        await runs.CompletedAsync(first, runs.Options.RunLimit, stop);
        // The second one is a look-up. Where it found the first one still computing, both share one report, and a third message shows that the worker is free.
        var third = await runs.SendAsync(command, stop);
        var again = await runs.CompletedAsync(third, runs.Options.Limit, stop);
        var reports = runs.Seat.Inbox.All.Skip(first.From).Select(h => h.Message).OfType<IStageReport>().Where(r => r.ExecutionId == command.ExecutionId).ToList();
        var starts = reports.OfType<StageStarted>().Count();
        if (starts > 1) throw new RefutedException($"one execution that came three times was started {starts} times");
        if (!again.Found) throw new RefutedException("the result of a message that came again is not marked as found");
        foreach (var completed in reports.OfType<StageCompleted>())
        {
            if (completed.Output != again.Output || completed.Metrics.Count != again.Metrics.Count || completed.Metrics.Any(m => !again.Metrics.TryGetValue(m.Key, out var value) || value != m.Value))
                throw new RefutedException("one execution has two results");
        }

        return again.Output == plain.Output ? "" : throw new RefutedException(
            $"the same key gave {plain.Output.Sha256[..12]} and {again.Output.Sha256[..12]}: same stage, parameters, input, data, seed and threads must give the same bits");
    }

    private static async Task<string> MalformedAsync(Runs runs, CancellationToken stop)
    {
        var (sent, plain) = await runs.PlainAsync(stop);
        var command = sent.Command;
        var (work, questions) = (Queues.Stage(command.Stage, command.Version), Queues.Check(command.Stage, command.Version));
        await using var watch = await runs.Seat.WatchDeadLettersAsync(stop);
        var buried = new List<(string Words, string Id)>();
        var mine = new List<string>();
        foreach (var (words, body) in Unreadable(command)) buried.Add((words, await SendAsync(work, body)));
        foreach (var exchange in (string[])[questions, CoordinatorSeat.Broadcast<CancelExecutions>(), CoordinatorSeat.Broadcast<AnnounceStages>()])
        {
            foreach (var body in Vague()) await SendAsync(exchange, body);
        }

        // Found under its key: it shows that the worker is there, and free.
        var after = await runs.SendAsync(command with { SentAt = DateTimeOffset.UtcNow }, stop);
        var completed = await runs.CompletedAsync(after, runs.Options.Limit, stop);
        if (completed.Output != plain.Output) throw new RefutedException("after them, the same message has another result");
        var good = await runs.ParametersAsync(isLong: false, stop);
        await Questions.AskAsync(runs, [good], stop);
        var before = runs.Seat.Inbox.All.Count;
        await runs.Seat.AskForStagesAsync(stop);
        if (await runs.Seat.Inbox.NextAsync(before, h => h.Message is StageAnnounced a && a.Manifest.Name == command.Stage, runs.Options.Limit, stop) is null)
            throw new RefutedException("after them, it does not announce itself any more");

        var found = await watch.WaitAsync([.. buried.Select(b => b.Id)], runs.Options.Limit, stop);
        // Those of the broadcasts too, of which every worker on the broker got one.
        await using (var broker = new BrokerClient(runs.Options.Settings.Broker!)) await new DeadLetters(broker).DropFoundAsync(watch.Copies(mine), stop);
        foreach (var (words, id) in buried)
        {
            if (!found.TryGetValue(id, out var letter)) throw new RefutedException($"{words} is not among the dead letters ({Queues.Dead})");
            if (letter.Queue != work || letter.Reason is "" or "unknown") throw new RefutedException($"{words} lies among the dead letters from queue '{letter.Queue}' for the reason '{letter.Reason}'; expected the queue {work} and a reason");
        }

        return $"{mine.Count} messages";

        // Its id among the dead letters, where it comes to lie there.
        async Task<string> SendAsync(string exchange, byte[] body)
        {
            var id = Guid.NewGuid().ToString();
            mine.Add(Convert.ToHexStringLower(SHA256.HashData([.. Encoding.UTF8.GetBytes(id + "\n"), .. body]))[..12]);
            await runs.Seat.SendAsync(exchange, body, stop, id);
            return mine[^1];
        }
    }

    /// <summary>What may lie in the queue of a stage and is no execution.</summary>
    private static IEnumerable<(string Words, byte[] Body)> Unreadable(ExecuteStage command)
    {
        yield return ("what is no JSON", "no message"u8.ToArray());
        yield return ("JSON that is no CloudEvent", "{\"a\": 1}"u8.ToArray());
        yield return ("a message of another type", CoordinatorSeat.Write(new AnnounceStages(command.ReplyTo)));
        yield return ("an execution without a key", CoordinatorSeat.Write(command with { Key = null! }));
        yield return ("an execution whose key names a path", CoordinatorSeat.Write(command with { Key = "../../../etc/passwd" }));
        yield return ("an execution with a text as parameters", CoordinatorSeat.Write(command with { Parameters = System.Text.Json.JsonElement.Parse("\"text\"") }));
        yield return ("an execution whose input names a path", CoordinatorSeat.Write(command with { Input = new CheckpointRef("../../x", 1) }));
        yield return ("a message of more than four megabytes", [.. "{\"a\": \""u8, .. Enumerable.Repeat((byte)'a', 4 << 20), .. "\"}"u8]);
    }

    /// <summary>What may come by the other ways.</summary>
    private static IEnumerable<byte[]> Vague()
    {
        yield return "no message"u8.ToArray();
        yield return "[1, 2]"u8.ToArray();
        foreach (var type in (Type[])[typeof(CancelExecutions), typeof(AnnounceStages), typeof(CheckStage)])
        {
            foreach (var data in (string[])["{}", "{\"executions\": [{}]}", "{\"executions\": 1, \"replyTo\": 1, \"inputs\": 1, \"questions\": [{\"input\": 7}]}"])
                yield return Encoding.UTF8.GetBytes($$"""{"specversion": "1.0", "id": "{{Guid.NewGuid()}}", "source": "lathe/conformance", "type": "{{MessageTypes.NameOf(type)}}", "data": {{data}}}""");
        }
    }
}
