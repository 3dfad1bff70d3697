using Lathe.Contracts;
using Lathe.Contracts.Messages;

namespace Lathe.Hosting;

/// <summary>One thing looked at.</summary>
/// <param name="Name">What.</param>
/// <param name="Ok">Whether it is as it should be.</param>
/// <param name="Message">What was found, and what to do where it is not as it should be.</param>
internal sealed record DoctorCheck(string Name, bool Ok, string Message);

/// <summary>Looks at everything around Lathe that can be wrong on a machine.</summary>
internal static class Doctor
{
    private const long LowBytes = 1L << 30;
    private const string Timeout = "broker's timeout";

    /// <summary>Checks folders, disk, processors and, where one is set, the broker.</summary>
    public static async Task<IReadOnlyList<DoctorCheck>> CheckAsync(HostingSettings settings, CancellationToken stop = default) =>
    [
        Writable("home", settings.Home, HostingSettings.HomeVariable),
        Store(settings),
        // What goes to a bucket or comes from it passes through the home.
        Disk(BucketAddress.IsOne(settings.Store) ? settings.Home : settings.Store),
        .. DataPlaces.IsBucket(settings) ? (DoctorCheck[])[Data(settings)] : [],
        Processors(settings),
        .. await BrokersAsync(settings, stop),
    ];

    /// <summary>Whether a file can be written to a folder.</summary>
    public static DoctorCheck Writable(string name, string folder, string variable)
    {
        try
        {
            Directory.CreateDirectory(folder);
            var probe = Path.Combine(folder, $".probe-{Guid.NewGuid():N}");
            File.WriteAllBytes(probe, [1]);
            File.Delete(probe);
            return new DoctorCheck(name, true, $"{folder} can be written");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return new DoctorCheck(name, false, $"{folder} cannot be written ({e.Message}); choose another folder with {variable}");
        }
    }

    /// <summary>Whether the store can be reached, written, read and deleted from.</summary>
    public static DoctorCheck Store(HostingSettings settings)
    {
        if (!BucketAddress.IsOne(settings.Store)) return Writable("store", settings.Store, HostingSettings.StoreVariable);
        try
        {
            var blobs = Blobs.Of(settings);
            var probe = $".probe-{Guid.NewGuid():N}";
            blobs.Write(stream =>
            {
                stream.WriteByte(1);
                return probe;
            });
            using (var read = blobs.Open(probe))
            {
                if (read?.ReadByte() != 1) return new DoctorCheck("store", false, $"{settings.Store} at {settings.Buckets} does not give back what was written to it");
            }

            blobs.Delete(probe);
            return new DoctorCheck("store", true, $"{settings.Store} at {settings.Buckets} can be written");
        }
        catch (LatheException e)
        {
            return new DoctorCheck("store", false, e.Message);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return new DoctorCheck("store", false, $"{settings.Home} cannot be written ({e.Message}); choose another folder with {HostingSettings.HomeVariable}");
        }
    }

    /// <summary>Whether the bucket of the data sets answers and may be listed.</summary>
    public static DoctorCheck Data(HostingSettings settings)
    {
        try
        {
            BucketDataSets.Bucket(settings).Check();
            return new DoctorCheck("data", true, $"{settings.Data} at {settings.Buckets} can be listed");
        }
        catch (LatheException e)
        {
            return new DoctorCheck("data", false, e.Message);
        }
    }

    /// <summary>Whether there is room for checkpoints.</summary>
    public static DoctorCheck Disk(string folder)
    {
        try
        {
            var free = new DriveInfo(folder).AvailableFreeSpace;
            var text = $"{free / (double)LowBytes:0.0} GiB free at {folder}";
            return free >= LowBytes ? new("disk", true, text) : new("disk", false, $"{text}; checkpoints and states need at least 1 GiB");
        }
        catch (Exception e) when (e is IOException or ArgumentException or UnauthorizedAccessException)
        {
            return new DoctorCheck("disk", false, $"the free space at {folder} is unknown: {e.Message}");
        }
    }

    /// <summary>Whether the threads asked for have processors to run on.</summary>
    public static DoctorCheck Processors(HostingSettings settings)
    {
        var slots = settings.SlotsFor(settings.Threads);
        var busy = settings.Threads * slots;
        var text = $"{Counted(settings.Cpus, "CPU")}, {Counted(settings.Threads, "thread")} for {(slots == 1 ? "one computation" : $"each of {slots} computations")} at a time where a sweep does not say";
        return busy <= settings.Cpus
            ? new DoctorCheck("processors", true, text)
            : new DoctorCheck(
                "processors",
                false,
                $"{text}: more threads than CPUs make each step several times slower; lower {HostingSettings.ThreadsVariable} or {HostingSettings.ComputeSlotsVariable}");
    }

