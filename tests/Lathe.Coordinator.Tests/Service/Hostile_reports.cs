using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Lathe.Contracts;
using Lathe.Contracts.Messages;
using Lathe.Hosting;
using Lathe.Testing;
using Microsoft.EntityFrameworkCore;
using RabbitMQ.Client;

namespace Lathe.Coordinator.Tests;

/// <summary>A coordinator on a real broker and PostgreSQL, whose queue gets what no worker of this release would send.</summary>
public sealed class Hostile_reports(RabbitMqBroker broker) : IClassFixture<RabbitMqBroker>, IAsyncLifetime
{
    private static readonly string Digest = new('a', 64);

    private HttpBench _bench = null!;
    private IConnection _connection = null!;
    private IChannel _channel = null!;
    private BrokerClient _client = null!;

    public async ValueTask InitializeAsync()
    {
        _bench = await HttpBench.StartAsync(await Workbench.PostgreSqlAsync(), broker: broker.Address);
        _client = new BrokerClient(BrokerAddress.Parse(broker.Address));
        _connection = await new ConnectionFactory { Uri = new Uri(broker.Address) }.CreateConnectionAsync();
        _channel = await _connection.CreateChannelAsync(new CreateChannelOptions(publisherConfirmationsEnabled: true, publisherConfirmationTrackingEnabled: true));
    }

    public async ValueTask DisposeAsync()
    {
        await _channel.DisposeAsync();
        await _connection.DisposeAsync();
        await _client.DisposeAsync();
        await _bench.DisposeAsync();
    }

