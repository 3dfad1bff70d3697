using System.Diagnostics;
using System.Text.Json;
using System.Text.Json.Nodes;
using Lathe.Conformance.Cases;
using Lathe.Conformance.Wire;
using Lathe.Contracts;
using Lathe.Contracts.Messages;
using Lathe.Graph;
using Lathe.Hosting;

namespace Lathe.Conformance;

/// <summary>An execution that was sent.</summary>
/// <param name="Command">The command.</param>
/// <param name="From">Messages in the inbox before it was sent.</param>
/// <param name="SentAt">When, since the kit began.</param>
internal sealed record SentExecution(ExecuteStage Command, int From, TimeSpan SentAt);

/// <summary>Sends executions of the stage as a coordinator does, and keeps what several checks need.</summary>
internal sealed class Runs(ConformanceOptions options, CoordinatorSeat seat)
{
    /// <summary>Trace that commands say their input was made in.</summary>
    public const string TraceId = "4bf92f3577b34da6a3ce929d0e0e4736";

    /// <summary>Header of commands.</summary>
    public const string TraceParent = $"00-{TraceId}-00f067aa0ba902b7-01";

    private static readonly TimeSpan Announcing = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan Others = TimeSpan.FromSeconds(1);

    private readonly CheckpointStore _store = new(options.Settings);
    private readonly Dictionary<string, CheckpointRef> _inputs = [];
    private readonly List<SentExecution> _sent = [];
    private Task<StageAnnounced>? _announced;
    private Task<(SentExecution Sent, StageCompleted Completed)>? _plain;

    public ConformanceOptions Options => options;

    public CoordinatorSeat Seat => seat;

    public CheckpointStore Store => _store;

    /// <summary>The run that is cancelled while it runs; null: none yet.</summary>
    public Task<Checks.InterruptedRun>? Interrupted { get; set; }

    /// <summary>The same run when nothing disturbs it; null: none yet.</summary>
    public Task<StageCompleted>? Undisturbed { get; set; }

    /// <summary>Every execution that was sent.</summary>
    public IReadOnlyList<SentExecution> Sent => _sent;

    /// <summary>The stage as one of its workers announced it.</summary>
    /// <exception cref="NotAskedException">It did not.</exception>
    public async Task<StageAnnounced> AnnouncedAsync(CancellationToken stop)
    {
        try
        {
            return await (_announced ??= FindAsync(stop));
        }
        catch (RefutedException e)
        {
            throw new NotAskedException($"the stage is not found: {e.Message}");
        }
    }

    /// <summary>The same for the check that it is found.</summary>
    public Task<StageAnnounced> FindAsync(CancellationToken stop) => _announced ??= LookAsync(stop);

    /// <summary>Parameters of a run: the schema's defaults, the sweep's model, and what the options say.</summary>
    /// <exception cref="NotAskedException">Parameters are missing, or do not fit the schema.</exception>
    public async Task<JsonElement> ParametersAsync(bool isLong, CancellationToken stop)
    {
        var manifest = (await AnnouncedAsync(stop)).Manifest;
        if (manifest.ParametersSchema is not { ValueKind: JsonValueKind.Object } schema) throw new NotAskedException("the manifest has no schema of the parameters");
        var given = new JsonObject();
        if (ParametersSchema.Marked(schema, SweepModelAttribute.Keyword) is { } model) given[model] = options.Model;
        foreach (var some in (JsonElement?[])[options.Parameters, isLong ? options.Long : null])
        {
            foreach (var property in some?.EnumerateObject().ToList() ?? []) given[property.Name] = JsonSerializer.SerializeToNode(property.Value);
        }

        var parameters = ParametersSchema.WithDefaults(schema, JsonSerializer.SerializeToElement(given));
        var problems = ParametersSchema.Validate(schema, parameters);
        return problems.Count == 0 ? parameters
            : throw new NotAskedException($"the stage cannot run with these parameters: {string.Join("; ", problems.Select(p => $"{p.Pointer} {p.Message}"))}. Give others with --parameters");
    }

    /// <summary>The network that enters; null for a stage that starts from a model.</summary>
    /// <param name="model">Name in the zoo; null: that of the options.</param>
    /// <param name="stop">Gives up.</param>
    public async Task<NetworkGraph?> GraphAsync(string? model, CancellationToken stop) =>
        (await AnnouncedAsync(stop)).Manifest.Input == StageInput.Checkpoint ? UntrainedCheckpoint.GraphOf(model ?? options.Model) : null;

    /// <summary>A command of its own sweep, which accepts no result of others.</summary>
    public async Task<ExecuteStage> CommandAsync(JsonElement parameters, string? model, CancellationToken stop)
    {
        var manifest = (await AnnouncedAsync(stop)).Manifest;
        var data = manifest.ReadsData ? Data() : null;
        var input = await GraphAsync(model, stop) is { } graph ? Input(model ?? options.Model, graph, data) : null;
        var key = ExecutionKey.Compute(manifest, parameters, input, data, seed: 1, threads: 1, device: null);
        return new ExecuteStage(
            Guid.NewGuid(), Guid.NewGuid(), key, manifest.Name, manifest.Version, parameters, input, data, Seed: 1, Attempt: 1, Fresh: true, seat.Queue, Threads: 1, Device: null, DateTimeOffset.UtcNow);
    }

