using System.Text;
using System.Text.Json.Nodes;
using Lathe.Contracts.Messages;
using Lathe.Testing;
using RabbitMQ.Client;

namespace Lathe.Hosting.Tests;

[Collection(BrokerTests.Name)]
public sealed class Garbage(RabbitMqBroker broker) : IAsyncLifetime
{
    private BrokerClient _client = null!;
    private IConnection _connection = null!;
    private IChannel _channel = null!;

    public async ValueTask InitializeAsync()
    {
        _client = new BrokerClient(BrokerAddress.Parse(broker.Address));
        _connection = await new ConnectionFactory { Uri = new Uri(broker.Address) }.CreateConnectionAsync();
        _channel = await _connection.CreateChannelAsync(new CreateChannelOptions(publisherConfirmationsEnabled: true, publisherConfirmationTrackingEnabled: true));
        // What other tests left there.
        await new DeadLetters(_client).DropAsync(null);
        await _client.DeclareStageAsync("toy", "1", default);
        await _channel.QueuePurgeAsync("stage.toy.1");
    }

    public async ValueTask DisposeAsync()
    {
        await _channel.DisposeAsync();
        await _connection.DisposeAsync();
        await _client.DisposeAsync();
    }

    [Fact]
    public async Task Garbage_in_a_stages_queue_is_a_dead_letter_at_once_and_the_worker_goes_on()
    {
        await using var workshop = await new Workshop(broker.Address).StartAsync();
        await workshop.WorkerAsync();
        var command = workshop.Command(new ToyCounting());
        (string Body, string Reason)[] garbage =
        [
            ("no \u001b[31mJSON", "it cannot be read: 'no ?[31mJSON' is an invalid JSON literal"),
            ("", "it cannot be read: The input does not contain any JSON tokens"),
            ("[1, 2]", "it cannot be read: "),
            ("{}", "specversion is '', expected 1.0"),
            ("{\"specversion\":\"0.3\"}", "specversion is '0.3', expected 1.0"),
            (Without("type"), "type is missing"),
            (Without("id"), "id is missing"),
            (Without("source"), "source is missing"),
            (Without("data"), "data is missing"),
            (Event(command).ToJsonString()[..^1], "it cannot be read: "),
            (Event(command, "strange.boil.v1").ToJsonString(), "nobody here reads messages of type strange.boil.v1"),
            (Event(command, "lathe.execute-stage.v2").ToJsonString(), "nobody here reads messages of type lathe.execute-stage.v2"),
            (With("attempt", "many"), "it cannot be read: it has a value of another type than expected, at $.attempt"),
            (With("device", "abacus"), "it cannot be read: "),
            (With("key", "../../etc/passwd"), "key is no SHA-256"),
            (With("executionId", null), "it cannot be read: "),
            (With("executionId", Guid.Empty.ToString()), "executionId is missing"),
            (With("replyTo", null), "replyTo names no queue of reports"),
            (With("replyTo", "stage.toy.1"), "replyTo names no queue of reports"),
            (With("replyTo", "lathe.x?durable=true"), "replyTo names no queue of reports"),
            (With("parameters", 3), "parameters is no object"),
            (With("attempt", 0), "attempt is 0, expected at least 1"),
            (With("input", new JsonObject { ["sha256"] = "../../etc/passwd", ["bytes"] = 3 }), "input is no reference to a checkpoint"),
            (With("data", new JsonObject { ["name"] = "../../etc", ["fingerprint"] = new string('a', 64) }), "data names no data set"),
            (With("data", new JsonObject { ["name"] = "mnist", ["fingerprint"] = "short" }), "data names no data set"),
            (new string(' ', PoisonMessages.Largest + 1), "it has 4,194,305 bytes; no message here has more than 4,194,304"),
        ];
        foreach (var (body, _) in garbage) await PublishAsync("stage.toy.1", body);
        await workshop.Sender.SendAsync(command, null);
        await workshop.Completed(command);
        Assert.Empty(workshop.Inbox.All<StageFailed>());

        var letters = await new DeadLetters(_client).ListAsync();
        Assert.Equal(garbage.Length, letters.Count);
        for (var i = 0; i < garbage.Length; i++)
        {
            Assert.StartsWith(garbage[i].Reason, letters[i].Reason, StringComparison.Ordinal);
            Assert.Equal(("stage.toy.1", garbage[i].Body.Length), (letters[i].Queue, letters[i].Bytes));
            Assert.InRange(letters[i].At!.Value, DateTimeOffset.UtcNow.AddMinutes(-1), DateTimeOffset.UtcNow.AddSeconds(1));
        }

        // None of it came twice, and the queue is as it was.
        Assert.Equal(0, await workshop.Sender.QueueDepthAsync("toy", "1"));

        string With(string field, JsonNode? value) => Event(command, field: field, value: value).ToJsonString();

        string Without(string attribute)
        {
            var without = Event(command);
            Assert.True(without.Remove(attribute));
            return without.ToJsonString();
        }
    }

