using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Lathe.Contracts;
using Lathe.Contracts.Messages;
using Lathe.Graph;
using Lathe.Graph.Checkpoints;
using Lathe.Hosting;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;

namespace Lathe.Coordinator;

/// <summary>Body that asks for an export.</summary>
/// <param name="Format">Name of the format, for example <c>onnx</c>, <c>c</c>.</param>
/// <param name="Options">Chosen values by the name of their option; null or left out: the usual ones.</param>
public sealed record ExportOrder(string Format, IReadOnlyDictionary<string, string>? Options = null);

/// <summary>Files of an execution's checkpoint.</summary>
/// <param name="Files">Those that can be downloaded now.</param>
/// <param name="Formats">Forms in which workers that are up export it.</param>
/// <param name="Notes">Why something is missing, one sentence each.</param>
/// <param name="Refused">Those of the forms that this network cannot have.</param>
public sealed record FilesAnswer(IReadOnlyList<FileAnswer> Files, IReadOnlyList<OfferedExport> Formats, IReadOnlyList<string> Notes, IReadOnlyList<RefusedExport> Refused);

/// <summary>A form that a network cannot have.</summary>
/// <param name="Format">Name of the format.</param>
/// <param name="Why">What the network does not have, for a person.</param>
/// <param name="Set">What in a sweep makes networks that can have it, as with <c>--set</c>.</param>
public sealed record RefusedExport(string Format, string Why, string Set);

/// <summary>A file that can be downloaded.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Kind"><c>checkpoint</c>, <c>graph</c>, <c>lineage</c> or <c>export</c>.</param>
/// <param name="Bytes">Its length.</param>
/// <param name="Sha256">Digest of its content; null: it is made when it is asked for.</param>
/// <param name="Format">Of an export, its format.</param>
/// <param name="Url">Where it is.</param>
public sealed record FileAnswer(string Name, string Kind, long Bytes, string? Sha256, string? Format, string Url);

/// <summary>An export that was made, now or earlier.</summary>
/// <param name="Format">Name of its format.</param>
/// <param name="Options">Values of the format's options.</param>
/// <param name="Files">Its files.</param>
/// <param name="Lines">What it holds, and how closely it agrees with the checkpoint: lines for a person.</param>
public sealed record ExportAnswer(string Format, IReadOnlyDictionary<string, string> Options, IReadOnlyList<FileAnswer> Files, IReadOnlyList<string> Lines);