    /// <summary>Sends a command.</summary>
    public async Task<SentExecution> SendAsync(ExecuteStage command, CancellationToken stop)
    {
        var sent = new SentExecution(command, seat.Inbox.All.Count, seat.Now);
        _sent.Add(sent);
        await seat.ExecuteAsync(command, TraceParent, stop);
        return sent;
    }

    /// <summary>The next report about an execution that is wanted; null: none in time.</summary>
    public Task<Heard?> NextAsync(SentExecution sent, Func<object, bool> isWanted, TimeSpan limit, CancellationToken stop) => seat.Inbox.NextAsync(
        sent.From, h => h.Message is IStageReport report && report.ExecutionId == sent.Command.ExecutionId && report.Attempt == sent.Command.Attempt && isWanted(report), limit, stop);

    /// <summary>How an execution ended.</summary>
    /// <exception cref="RefutedException">It did not end in time.</exception>
    public async Task<Heard> EndAsync(SentExecution sent, TimeSpan limit, CancellationToken stop) =>
        await NextAsync(sent, Reports.IsEnd, limit, stop) ?? throw new RefutedException(
            await NextAsync(sent, _ => true, TimeSpan.Zero, stop) is null
                ? $"no worker took an execution from the queue {Queues.Stage(sent.Command.Stage, sent.Command.Version)} within {limit.TotalSeconds:0} s"
                : $"an execution was taken, and no report of its end came within {limit.TotalSeconds:0} s");

    /// <summary>The result of an execution.</summary>
    /// <exception cref="RefutedException">There is none.</exception>
    public async Task<StageCompleted> CompletedAsync(SentExecution sent, TimeSpan limit, CancellationToken stop) => (await EndAsync(sent, limit, stop)).Message switch
    {
        StageCompleted completed => completed,
        StageFailed { Kind: FailureKind.Elsewhere or FailureKind.InputLost } failed => throw new NotAskedException(
            $"the worker lacks something: {failed.Message}. It and the kit need the same store and data ({HostingSettings.StoreVariable}, {HostingSettings.DataVariable})"),
        StageFailed failed => throw new RefutedException($"it failed ({failed.Kind.ToString().ToLowerInvariant()}): {failed.Message}"),
        _ => throw new RefutedException("it was reported as cancelled, and nobody had cancelled it"),
    };

    /// <summary>A run that nothing disturbs; the checks share it.</summary>
    public Task<(SentExecution Sent, StageCompleted Completed)> PlainAsync(CancellationToken stop)
    {
        return _plain ??= RunAsync();

        async Task<(SentExecution, StageCompleted)> RunAsync()
        {
            var sent = await SendAsync(await CommandAsync(await ParametersAsync(isLong: false, stop), null, stop), stop);
            return (sent, await CompletedAsync(sent, options.RunLimit, stop));
        }
    }

    private async Task<StageAnnounced> LookAsync(CancellationToken stop)
    {
        // A worker that was started a moment ago does not listen yet.
        var began = Stopwatch.GetTimestamp();
        do
        {
            await TryAskAsync(stop);
        }
        while (await seat.Inbox.NextAsync(0, h => IsWanted(h.Message), Others, stop) is null && Stopwatch.GetElapsedTime(began) < Announcing);
        // Workers of another version may be slower to answer.
        await seat.Inbox.NextAsync(seat.Inbox.All.Count, _ => false, Others, stop);
        var found = seat.Inbox.All.Select(h => h.Message).OfType<StageAnnounced>().Where(IsWanted).ToList();
        var versions = found.Select(f => f.Manifest.Version).Distinct().ToList();
        if (versions.Count > 1) throw new LatheException($"workers of stage {options.Stage} are up in the versions {string.Join(", ", versions)}; choose one with --version");
        if (found.Count > 0) return found[0];
        var others = seat.Inbox.All.Select(h => h.Message).OfType<StageAnnounced>().Select(f => $"{f.Manifest.Name} {f.Manifest.Version}").Distinct().Order().ToList();
        throw new RefutedException(
            $"no worker of stage {options.Stage}{(options.Version is null ? "" : $" version {options.Version}")} announced itself within {Announcing.TotalSeconds:0} s; "
            + $"{(others.Count == 0 ? "nobody did" : $"those who did run {string.Join(", ", others)}")}. Start one on this broker and virtual host");

        bool IsWanted(object? message) => message is StageAnnounced { Manifest: var manifest } && manifest.Name == options.Stage && (options.Version is null || manifest.Version == options.Version);
    }

    /// <summary>Asks for stages once. Where no worker is up, nobody listens; that none is found says so.</summary>
    private async Task TryAskAsync(CancellationToken stop)
    {
        try
        {
            await seat.AskForStagesAsync(stop);
        }
        catch (RefutedException)
        {
            // One may be starting.
        }
    }

    private DataRef Data()
    {
        try
        {
            return DataFingerprint.Find(options.Dataset, options.Settings);
        }
        catch (LatheException e)
        {
            throw new NotAskedException($"the stage reads data, and the kit does not find them: {e.Message}");
        }
    }

    private CheckpointRef Input(string model, NetworkGraph graph, DataRef? data)
    {
        if (!_inputs.TryGetValue(model, out var input))
            _inputs[model] = input = UntrainedCheckpoint.Write(_store, graph, data ?? new DataRef(options.Dataset, new string('0', 64)));
        return input;
    }
}