    private static string Counted(int count, string what) => $"{count} {what}{(count == 1 ? "" : "s")}";

    /// <summary>Whether the broker answers and lets this user in, how long a worker may compute, and whether dead letters wait for somebody.</summary>
    public static async Task<IReadOnlyList<DoctorCheck>> BrokersAsync(HostingSettings settings, CancellationToken stop = default)
    {
        if (settings.Broker is null) return [new DoctorCheck("broker", true, "none set: everything runs in one process")];
        await using var broker = new BrokerClient(settings.Broker);
        try
        {
            var version = await broker.VersionAsync(stop);
            return
            [
                new DoctorCheck("broker", true, $"{settings.Broker} answers{(version is null ? "" : $": RabbitMQ {version}")}"),
                await ConsumerTimeoutAsync(version, settings.Broker, stop),
                Dead(await broker.ReadyMessagesAsync(Queues.Dead, stop) ?? 0),
            ];
        }
        catch (LatheException e)
        {
            return [new DoctorCheck("broker", false, e.Message)];
        }
    }

    private static async Task<DoctorCheck> ConsumerTimeoutAsync(Version? version, BrokerAddress broker, CancellationToken stop)
    {
        if (Environment.GetEnvironmentVariable(BrokerManagement.Variable) is not { } management || string.IsNullOrWhiteSpace(management)) return ConsumerTimeout(version, null);
        try
        {
            return ConsumerTimeout(version, await BrokerManagement.TimeoutsAsync(management, broker.VirtualHost, stop));
        }
        catch (LatheException e)
        {
            return new DoctorCheck(Timeout, false, e.Message);
        }
    }

    /// <summary>How long a worker may hold a message before the broker gives it to another.</summary>
    /// <param name="version">Of RabbitMQ; null: unknown.</param>
    /// <param name="queues">What arguments and policies say of the stages' queues; null: nobody could look.</param>
    public static DoctorCheck ConsumerTimeout(Version? version, IReadOnlyList<QueueTimeout>? queues)
    {
        if (!(version >= QueueArguments.FirstWithConsumerTimeout))
        {
            return new DoctorCheck(
                Timeout,
                true,
                $"RabbitMQ {version?.ToString() ?? "of unknown version"} takes a message from a worker after consumer_timeout, 30 minutes by default, and cannot say what it is set to. Lathe computes on and "
                + $"joins the message when it comes again, up to 100 times. For executions of more than a day put consumer_timeout = {QueueArguments.ConsumerTimeout.TotalMilliseconds:0} into rabbitmq.conf, "
                + $"or use RabbitMQ {QueueArguments.FirstWithConsumerTimeout} or newer, which heeds arguments and policies of queues");
        }

        if (queues is null)
        {
            return new DoctorCheck(
                Timeout,
                true,
                $"an execution may take {QueueArguments.ConsumerTimeout.TotalDays:0} days (x-consumer-timeout of its queue), unless a policy of the broker says less in consumer-timeout; "
                + $"{BrokerManagement.Variable}=http://user:password@host:15672/ lets the doctor read policies");
        }

        var wrong = queues.Where(q => !(q.Least >= QueueArguments.ConsumerTimeout)).ToList();
        return wrong.Count == 0
            ? new DoctorCheck(Timeout, true, $"an execution may take {QueueArguments.ConsumerTimeout.TotalDays:0} days: so say arguments and policies of {queues.Count} queues of stages")
            : new DoctorCheck(
                Timeout,
                false,
                $"the broker takes a message from a worker too early ({string.Join("; ", wrong.Take(4))}{(wrong.Count > 4 ? "; ..." : "")}). Lathe computes on and joins the message when it comes again, up to 100 times. "
                + $"Take consumer-timeout out of the policy, or set it to {QueueArguments.ConsumerTimeout.TotalMilliseconds:0}");
    }

    private static DoctorCheck Dead(long count) => new(
        "dead letters", count == 0, count == 0 ? "none" : $"{count} message{(count == 1 ? "" : "s")} that nobody could read; see lathe dead-letters list");
}