    [Fact]
    public async Task Garbage_among_the_reports_is_a_dead_letter_too_and_the_next_report_is_heard()
    {
        await using var workshop = await new Workshop(broker.Address).StartAsync();
        await PublishAsync(workshop.Queue, "no JSON");
        await PublishAsync(workshop.Queue, Event(workshop.Command(new ToyCounting())).ToJsonString());
        await workshop.WorkerAsync();
        var command = workshop.Command(new ToyCounting());
        await workshop.Sender.SendAsync(command, null);
        await workshop.Completed(command);
        var letters = await new DeadLetters(_client).ListAsync();
        Assert.Equal([workshop.Queue, workshop.Queue], letters.Select(letter => letter.Queue));
        Assert.Equal(["", "ExecuteStage"], letters.Select(letter => letter.Type));
        foreach (var unread in (string[])["_error", "_skipped"]) Assert.Null(await _client.ReadyMessagesAsync(workshop.Queue + unread, default));
    }

    [Fact]
    public async Task Dead_letters_are_listed_shown_sent_again_and_dropped()
    {
        var dead = new DeadLetters(_client);
        Assert.Empty(await dead.ListAsync());
        await using var workshop = await new Workshop(broker.Address).StartAsync();
        var command = workshop.Command(new ToyCounting());
        var (good, bad) = (Event(command).ToJsonString(), "bad");
        var id = await _client.BuryAsync("stage.toy.1", "somebody was wrong", new BasicProperties { MessageId = "one", ContentType = CloudEvent.MediaType }, Encoding.UTF8.GetBytes(good), default);
        await _client.BuryAsync("stage.toy.1", "bad", new BasicProperties(), Encoding.UTF8.GetBytes(bad), default);
        await _client.BuryAsync("stage.gone.1", "", new BasicProperties(), Encoding.UTF8.GetBytes(bad), default);

        // Looking does not change them, however often: some brokers drop what came back twenty times.
        var letters = await dead.ListAsync();
        for (var i = 0; i < 25; i++) Assert.Equal(letters, await dead.ListAsync());
        Assert.Equal(["somebody was wrong", "bad", "unknown"], letters.Select(letter => letter.Reason));
        Assert.Equal((id, "stage.toy.1", "ExecuteStage"), (letters[0].Id, letters[0].Queue, letters[0].Type));
        Assert.Equal(3, letters.Select(letter => letter.Id).Distinct().Count());

        var (letter, body) = await dead.ShowAsync(id[..6]);
        Assert.Equal((letters[0], good), (letter, Encoding.UTF8.GetString(body)));
        var refusal = await Assert.ThrowsAsync<Lathe.Contracts.LatheException>(() => dead.ShowAsync("nothing"));
        Assert.Equal("no dead letter has the id nothing; lathe dead-letters list shows those there are", refusal.Message);
        Assert.Contains("3 dead letters have an id that starts with", (await Assert.ThrowsAsync<Lathe.Contracts.LatheException>(() => dead.ShowAsync(""))).Message, StringComparison.Ordinal);

        // Sent again, as it was.
        var (sent, kept) = await dead.RetryAsync([id, letters[2].Id]);
        Assert.Equal([letters[0]], sent);
        Assert.Equal([letters[2]], kept);
        var headers = await _channel.BasicGetAsync("stage.toy.1", autoAck: false);
        // These two the broker and its client set themselves.
        Assert.Empty(headers!.BasicProperties.Headers!.Keys.Except(["x-delivery-count", "x-dotnet-pub-seq-no"]));
        Assert.Equal("one", headers.BasicProperties.MessageId);
        await _channel.BasicNackAsync(headers.DeliveryTag, multiple: false, requeue: true);
        await workshop.WorkerAsync();
        await workshop.Completed(command);

        Assert.Equal([letters[1]], await dead.DropAsync([letters[1].Id]));
        Assert.Equal([letters[2]], await dead.ListAsync());
        Assert.Equal([letters[2]], await dead.DropAsync(null));
        Assert.Empty(await dead.ListAsync());
    }

