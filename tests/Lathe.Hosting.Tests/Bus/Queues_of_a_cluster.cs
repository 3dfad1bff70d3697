using Lathe.Contracts;
using Lathe.Contracts.Messages;
using Lathe.Testing;
using RabbitMQ.Client;

namespace Lathe.Hosting.Tests;

[Collection(BrokerTests.Name)]
public sealed class QueuesOfACluster(RabbitMqBroker broker)
{
    [Fact]
    public async Task Every_queue_outlives_the_broker_or_belongs_to_one_process_and_everything_is_answered()
    {
        await using var workshop = await new Workshop(broker.Address).StartAsync();
        await workshop.WorkerAsync();
        var parameters = System.Text.Json.JsonSerializer.SerializeToElement(new ToyCounting(), LatheJson.Options);
        var answer = await workshop.Sender.CheckAsync(new CheckStage("toy", "1", [], [new StageQuestion(parameters, null, "mnist")]), TimeSpan.FromSeconds(20));
        Assert.Empty(Assert.Single(answer.Forecasts).Problems);
        await workshop.Sender.AskForStagesAsync(workshop.Queue);
        await workshop.Inbox.Next<StageAnnounced>(announced => announced.Manifest.Name == "toy");

        // A broker under load leaves out of its list what does not answer it at once.
        List<string[]> queues = [];
        await Eventually.TrueAsync(
            async () =>
            {
                queues = [.. (await broker.ControlAsync("list_queues", "name", "durable", "exclusive")).Select(line => line.Split('\t')).Where(queue => queue[0] != "name")];
                return queues.Count(queue => queue[2] == "true") >= 3;
            },
            "three exclusive queues: of the reports, of the worker, of the answers");
        Assert.All(queues, queue => Assert.True(queue[1] == "true" || queue[2] == "true", $"{queue[0]} is neither durable nor exclusive"));
        Assert.Contains(queues, queue => queue[0] == workshop.Queue && queue[2] == "true");
    }

    [Fact]
    public async Task A_broker_of_whatever_version_takes_the_consumer_timeout_and_keeps_it()
    {
        await using var client = new BrokerClient(BrokerAddress.Parse(broker.Address));
        Assert.InRange((await client.VersionAsync(default))!, new Version(3, 10), new Version(99, 0));
        await client.DeclareStageAsync("toy", "1", default);
        await client.DeclareStageAsync("toy", "1", default);
        var arguments = (await broker.ControlAsync("list_queues", "name", "arguments")).Single(line => line.StartsWith("stage.toy.1\t", StringComparison.Ordinal));
        Assert.Contains("{\"x-consumer-timeout\",2592000000}", arguments, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("3.10.8", "takes a message from a worker after consumer_timeout, 30 minutes by default")]
    [InlineData("3.11.28", "put consumer_timeout = 2592000000 into rabbitmq.conf")]
    [InlineData("3.12.0", "an execution may take 30 days (x-consumer-timeout of its queue)")]
    [InlineData("4.3.5", "an execution may take 30 days (x-consumer-timeout of its queue)")]
    [InlineData(null, "RabbitMQ of unknown version takes")]
    public void The_doctor_says_how_long_an_execution_may_take(string? version, string expected)
    {
        var check = Doctor.ConsumerTimeout(version is null ? null : Version.Parse(version), null);
        Assert.True(check.Ok);
        Assert.Contains(expected, check.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{"x-consumer-timeout": 2592000000}""", "[]", "", true, "so say arguments and policies of 1 queues")]
    [InlineData("""{"x-consumer-timeout": 2592000000}""", """{"consumer-timeout": 3600000}""", "short", false, "stage.toy.1: argument 30 days, policy short 60 minutes")]
    [InlineData("{}", """{"consumer-timeout": 2592000000}""", "long", true, "an execution may take 30 days")]
    [InlineData("{}", "{}", "", false, "stage.toy.1: argument none, policy none")]
    public void The_doctor_reads_argument_and_policy_of_each_queue(string arguments, string policy, string name, bool isRight, string expected)
    {
        var queues = BrokerManagement.Read(System.Text.Json.JsonSerializer.Deserialize<System.Text.Json.JsonElement>(
            $$$"""
            [{"name": "lathe.coordinator", "arguments": {}}, {"name": "stage.toy.1.check", "arguments": {}},
             {"name": "stage.toy.1", "arguments": {{{arguments}}}, "effective_policy_definition": {{{policy}}}, "policy": "{{{name}}}"}]
            """));
        var check = Doctor.ConsumerTimeout(new Version(3, 13), queues);
        Assert.Equal(isRight, check.Ok);
        Assert.Contains(expected, check.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_real_management_interface_is_read_and_a_wrong_password_is_named_and_not_shown()
    {
        await using var managed = new RabbitMqBroker { ManagementPort = PrivateServer.FreePort() };
        await managed.InitializeAsync();
        await using var client = new BrokerClient(BrokerAddress.Parse(managed.Address));
        await client.DeclareStageAsync("toy", "1", default);
        IReadOnlyList<QueueTimeout> queues = [];
        // The interface starts after the broker, and counts queues at intervals.
        await Eventually.TrueAsync(
            async () =>
            {
                try
                {
                    queues = await BrokerManagement.TimeoutsAsync($"http://guest:guest@127.0.0.1:{managed.ManagementPort}/", "/");
                }
                catch (LatheException)
                {
                    // Not yet.
                }

                return queues.Count == 1;
            },
            "the queue is listed");
        Assert.Equal((TimeSpan.FromDays(30), null), (queues[0].Argument, queues[0].Policy));
        var refused = await Assert.ThrowsAsync<LatheException>(() => BrokerManagement.TimeoutsAsync($"http://guest:Secret6@127.0.0.1:{managed.ManagementPort}/", "/"));
        Assert.Contains("answers 401", refused.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("Secret6", refused.ToString(), StringComparison.Ordinal);

        // Whether this broker heeds such a policy: those before 3.12 refuse it.
        var isHeeded = true;
        try
        {
            await managed.ControlAsync("set_policy", "short", "^stage", """{"consumer-timeout": 3600000}""", "--apply-to", "queues");
        }
        catch (InvalidOperationException)
        {
            isHeeded = false;
        }

        Assert.Equal(await client.VersionAsync(default) >= QueueArguments.FirstWithConsumerTimeout, isHeeded);
    }

    [Fact]
    public async Task The_doctor_counts_dead_letters()
    {
        await using var client = new BrokerClient(BrokerAddress.Parse(broker.Address));
        await client.DeclareCoordinatorAsync(default);
        var id = await client.BuryAsync("stage.toy.1", "for the doctor", new BasicProperties(), [1], default);
        var settings = HostingSettings.In(Path.GetTempPath()) with { Broker = BrokerAddress.Parse(broker.Address) };
        // Quorum queues count with a delay.
        await Eventually.True(() => Checks().Any(check => check is { Name: "dead letters", Ok: false } && check.Message.EndsWith("see lathe dead-letters list", StringComparison.Ordinal)), "they are counted");
        await new DeadLetters(client).DropAsync([id]);

        IReadOnlyList<DoctorCheck> Checks() => Doctor.BrokersAsync(settings).GetAwaiter().GetResult();
    }
}
