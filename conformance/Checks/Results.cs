using System.Buffers.Binary;
using Lathe.Contracts;
using Lathe.Contracts.Messages;
using Lathe.Graph.Checkpoints;
using Lathe.Hosting;

namespace Lathe.Conformance.Checks;

/// <summary>What a run leaves.</summary>
internal static class Results
{
    private static readonly TimeSpan Quick = TimeSpan.FromSeconds(5);

    public static IReadOnlyList<StageCheckOf> All { get; } =
    [
        new("executes", "takes an execution and reports its start, its progress and its result", ExecutesAsync),
        new("checkpoint", "writes a sound checkpoint under the digest that it reports, with its step in the lineage", CheckpointAsync),
        new("result", "keeps the result under its key before it reports it", ResultAsync),
        new("trace", "carries the trace of its input to its result", TraceAsync),
    ];

    private static async Task<string> ExecutesAsync(Runs runs, CancellationToken stop)
    {
        var (sent, completed) = await runs.PlainAsync(stop);
        var started = await runs.NextAsync(sent, r => r is StageStarted, TimeSpan.Zero, stop) ?? throw new RefutedException("it reported a result and no start");
        var ended = (await runs.NextAsync(sent, Wire.Reports.IsEnd, TimeSpan.Zero, stop))!;
        if (completed.Found) throw new RefutedException("it took a result of another sweep for an execution that is to be fresh");
        if (started.At > ended.At) throw new RefutedException("it reported its start after its result");
        var took = ended.At - started.At;
        if (took > Quick && await runs.NextAsync(sent, r => r is StageProgressed, TimeSpan.Zero, stop) is null)
            throw new RefutedException($"it computed for {took.TotalSeconds:0.0} s without a word of progress");
        if (OutcomeCheck.Problem((await runs.AnnouncedAsync(stop)).Manifest, completed.Metrics) is { } problem) throw new RefutedException($"it {problem}");
        return $"{took.TotalSeconds:0.0} s, {completed.Metrics.Count} metrics";
    }

    private static async Task<string> CheckpointAsync(Runs runs, CancellationToken stop)
    {
        var (sent, completed) = await runs.PlainAsync(stop);
        var manifest = (await runs.AnnouncedAsync(stop)).Manifest;
        var command = sent.Command;
        if (manifest.Output == StageOutput.Metrics)
            return completed.Output == command.Input ? "it only measures: its output is its input" : throw new RefutedException("it says that it only measures, and its output is not its input");
        if (!runs.Store.TryPathOf(completed.Output, out var path, out var problem)) throw new RefutedException(problem);
        try
        {
            var header = CheckpointHeader.Read(path);
            Finite(path, header);
            if (header.Lineage.Steps is not [.., var step]) throw new RefutedException("its checkpoint has no lineage");
            if ((step.Stage, step.Version, step.Seed, step.Input) != (command.Stage, command.Version, command.Seed, command.Input))
                throw new RefutedException($"the last step of its lineage is {step.Stage} {step.Version} with seed {step.Seed}; expected {command.Stage} {command.Version} with seed {command.Seed} from the input that was sent");
            if (CanonicalJson.Write(step.Parameters) != CanonicalJson.Write(command.Parameters)) throw new RefutedException("the last step of its lineage names other parameters than were sent");
            if (command.Input is not null && header.Lineage.Steps.Count < 2) throw new RefutedException("its lineage has lost the steps of its input");
            return $"{completed.Output.Bytes:N0} bytes";
        }
        catch (LatheException e)
        {
            throw new RefutedException(e.Message);
        }
    }

    /// <summary>Refuses weights that are no numbers.</summary>
    private static void Finite(string path, CheckpointHeader header)
    {
        using var file = File.OpenRead(path);
        file.Position = file.Length - header.Stored.Max(t => t.End);
        var start = file.Position;
        foreach (var tensor in header.Stored.Where(t => t.Type == SafeTensorType.F32))
        {
            file.Position = start + tensor.Begin;
            var bytes = new byte[tensor.Bytes];
            file.ReadExactly(bytes);
            for (var i = 0; i < bytes.Length; i += sizeof(float))
            {
                if (!float.IsFinite(BinaryPrimitives.ReadSingleLittleEndian(bytes.AsSpan(i)))) throw new RefutedException($"its checkpoint has values in '{tensor.Name}' that are no finite numbers");
            }
        }
    }

    private static async Task<string> ResultAsync(Runs runs, CancellationToken stop)
    {
        var (sent, completed) = await runs.PlainAsync(stop);
        var stored = new ResultStore(runs.Options.Settings).Find(sent.Command.Key) ?? throw new RefutedException($"there is no result in {runs.Store.Place} under results/{sent.Command.Key}.json that can be read");
        if (stored.Output != completed.Output || stored.Stage != sent.Command.Stage) throw new RefutedException("the result under the key is another one than was reported");
        var differing = completed.Metrics.Keys.Union(stored.Metrics.Keys).FirstOrDefault(name => !completed.Metrics.TryGetValue(name, out var a) || !stored.Metrics.TryGetValue(name, out var b) || a != b);
        return differing is null ? "" : throw new RefutedException($"the metric '{differing}' is not the same in the store and in the report");
    }

    private static async Task<string> TraceAsync(Runs runs, CancellationToken stop)
    {
        var (sent, _) = await runs.PlainAsync(stop);
        var trace = (await runs.NextAsync(sent, r => r is StageCompleted, TimeSpan.Zero, stop))!.Event!.TraceParent;
        return trace?.Split('-') is ["00", Runs.TraceId, { Length: 16 }, { Length: 2 }] ? ""
            : throw new RefutedException($"its result has the traceparent '{trace}'; expected a span of the trace {Runs.TraceId}, which came with the command");
    }
}
