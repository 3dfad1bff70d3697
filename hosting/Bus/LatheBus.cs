using System.Text.Json;
using System.Text.Json.Serialization;
using Lathe.Contracts.Messages;
using MassTransit;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;

namespace Lathe.Hosting;

/// <summary>Puts one bus into a process: RabbitMQ where the settings name a broker, in memory otherwise.</summary>
internal static class LatheBus
{
    /// <summary>
    /// How long work that runs at SIGTERM has to reach the end of a batch and to save its state. Shorter than <see cref="HostStop"/>, so that the message is back in its queue
    /// before the process ends.
    /// </summary>
    public static readonly TimeSpan StageStop = TimeSpan.FromSeconds(90);

    /// <summary>How long the process has for its end. An orchestrator that kills after a time has to wait longer: <c>terminationGracePeriodSeconds</c> of the manifests is 120.</summary>
    public static readonly TimeSpan HostStop = TimeSpan.FromSeconds(105);

    /// <summary>Adds the bus with the stages and the coordinator that this process hosts, and <see cref="StageSender"/>.</summary>
    /// <param name="services">Services of a generic host. Its start fails with a LatheException where the broker does not answer.</param>
    /// <param name="settings">The process's settings.</param>
    /// <param name="configure">Adds stages and report consumers; called once.</param>
    public static IServiceCollection AddLatheBus(this IServiceCollection services, HostingSettings settings, Action<LatheBusBuilder> configure)
    {
        var parts = new LatheBusBuilder();
        configure(parts);
        services.AddSingleton(settings);
        services.TryAddSingleton(TimeProvider.System);
        services.AddSingleton(parts);
        services.AddSingleton<StageSender>();
        services.AddSingleton<ReportSender>();
        services.AddSingleton<WorkerShutdown>();
        services.AddSingleton<WorkerActivity>();
        services.AddSingleton<WorkerFitness>();
        services.AddSingleton<KeyLocks>();
        services.AddSingleton(_ => new CheckpointStore(settings));
        services.AddSingleton(_ => new ResultStore(settings));
        services.AddSingleton(_ => new ExecutionLogs(settings));
        services.AddSingleton(_ => new ExportStore(settings));
        services.AddSingleton(_ => new Secrets(settings));
        services.AddSingleton<ExportDesk>();
        services.AddSingleton(_ => new TrainingStateStore(settings));
        services.AddSingleton(_ => new SharedValues(settings));
        services.AddSingleton(_ => new ComputeSlots(settings));
        services.AddSingleton<OngoingExecutions>();
        services.AddHostedService(provider => provider.GetRequiredService<OngoingExecutions>());
        services.AddSingleton<LastWords>();
        services.AddHostedService(provider => provider.GetRequiredService<LastWords>());
        services.AddSingleton<StageExecutor>();
        services.AddSingleton<Announcer>();
        if (BucketAddress.IsOne(settings.Store)) services.AddHostedService<StorePreparation>();
        if (settings.Broker is { } broker)
        {
            services.AddSingleton(_ => new BrokerClient(broker));
            services.AddHostedService<BrokerPreparation>();
        }

        services.Configure<HostOptions>(options => options.ShutdownTimeout = HostStop);
        services.AddOptions<MassTransitHostOptions>().Configure(options =>
        {
            options.WaitUntilStarted = true;
            options.StartTimeout = TimeSpan.FromSeconds(30);
            options.StopTimeout = StageStop;
        });
        services.AddMassTransit(bus =>
        {
            bus.DisableUsageTelemetry();
            parts.Register(bus);
            bus.AddReceiveEndpointObserver<ConnectionLog>();
            services.AddReceiveEndpointObserver(provider => provider.GetRequiredService<WorkerFitness>());
            if (settings.Broker is null) bus.UsingInMemory((context, transport) => Configure(context, transport, parts, settings.SlotsFor(threads: 1)));
            else bus.UsingRabbitMq((context, transport) => Configure(context, transport, parts, settings.Broker));
        });
        services.AddHostedService<AnnounceAtStart>();
        return services;
    }

