using Lathe.Contracts.Messages;
using Lathe.Testing;
using MassTransit;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Lathe.Hosting.Tests;

[Collection(BrokerTests.Name)]
public sealed class TakingReports(RabbitMqBroker broker)
{
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_coordinator_gets_as_many_reports_at_a_time_as_it_asked_for(bool inMemory)
    {
        const int AtATime = 64;
        using var folder = new TemporaryFolder();
        var queue = $"lathe.test.{Guid.NewGuid():N}";
        var settings = HostingSettings.In(folder.Path) with { Broker = inMemory ? null : BrokerAddress.Parse(broker.Address) };
        var builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings());
        var crowd = new Crowd(AtATime);
        builder.Services.AddSingleton(crowd);
        builder.Services.AddLatheBus(settings, bus => bus.AddReports<Gathering>(queue, AtATime));
        using var host = builder.Build();
        await host.StartAsync();
        var sender = host.Services.GetRequiredService<ReportSender>();
        await Task.WhenAll(Enumerable.Range(0, 3 * AtATime).Select(attempt => sender.SendAsync(
            queue, new StageCancelled(Guid.NewGuid(), attempt, new string('a', 64), "toy", "worker"), null, default)));
        await Eventually.True(() => crowd.Done == 3 * AtATime, "every report is taken");
        Assert.Equal(AtATime, crowd.Most);
        await host.StopAsync();
    }

    /// <summary>Reports wait for each other until they are as many as asked for.</summary>
    public sealed class Crowd(int size)
    {
        private TaskCompletionSource _full = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private int _here;

        public int Most { get; private set; }

        public int Done { get; private set; }

        public Task EnterAsync()
        {
            lock (this)
            {
                Most = Math.Max(Most, ++_here);
                var full = _full;
                if (_here == size)
                {
                    (_here, Done) = (0, Done + size);
                    _full = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
                    full.SetResult();
                }

                return full.Task;
            }
        }
    }

    public sealed class Gathering(Crowd crowd) : IConsumer<StageCancelled>
    {
        public Task Consume(ConsumeContext<StageCancelled> context) => crowd.EnterAsync();
    }
}
