using System.Net.Sockets;
using Lathe.Testing;

namespace Lathe.Hosting.Tests;

/// <summary>Tests that share one broker.</summary>
[CollectionDefinition(Name)]
public sealed class BrokerTests : ICollectionFixture<RabbitMqBroker>
{
    public const string Name = "broker";
}

[Collection(BrokerTests.Name)]
public sealed class PrivateServersTests(RabbitMqBroker broker)
{
    [Fact]
    public async Task A_private_broker_answers_on_its_own_port()
    {
        using var client = new TcpClient();
        await client.ConnectAsync("127.0.0.1", broker.Port);
        Assert.True(client.Connected);
    }

    [Fact]
    public async Task A_private_database_server_makes_databases_and_goes_away()
    {
        int port;
        await using (var server = new PostgreSqlServer())
        {
            await server.InitializeAsync();
            port = server.Port;
            Assert.NotEqual(await server.CreateDatabaseAsync(), await server.CreateDatabaseAsync());
        }

        using var client = new TcpClient();
        await Assert.ThrowsAsync<SocketException>(() => client.ConnectAsync("127.0.0.1", port));
    }
}