    [Fact]
    public async Task Garbage_and_poison_are_dead_letters_and_the_sweep_goes_on_to_its_end()
    {
        var sweep = await _bench.SubmitAsync(HttpBench.Held("besieged"));
        await _bench.RunsAsync(sweep);
        var execution = await ExecutionAsync(sweep);
        var completed = new StageCompleted(execution.Id, 1, execution.Key, "hold", new CheckpointRef(Digest, 3), new Dictionary<string, double>(), 1);
        var started = new StageStarted(execution.Id, 1, execution.Key, "hold", "somebody", 0);
        var failed = new StageFailed(execution.Id, 1, execution.Key, "hold", FailureKind.Permanent, "no memory");
        (byte[] Body, string Reason)[] garbage =
        [
            ("no JSON"u8.ToArray(), "it cannot be read: "),
            ([], "it cannot be read: "),
            ([0xFF, 0x00, 0xFE], "it cannot be read: "),
            ("{}"u8.ToArray(), "it cannot be read: "),
            (new byte[(4 << 20) + 1], "it has 4,194,305 bytes; no message here has more than 4,194,304"),
            (Envelope(completed)[..^2], "it cannot be read: "),
            (Envelope(completed, "Boiled"), "nobody here reads messages of type Boiled"),
            (With(completed, "output", new JsonObject { ["sha256"] = "../../../etc/passwd", ["bytes"] = 3 }), "output is no reference to a checkpoint"),
            (With(completed, "output", new JsonObject { ["sha256"] = Digest, ["bytes"] = -3 }), "output is no reference to a checkpoint"),
            (With(completed, "output", null), "output is no reference to a checkpoint"),
            (With(completed, "metrics", null), "metrics is missing"),
            (With(completed, "metrics", new JsonObject { ["top1"] = "high" }), "it cannot be read: "),
            (With(completed, "seconds", -1), "seconds is -1, expected at least 0"),
            (With(completed, "key", "short"), "key is no SHA-256"),
            (With(completed, "executionId", Guid.Empty.ToString()), "executionId is missing"),
            (With(completed, "executionId", "somebody"), "it cannot be read: "),
            (Envelope(new StageAnnounced(HoldStage.Manifest with { ParametersSchema = Schema("""{"a": {"type": "number", "minimum": 2, "maximum": 0}}""") }, "w")), "the manifest cannot be served: parameter 'a' has the range from 2 to 0"),
            (Envelope(new StageAnnounced(HoldStage.Manifest with { ParametersSchema = Schema("""{"a": {"$ref": "http://127.0.0.1:1/x"}}""") }, "w")), "the manifest cannot be served: the schema refers to another document"),
            (Envelope(new StageAnnounced(HoldStage.Manifest with { ParametersSchema = Schema("{}"), Name = "hold.x" }, "w")), "the manifest cannot be served: the name is 'hold.x'"),
            (Envelope(new StageAnnounced(HoldStage.Manifest with { ParametersSchema = Schema("{}"), Metrics = [new("a", "a"), new("a", "b")] }, "w")), "the manifest cannot be served: the metric 'a' is described twice"),
            (With(started, "attempt", -7), "attempt is -7, expected at least 1"),
            (With(started, "worker", "a\0b"), "worker is no name of a worker"),
            (With(started, "stage", new string('s', 300)), "stage is no name of a stage"),
            (With(failed, "message", null), "message is missing"),
            (With(failed, "kind", "bored"), "it cannot be read: "),
            (With(new StageAnnounced(HoldStage.Manifest, "w"), "manifest", null), "manifest is missing"),
            (With(new StageAnnounced(HoldStage.Manifest with { Version = "99" }, "w"), "manifest", new JsonObject { ["name"] = "hold", ["version"] = "99" }), "the manifest cannot be served: the summary is empty; expected one line for a person; there is no schema of the parameters; expected a JSON Schema of an object"),
        ];
        foreach (var (body, _) in garbage) await PublishAsync(body);

        // Not a dead letter: it may be late, or of another coordinator's sweep. It changes nothing.
        foreach (var other in Ignored(execution)) await PublishAsync(other);
        await Eventually.TrueAsync(async () => (await LettersAsync()).Count >= garbage.Length, "every one is a dead letter");
        var letters = await LettersAsync();
        Assert.Equal(garbage.Length, letters.Count);
        foreach (var (body, reason) in garbage)
        {
            Assert.True(
                letters.Any(l => l.Queue == Queues.Coordinator && l.Bytes == body.Length && l.Reason.StartsWith(reason, StringComparison.Ordinal)),
                $"{reason} ({body.Length} bytes) is none of\n{string.Join('\n', letters.Select(l => $"{l.Bytes} bytes: {l.Reason}"))}");
        }

        // People read the reasons, and need to know nothing of the reader's inside.
        Assert.DoesNotContain(letters, l => l.Reason.Contains("Parameter '", StringComparison.Ordinal) || l.Reason.Contains("LineNumber", StringComparison.Ordinal) || l.Reason.Contains("System.", StringComparison.Ordinal));
        Assert.Equal(RunState.Running, (await ExecutionAsync(sweep)).State);
        // Whoever names such a stage hears why nobody knows it.
        var (_, problems, notes) = await _bench.Service<Orchestrator>().CheckAsync(new SweepSpec("named", ["tiny"], ["mnist"], [0], [new StageSpec("hold.x", JsonElement.Parse("{}"))]));
        Assert.StartsWith("unknown stage 'hold.x'", Assert.Single(problems).Message, StringComparison.Ordinal);
        Assert.StartsWith("a worker announced hold.x, and was refused: the manifest cannot be served: the name is 'hold.x'", Assert.Single(notes), StringComparison.Ordinal);

        HoldStage.Release("besieged");
        var status = await _bench.EndedAsync(sweep);
        Assert.Equal(SweepState.Succeeded, status.State);
        Assert.NotEqual(Digest, Assert.Single(status.Executions).Output!.Sha256);
    }

    [Fact]
    public async Task Reports_that_are_ancient_come_twice_or_in_the_wrong_order_change_nothing_that_is_over()
    {
        await new DeadLetters(_client).DropAsync(null);
        var first = await _bench.SubmitAsync(HttpBench.Quick("[1, 2, 3]"));
        var before = await _bench.EndedAsync(first);
        Assert.Equal(SweepState.Succeeded, before.State);
        var execution = await ExecutionAsync(first);
        byte[][] late =
        [
            Envelope(new StageCompleted(execution.Id, 1, execution.Key, execution.Stage, new CheckpointRef(Digest, 3), new Dictionary<string, double>(), 9)),
            Envelope(new StageProgressed(execution.Id, 1, execution.Key, execution.Stage, "ghost", new StageProgress("training", 1, 2))),
            Envelope(new StageFailed(execution.Id, 1, execution.Key, execution.Stage, FailureKind.Permanent, "no memory")),
            Envelope(new StageCancelled(execution.Id, 1, execution.Key, execution.Stage, "ghost")),
            Envelope(new StageStarted(execution.Id, 1, execution.Key, execution.Stage, "ghost", 0)),
            .. Ignored(execution),
        ];
        for (var times = 0; times < 3; times++)
        {
            foreach (var body in late) await PublishAsync(body);
        }

        // The queue is in order: once a later sweep is over, all of it was read.
        Assert.Equal(SweepState.Succeeded, (await _bench.EndedAsync(await _bench.SubmitAsync(HttpBench.Quick("[4, 5]")))).State);
        var after = await _bench.GetAsync<SweepStatus>($"/sweeps/{first}");
        Assert.Equal(JsonSerializer.Serialize(before, LatheJson.Options), JsonSerializer.Serialize(after, LatheJson.Options));
        Assert.Empty(await LettersAsync());
        Assert.Equal(0, await _client.ReadyMessagesAsync(Queues.Coordinator, default));
    }