    [Fact]
    public async Task What_the_broker_itself_gives_up_says_where_it_came_from()
    {
        await PublishAsync("stage.toy.1", "taken and given back");
        for (var delivery = 0; delivery <= 100; delivery++)
        {
            BasicGetResult? message = null;
            await Eventually.True(() => (message = _channel.BasicGetAsync("stage.toy.1", autoAck: false).GetAwaiter().GetResult()) is not null, $"delivery {delivery}");
            await _channel.BasicNackAsync(message!.DeliveryTag, multiple: false, requeue: true);
        }

        var dead = new DeadLetters(_client);
        await Eventually.True(() => dead.ListAsync().GetAwaiter().GetResult().Count == 1, "it is dead");
        // Once as the broker left it, once as it was written again.
        for (var i = 0; i < 2; i++)
        {
            var letter = Assert.Single(await dead.ListAsync());
            Assert.Equal(("stage.toy.1", "it came back from its readers too often"), (letter.Queue, letter.Reason));
            Assert.InRange(letter.At!.Value, DateTimeOffset.UtcNow.AddMinutes(-1), DateTimeOffset.UtcNow.AddSeconds(1));
        }
    }

    [Fact]
    public async Task What_an_earlier_release_left_in_a_queue_is_still_taken()
    {
        await using var workshop = await new Workshop(broker.Address).StartAsync();
        await workshop.WorkerAsync();
        var command = workshop.Command(new ToyCounting());
        var envelope = new JsonObject
        {
            ["messageId"] = Guid.NewGuid().ToString(),
            ["messageType"] = new JsonArray("urn:message:Lathe.Contracts.Messages:ExecuteStage"),
            ["message"] = System.Text.Json.JsonSerializer.SerializeToNode(command, Lathe.Contracts.LatheJson.Options),
        };
        await PublishAsync("stage.toy.1", envelope.ToJsonString(), "application/vnd.masstransit+json");
        await workshop.Completed(command);
    }

    private async Task PublishAsync(string queue, string body, string type = CloudEvent.MediaType) => await _channel.BasicPublishAsync(
        "", queue, mandatory: true, new BasicProperties { ContentType = type }, Encoding.UTF8.GetBytes(body));

    /// <summary>A command as any sender may write it, with one field changed.</summary>
    private static JsonObject Event(ExecuteStage command, string type = "lathe.execute-stage.v1", string? field = null, JsonNode? value = null)
    {
        var data = System.Text.Json.JsonSerializer.SerializeToNode(command, Lathe.Contracts.LatheJson.Options)!.AsObject();
        if (field is not null)
        {
            Assert.True(data.ContainsKey(field));
            data[field] = value;
        }

        return new JsonObject { ["specversion"] = "1.0", ["id"] = Guid.NewGuid().ToString(), ["source"] = "test", ["type"] = type, ["data"] = data };
    }
}
