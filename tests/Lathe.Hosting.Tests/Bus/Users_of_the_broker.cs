using Lathe.Contracts;
using Lathe.Contracts.Messages;
using Lathe.Testing;
using RabbitMQ.Client;
using RabbitMQ.Client.Exceptions;

namespace Lathe.Hosting.Tests;

/// <summary>The rights that docs/cluster.md gives to the workers of one stage, on a real broker.</summary>
[Collection(BrokerTests.Name)]
public sealed class Users_of_the_broker(RabbitMqBroker broker) : IAsyncLifetime
{
    private const string User = "toy-workers";

    public async ValueTask InitializeAsync()
    {
        await broker.ControlAsync("add_user", User, "for-tests-only");
        await broker.ControlAsync(["set_permissions", User, .. RightsOfAStage.InTheGuide("toy")]);
        // The coordinator starts first: it makes its queue and that of the dead letters.
        await using var client = new BrokerClient(BrokerAddress.Parse(broker.Address));
        await client.DeclareCoordinatorAsync(default);
        await client.DeclareStageAsync("other", "1", default);
    }

    public async ValueTask DisposeAsync() => await broker.ControlAsync("delete_user", User);

    [Fact]
    public async Task A_worker_with_the_rights_of_its_stage_does_everything_that_a_worker_does()
    {
        await using var workshop = await new Workshop(broker.Address).StartAsync();
        await workshop.WorkerAsync(settings => settings with { Broker = BrokerAddress.Parse(Address) });

        var command = workshop.Command(new ToyCounting());
        await workshop.Sender.SendAsync(command, null);
        await workshop.Completed(command);

        var parameters = System.Text.Json.JsonSerializer.SerializeToElement(new ToyCounting(), LatheJson.Options);
        var answer = await workshop.Sender.CheckAsync(new CheckStage("toy", "1", [], [new StageQuestion(parameters, null, "mnist")]), TimeSpan.FromSeconds(20));
        Assert.Empty(Assert.Single(answer.Forecasts).Problems);
        await workshop.Sender.AskForStagesAsync(workshop.Queue);
        await workshop.Inbox.Next<StageAnnounced>(announced => announced.Manifest.Name == "toy");

        // A worker remembers a cancellation, so that the message of what was cancelled is answered at once.
        var cancelled = workshop.Command(new ToyCounting(), seed: 2);
        await workshop.CancelAsync(cancelled);
        await workshop.Sender.SendAsync(cancelled, null);
        await workshop.Cancelled(cancelled);

        await using var client = new BrokerClient(BrokerAddress.Parse(broker.Address));
        await new DeadLetters(client).DropAsync(null);
        await using var connection = await new ConnectionFactory { Uri = new Uri(broker.Address) }.CreateConnectionAsync();
        await using var channel = await connection.CreateChannelAsync();
        await channel.BasicPublishAsync("stage.toy.1", "", "no message"u8.ToArray());
        await Eventually.TrueAsync(async () => (await new DeadLetters(client).ListAsync()).Count == 1, "it is a dead letter");
        await new DeadLetters(client).DropAsync(null);
    }

    [Theory]
    [InlineData("stage.other.1")]
    [InlineData(Queues.Coordinator)]
    [InlineData(Queues.Dead)]
    public async Task It_cannot_read_or_empty_the_queue_of_another(string queue)
    {
        await RefusedAsync(channel => channel.BasicGetAsync(queue, autoAck: false));
        await RefusedAsync(channel => channel.BasicConsumeAsync(queue, autoAck: false, new AsyncEventingBasicConsumerOfNothing(channel)));
        await RefusedAsync(channel => channel.QueuePurgeAsync(queue));
    }

    [Fact]
    public async Task It_cannot_send_to_another_stage_or_take_its_queue_away()
    {
        await RefusedAsync(async channel =>
        {
            await channel.BasicPublishAsync("stage.other.1", "", mandatory: true, "{}"u8.ToArray());
            await channel.QueueDeclarePassiveAsync("stage.other.1");
        });
        await RefusedAsync(async channel =>
        {
            await channel.BasicPublishAsync("", "stage.other.1", mandatory: true, "{}"u8.ToArray());
            await channel.QueueDeclarePassiveAsync("stage.other.1");
        });
        await RefusedAsync(channel => channel.QueueDeleteAsync("stage.other.1"));
        await RefusedAsync(channel => channel.QueueDeleteAsync(Queues.Dead));
        await RefusedAsync(channel => channel.QueueBindAsync("stage.toy.1", "stage.other.1", ""));
    }

    [Fact]
    public async Task A_worker_of_another_stage_ends_with_one_line_that_names_the_right()
    {
        await using var client = new BrokerClient(BrokerAddress.Parse(Address));
        var error = await Assert.ThrowsAsync<LatheException>(() => client.DeclareStageAsync("other", "1", default));
        Assert.StartsWith($"user '{User}' lacks a right at ", error.Message, StringComparison.Ordinal);
        Assert.Contains("'stage.other.1'", error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("for-tests-only", error.ToString(), StringComparison.Ordinal);
    }

    private string Address => broker.Address.Replace("guest:guest", $"{User}:for-tests-only", StringComparison.Ordinal);

    private async Task RefusedAsync(Func<IChannel, Task> action)
    {
        await using var connection = await new ConnectionFactory { Uri = new Uri(Address), AutomaticRecoveryEnabled = false }.CreateConnectionAsync();
        await using var channel = await connection.CreateChannelAsync();
        var refused = await Assert.ThrowsAnyAsync<Exception>(() => action(channel));
        Assert.Equal(Constants.AccessRefused, (refused as OperationInterruptedException)?.ShutdownReason?.ReplyCode ?? (refused as AlreadyClosedException)?.ShutdownReason?.ReplyCode ?? 0);
    }

    private sealed class AsyncEventingBasicConsumerOfNothing(IChannel channel) : AsyncDefaultBasicConsumer(channel);
}