    /// <summary>JSON can write 1e999, which a reader takes for a number without end, and nobody can write again.</summary>
    [Fact]
    public void A_figure_without_end_is_no_progress()
    {
        var fine = new StageProgressed(Guid.NewGuid(), 1, Digest, "hold", "w", new StageProgress("training", 1, LastEpoch: new EpochFigures(1, 0.5, 0.5)));
        Assert.Null(ReportCheck.Problem(fine));
        foreach (var odd in (StageProgress[])[fine.Progress with { Loss = double.PositiveInfinity }, fine.Progress with { LastEpoch = new EpochFigures(1, double.NaN, 1) }, fine.Progress with { Ended = [new EpochFigures(1, 1, double.NegativeInfinity)] }])
            Assert.Equal("progress has a figure that is no finite number", ReportCheck.Problem(fine with { Progress = odd }));
    }

    /// <summary>Well-formed reports that are not about the present attempt of this execution.</summary>
    private static byte[][] Ignored(ExecutionRow execution) =>
    [
        Envelope(new StageCompleted(execution.Id, 1, Digest, execution.Stage, new CheckpointRef(Digest, 3), new Dictionary<string, double>(), 1)),
        Envelope(new StageCompleted(execution.Id, 1, execution.Key, "other", new CheckpointRef(Digest, 3), new Dictionary<string, double>(), 1)),
        Envelope(new StageCompleted(Guid.NewGuid(), 1, execution.Key, execution.Stage, new CheckpointRef(Digest, 3), new Dictionary<string, double>(), 1)),
        Envelope(new StageFailed(execution.Id, 7, execution.Key, execution.Stage, FailureKind.Permanent, "no memory")),
        Envelope(new StageCancelled(execution.Id, 7, execution.Key, execution.Stage, "ghost")),
        Envelope(new StageFailed(Guid.NewGuid(), 1, execution.Key, execution.Stage, FailureKind.Permanent, "a\0b")),
    ];

    private async Task<ExecutionRow> ExecutionAsync(Guid sweep)
    {
        await using var database = _bench.Service<CoordinatorStore>().Open();
        return await database.Executions.AsNoTracking().FirstAsync(e => e.SweepId == sweep && e.NodeIndex == 0);
    }

    private Task<IReadOnlyList<DeadLetter>> LettersAsync() => new DeadLetters(_client).ListAsync();

    private async Task PublishAsync(byte[] body) => await _channel.BasicPublishAsync(
        "", Queues.Coordinator, mandatory: true, new BasicProperties { ContentType = "application/vnd.masstransit+json", Persistent = true }, body);

    private static JsonElement Schema(string properties) => JsonElement.Parse($$"""{ "type": "object", "additionalProperties": false, "properties": {{properties}} }""");

    private static byte[] Envelope<T>(T message, string? type = null) => With(message, null, null, type);

    /// <summary>What the bus writes for a message, with one field changed.</summary>
    private static byte[] With<T>(T message, string? field, JsonNode? value, string? type = null)
    {
        var json = JsonSerializer.SerializeToNode(message, LatheJson.Options)!.AsObject();
        if (field is not null)
        {
            Assert.True(json.ContainsKey(field));
            json[field] = value;
        }

        return Encoding.UTF8.GetBytes(new JsonObject
        {
            ["messageId"] = Guid.NewGuid().ToString(),
            ["messageType"] = new JsonArray($"urn:message:{(type is null ? $"Lathe.Contracts.Messages:{typeof(T).Name}" : type)}"),
            ["message"] = json,
        }.ToJsonString());
    }
}