    private static void Configure(IBusRegistrationContext context, IInMemoryBusFactoryConfigurator transport, LatheBusBuilder parts, int executions)
    {
        transport.ConfigureJsonSerializerOptions(Json);
        transport.AddSerializer(CloudEventSerializer.Instance);
        transport.AddDeserializer(CloudEventSerializer.Instance);
        // Without a broker there are no other workers to share the work with: this process takes as many executions as can find a slot.
        parts.Configure(context, executions, (queue, _, configure) => transport.ReceiveEndpoint(queue, configure));
    }

    private static void Configure(
        IBusRegistrationContext context, IRabbitMqBusFactoryConfigurator transport, LatheBusBuilder parts, BrokerAddress broker)
    {
        transport.ConfigureJsonSerializerOptions(Json);
        transport.AddSerializer(CloudEventSerializer.Instance);
        transport.AddDeserializer(CloudEventSerializer.Instance);
        transport.Host(broker.Host, (ushort)broker.Port, broker.VirtualHost, host =>
        {
            host.Username(broker.User);
            host.Password(broker.Password);
            if (broker.Tls) host.UseSsl(tls => tls.ServerName = broker.Host);
        });
        // The queue of answers. From 4.3 on a broker refuses queues that are neither durable nor exclusive.
        transport.Exclusive = true;
        parts.Configure(context, 1, (queue, kind, configure) => transport.ReceiveEndpoint(queue, endpoint =>
        {
            switch (kind)
            {
                case QueueKind.Lasting:
                    foreach (var (name, value) in queue == Queues.Coordinator ? QueueArguments.Coordinator : QueueArguments.Stage) endpoint.SetQueueArgument(name, value);
                    break;
                case QueueKind.Served:
                    endpoint.AutoDelete = true;
                    break;
                case QueueKind.Temporary:
                    endpoint.Durable = false;
                    endpoint.AutoDelete = true;
                    endpoint.Exclusive = true;
                    break;
            }

            configure(endpoint);
        }));
    }

    private static JsonSerializerOptions Json(JsonSerializerOptions options)
    {
        options.Converters.Add(new JsonStringEnumConverter(JsonNamingPolicy.CamelCase));
        return options;
    }
}

/// <summary>How long a queue lives.</summary>
internal enum QueueKind
{
    /// <summary>A quorum queue: it and its messages outlive every process and a broker's restart.</summary>
    Lasting,

    /// <summary>Gone with the last process that reads it, so that whoever sends to it learns at once that nobody is there.</summary>
    Served,

    /// <summary>Gone with the process that reads it.</summary>
    Temporary,
}

/// <summary>Addresses on the bus.</summary>
internal static class BusAddress
{
    /// <summary>The cluster's coordinator keeps its queue; a coordinator of another name lives as long as its process.</summary>
    public static QueueKind KindOfReports(string queue) => queue == Queues.Coordinator ? QueueKind.Lasting : QueueKind.Temporary;

    public static Uri Reports(string queue, bool inMemory) =>
        inMemory ? new Uri($"queue:{queue}")
        : KindOfReports(queue) == QueueKind.Lasting ? new Uri($"exchange:{queue}")
        : new Uri($"exchange:{queue}?temporary=true");

    /// <summary>With a broker the queue is made beforehand: an address of kind queue would declare it again, with other arguments.</summary>
    /// <param name="queue">Name of a stage's queue.</param>
    /// <param name="inMemory">True: there is no broker.</param>
    public static Uri Stage(string queue, bool inMemory) => new($"{(inMemory ? "queue" : "exchange")}:{queue}");

    /// <summary>As for <see cref="Check"/>.</summary>
    public static Uri Export(string format) => new($"exchange:{Queues.Export(format)}?autodelete=true");

    /// <summary>With the arguments that the exchange of a <see cref="QueueKind.Served"/> queue has.</summary>
    public static Uri Check(string stage, string version) => new($"exchange:{Queues.Check(stage, version)}?autodelete=true");
}