/// <summary>Gives away the checkpoint of an execution, what is in it, and exports of it, which workers make: nothing here computes.</summary>
internal sealed partial class FileRoutes(
    SweepTargets targets, CoordinatorStore store, CheckpointStore checkpoints, ExportStore exports, WorkerRoster roster, StageSender sender, CoordinatorOptions options)
{
    public const string Bytes = "application/octet-stream";

    private const string Json = "application/json";
    private const string CheckpointName = "checkpoint.safetensors";
    private const string GraphName = "graph.json";
    private const string LineageName = "lineage.json";
    private const int ShownDigits = 8;
    private const int ShownLayers = 5;

    /// <summary>What there is.</summary>
    public async Task<Ok<FilesAnswer>> ListAsync(string execution, CancellationToken stop)
    {
        if (await OutputAsync(execution, stop) is not { } output) return TypedResults.Ok(new FilesAnswer([], [], ["the execution has no checkpoint yet"], []));
        if (!await Task.Run(() => checkpoints.IsThere(output), stop))
            return TypedResults.Ok(new FilesAnswer([], [], [$"checkpoint {output.Sha256} is no longer in the store; the sweep's next run computes it again"], []));
        var (files, notes) = (new List<FileAnswer> { new(CheckpointName, "checkpoint", output.Bytes, output.Sha256, null, Url(execution, CheckpointName)) }, new List<string>());
        CheckpointHeader? header = null;
        try
        {
            header = await Task.Run(() => CheckpointHeader.Read(PathOf(output)), stop);
            var (graph, lineage) = Texts(header);
            files.Add(new FileAnswer(GraphName, "graph", graph.Length, null, null, Url(execution, GraphName)));
            files.Add(new FileAnswer(LineageName, "lineage", lineage.Length, null, null, Url(execution, LineageName)));
        }
        catch (LatheException e) when (e.Kind == FailureKind.Permanent)
        {
            notes.Add($"it is no checkpoint of a network that Lathe reads: {e.Message}");
        }

        files.AddRange((await Task.Run(() => exports.List(output.Sha256), stop)).SelectMany(e => Files(execution, e)));
        var formats = await FormatsAsync(stop);
        if (formats.Count == 0) notes.Add("no worker that exports checkpoints is up");
        return TypedResults.Ok(new FilesAnswer(files, formats, notes, header is null ? [] : [.. formats.Select(f => Refused(f, header)).OfType<RefusedExport>()]));
    }

    /// <summary>One of the files.</summary>
    public async Task<IResult> GetAsync(string execution, string name, CancellationToken stop)
    {
        var output = await OutputAsync(execution, stop) ?? throw ApiFault.NotFound("the execution has no checkpoint yet");
        switch (name)
        {
            case CheckpointName:
                return TypedResults.PhysicalFile(await Task.Run(() => PathOf(output), stop), Bytes, $"{output.Sha256[..ShownDigits]}.safetensors", enableRangeProcessing: true);
            case GraphName or LineageName:
                var (graph, lineage) = await Task.Run(() => Texts(CheckpointHeader.Read(PathOf(output))), stop);
                return TypedResults.File(name == GraphName ? graph : lineage, Json, name);
        }

        foreach (var export in await Task.Run(() => exports.List(output.Sha256), stop))
        {
            if (export.Files.FirstOrDefault(f => f.Name == name) is { } file && await Task.Run(() => exports.PathOf(output.Sha256, export, file), stop) is { } path)
                return TypedResults.PhysicalFile(path, Bytes, name, enableRangeProcessing: true);
        }

        throw ApiFault.NotFound($"the execution has no file '{name}'; /executions/{execution}/files lists what there is, and POST /executions/{execution}/exports makes more");
    }

    /// <summary>Has an export made, or finds the one that was made of the same checkpoint before.</summary>
    public async Task<Ok<ExportAnswer>> ExportAsync(string execution, HttpRequest request)
    {
        var stop = request.HttpContext.RequestAborted;
        var order = await JsonBody.ReadAsync<ExportOrder>(request, stop: stop);
        if (string.IsNullOrEmpty(order.Format)) throw ApiFault.Unacceptable("/format", "is missing, expected the name of a format");
        var output = await OutputAsync(execution, stop) ?? throw ApiFault.Conflict("the execution has no checkpoint yet, so there is nothing to export");
        var formats = await FormatsAsync(stop);
        if (formats.FirstOrDefault(f => f.Name == order.Format) is not { } format)
        {
            throw formats.Count == 0
                ? new ApiFault(StatusCodes.Status503ServiceUnavailable, "no worker that exports checkpoints is up; start one, for example 'lathe worker evaluate'") { RetryAfter = 30 }
                : ApiFault.Unacceptable("/format", $"is '{order.Format}', expected one of {string.Join(", ", formats.Select(f => f.Name))}");
        }

        var chosen = Chosen(format, order.Options ?? new Dictionary<string, string>());
        if (await Task.Run(() => exports.Find(output.Sha256, format.Name, chosen), stop) is { } known) return TypedResults.Ok(Answer(execution, known));
        var asked = new ExportCheckpoint(output.Sha256, await Task.Run(() => NameOf(output, format.Name, chosen), stop), format.Name, chosen);
        try
        {
            var answer = await sender.ExportAsync(asked, options.ExportPatience, stop);
            return answer.Export is { } export ? TypedResults.Ok(Answer(execution, export)) : throw ApiFault.Unacceptable("/format", answer.Problem ?? "the worker gave no reason");
        }
        catch (LatheException e) when (e.InnerException is TimeoutException)
        {
            throw new ApiFault(StatusCodes.Status504GatewayTimeout, $"{e.Message}; it goes on with the export, so ask again in a while") { RetryAfter = 30 };
        }
        catch (LatheException e) when (e.Kind == FailureKind.Transient)
        {
            throw new ApiFault(StatusCodes.Status503ServiceUnavailable, e.Message) { RetryAfter = 30 };
        }
    }

    private static Dictionary<string, string> Chosen(OfferedExport format, IReadOnlyDictionary<string, string> given)
    {
        var problems = new List<SweepProblem>();
        foreach (var (name, value) in given)
        {
            var path = JsonPointer.Of("options", name);
            if (format.Options.FirstOrDefault(o => o.Name == name) is not { } option) problems.Add(new SweepProblem(path, $"{format.Name} has no option '{name}'"));
            else if (!option.Values.Contains(value)) problems.Add(new SweepProblem(path, $"is '{value}', expected one of {string.Join(", ", option.Values)}"));
        }

        return problems.Count == 0 ? format.Options.ToDictionary(o => o.Name, o => given.GetValueOrDefault(o.Name, o.Values[0])) : throw ApiFault.Unacceptable(problems);
    }

    private async Task<List<OfferedExport>> FormatsAsync(CancellationToken stop) =>
        [
            .. (await roster.UpAsync(stop)).Select(w => w.About).OfType<string>().Select(about => JsonSerializer.Deserialize<WorkerAbout>(about, LatheJson.Options))
                .SelectMany(about => about?.Exports ?? []).DistinctBy(f => f.Name),
        ];

    private async Task<CheckpointRef?> OutputAsync(string execution, CancellationToken stop)
    {
        var (sweep, index) = await targets.ExecutionAsync(execution, stop);
        await using var database = store.Open();
        var row = await (
            from node in database.Nodes.AsNoTracking()
            join run in database.Executions.AsNoTracking() on node.ExecutionId equals (Guid?)run.Id
            where node.SweepId == sweep && node.Index == index && run.State == RunState.Completed
            select run).FirstOrDefaultAsync(stop);
        return row?.Output();
    }

    private string PathOf(CheckpointRef output) => checkpoints.TryPathOf(output, out var path, out var problem) ? path : throw ApiFault.NotFound(problem);

    private static (byte[] Graph, byte[] Lineage) Texts(CheckpointHeader header) =>
        (Encoding.UTF8.GetBytes(GraphJson.Write(header.Graph)), JsonSerializer.SerializeToUtf8Bytes(header.Lineage, LatheJson.Indented));

    /// <summary>Why a network cannot have an export, from its header alone; null: nothing is known against it.</summary>
    private static RefusedExport? Refused(OfferedExport format, CheckpointHeader network)
    {
        if (format.Needs is not { } needs) return null;
        var missing = new List<string>();
        var floats = network.Graph.Nodes.Where(n => n is Conv2d or Linear && !network.Formats.ContainsKey($"{n.Name}.weight")).Select(n => n.Name).ToList();
        if (needs.WholeWeights && floats.Count > 0)
            missing.Add($"the weights of {string.Join(", ", floats.Take(ShownLayers))}{(floats.Count > ShownLayers ? $" and {floats.Count - ShownLayers} more layers" : "")} are floats");
        if (needs.WholeActivations && !network.Graph.Nodes.Any(n => n is Quantize)) missing.Add("its activations are floats");
        return missing.Count == 0 ? null : new RefusedExport(format.Name, string.Join(", and ", missing), needs.Set);
    }

    /// <summary>Of the network, the start of the checkpoint's digest, and what the ending does not say: <c>lenet5-3f9a1c2d-qdq-int8</c>.</summary>
    private string NameOf(CheckpointRef output, string format, Dictionary<string, string> chosen)
    {
        var network = Odd().Replace(CheckpointHeader.Read(PathOf(output)).Graph.Name, "_");
        var more = format.Split('-').Skip(1).Concat(chosen.OrderBy(o => o.Key, StringComparer.Ordinal).Select(o => o.Value));
        return string.Join('-', more.Prepend(output.Sha256[..ShownDigits]).Prepend(network[..Math.Min(network.Length, 60)]));
    }

    private static ExportAnswer Answer(string execution, StoredExport export) => new(export.Format, export.Options, [.. Files(execution, export)], export.Lines);

    private static IEnumerable<FileAnswer> Files(string execution, StoredExport export) =>
        export.Files.Select(f => new FileAnswer(f.Name, "export", f.Bytes, f.Sha256, export.Format, Url(execution, f.Name)));

    private static string Url(string execution, string name) => $"/executions/{Uri.EscapeDataString(execution)}/files/{Uri.EscapeDataString(name)}";

    [GeneratedRegex("[^A-Za-z0-9_-]")]
    private static partial Regex Odd();
}
