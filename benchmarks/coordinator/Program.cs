using Lathe.Benchmarks.Coordinator;
using Lathe.Contracts;
using Lathe.Coordinator;
using Lathe.Hosting;
using Microsoft.Extensions.Hosting;

try
{
    switch (args)
    {
        case ["load", .. var sizes]:
            await LoadCommand.RunAsync([.. sizes.Select(int.Parse)]);
            return 0;
        case ["worker", var broker, var prefetch]:
            await StubWorker.RunAsync(broker, int.Parse(prefetch));
            return 0;
        case ["coordinator", var broker, var home, var http]:
            return await ServeAsync(broker, home, http);
        default:
            Console.Error.WriteLine("load [EXECUTIONS ...]: a coordinator on a RabbitMQ and a PostgreSQL of its own, with stages that take no time");
            return 2;
    }
}
catch (LatheException e)
{
    Console.Error.WriteLine(e.Message);
    return 2;
}

static async Task<int> ServeAsync(string broker, string home, string http)
{
    var settings = HostingSettings.In(home) with { Broker = BrokerAddress.Parse(broker) };
    await using var app = CoordinatorHost.Build(settings, DatabaseAddress.Load(settings), http);
    await app.StartAsync();
    Console.WriteLine("ready");
    await app.WaitForShutdownAsync();
    return 0;
}
