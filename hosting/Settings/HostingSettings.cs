using System.CommandLine;
using Lathe.Contracts;

namespace Lathe.Hosting;

/// <summary>
/// What a Lathe process is told from outside: where things lie, which bus, how much of the machine it may use.
/// Every setting has an environment variable and a command-line option; the option wins.
/// </summary>
public sealed record HostingSettings
{
    /// <summary>Environment variable of <see cref="Home"/>.</summary>
    public const string HomeVariable = "LATHE_HOME";

    /// <summary>Environment variable of <see cref="Broker"/>.</summary>
    public const string BrokerVariable = "LATHE_BROKER";

    /// <summary>Environment variable of <see cref="Store"/>.</summary>
    public const string StoreVariable = "LATHE_STORE";

    /// <summary>Environment variable of <see cref="Data"/>.</summary>
    public const string DataVariable = "LATHE_DATA";

    /// <summary>Environment variable of <see cref="Threads"/>.</summary>
    public const string ThreadsVariable = "LATHE_THREADS";

    /// <summary>Environment variable of <see cref="Device"/>.</summary>
    public const string DeviceVariable = "LATHE_DEVICE";

    /// <summary>Environment variable of <see cref="Pool"/>.</summary>
    public const string PoolVariable = "LATHE_POOL";

    /// <summary>Environment variable of <see cref="ComputeSlots"/>.</summary>
    public const string ComputeSlotsVariable = "LATHE_COMPUTE_SLOTS";

    /// <summary>Environment variable of <see cref="Drain"/>.</summary>
    public const string DrainVariable = "LATHE_DRAIN";

    /// <summary>Environment variable that says whether oneDNN may convolve: <c>auto</c> or <c>off</c>.</summary>
    public const string OneDnnVariable = "LATHE_ONEDNN";

    /// <summary>Environment variable of <see cref="HealthPort"/>.</summary>
    public const string HealthPortVariable = "LATHE_HEALTH_PORT";

    /// <summary>Environment variable of <see cref="CacheBytes"/>.</summary>
    public const string CacheVariable = "LATHE_CACHE_BYTES";

    /// <summary>Bytes of <see cref="CacheBytes"/> where nobody says.</summary>
    public const long UsualCacheBytes = 20L << 30;

    private readonly int? _threads;

    /// <summary>Folder of everything that lasts, absolute. <c>LATHE_HOME</c>, <c>--home</c>; default <c>.lathe</c> in the current folder.</summary>
    public required string Home { get; init; }

    /// <summary>RabbitMQ as amqp:// or amqps://, or null for the in-memory bus. <c>LATHE_BROKER</c>, <c>--broker</c>.</summary>
    public BrokerAddress? Broker { get; init; }

    /// <summary>
    /// Folder of checkpoints, results and training states, absolute, or a bucket as <see cref="BucketAddress"/> writes it; coordinator and
    /// workers of a cluster share one. <c>LATHE_STORE</c>, <c>--store</c>; default <c>checkpoints</c> in <see cref="Home"/>.
    /// </summary>
    public required string Store { get; init; }

    /// <summary>
    /// Folder of the data set, or of one folder for each data set, absolute, or the same in a bucket; null: none. What is not there is looked for
    /// in the usual places: <c>data</c> in <see cref="Home"/>, and /usr/share/datasets.
    /// <c>LATHE_DATA</c>, <c>--data</c>.
    /// </summary>
    public string? Data { get; init; }

    /// <summary>Bytes that local copies of a bucket may take, below <c>cache/store</c> in <see cref="Home"/>. <c>LATHE_CACHE_BYTES</c>, for example <c>50GiB</c>; default 20 GiB.</summary>
    public long CacheBytes { get; init; } = UsualCacheBytes;

    /// <summary>Server and credentials of buckets. <c>AWS_ENDPOINT_URL_S3</c>, <c>AWS_REGION</c>, <c>AWS_ACCESS_KEY_ID</c> and so on.</summary>
    public BucketAccess Buckets { get; init; } = BucketAccess.OfProcess;

    /// <summary>
    /// Threads of one computation, at least 1, where its sweep does not say. <c>LATHE_THREADS</c>, <c>--threads</c>; default: the CPUs this
    /// process may use.
    /// </summary>
    public int Threads
    {
        get => _threads ?? Cpus;
        init => _threads = value;
    }

    /// <summary>CPUs that this process may use, at least 1.</summary>
    public int Cpus { get; init; } = CpuBudget.OfProcess;

    /// <summary>What this process computes on. <c>LATHE_DEVICE</c>, <c>--device</c>; default: a GPU where libtorch can use one, else the CPU.</summary>
    public ComputeDevice Device { get; init; }

    /// <summary>
    /// Computations at a time on this machine, over all processes, at least 1; null: as many as find CPUs for their threads.
    /// <c>LATHE_COMPUTE_SLOTS</c>, <c>--compute-slots</c>.
    /// </summary>
    public int? ComputeSlots { get; init; }

    /// <summary>Pool that a worker takes its work from (<see cref="WorkerPool"/>); null: work that names no pool. <c>LATHE_POOL</c>, <c>--pool</c>.</summary>
    public string? Pool { get; init; }

    /// <summary>A worker exits when its queue has been idle for so long; null: never. Seconds in <c>LATHE_DRAIN</c>, <c>--drain</c>.</summary>
    public TimeSpan? Drain { get; init; }

    /// <summary>Port of /health/live and /health/ready, or null for none; 0 takes a free one. <c>LATHE_HEALTH_PORT</c>, <c>--health-port</c>.</summary>
    public int? HealthPort { get; init; }

    /// <summary>True: announce the stage to the coordinator and exit. <c>--announce</c>.</summary>
    public bool AnnounceOnly { get; init; }

    /// <summary>Folder of the locks behind <see cref="ComputeSlots"/>: one for each user of the machine, who could not open another's.</summary>
    public string SlotFolder { get; init; } = Path.Combine(Path.GetTempPath(), $"lathe-compute-slots-{Environment.UserName}");

    /// <summary>Computations of so many threads that this machine takes at a time, at least 1.</summary>
    public int SlotsFor(int threads) => ComputeSlots ?? Math.Max(1, Cpus / threads);

    /// <summary>Settings that live in one folder, everything else at its default: the start for tests and tools.</summary>
    public static HostingSettings In(string home) =>
        new() { Home = Path.GetFullPath(home), Store = Path.Combine(Path.GetFullPath(home), "checkpoints") };

    /// <summary>Reads a command line that holds these options alone, and the environment.</summary>
    /// <param name="args">Options as <c>--name value</c> or <c>--name=value</c>.</param>
    /// <param name="environment">Looks up an environment variable; by default this process's.</param>
    /// <param name="cpus">CPUs that this process may use; by default <see cref="CpuBudget.OfProcess"/>.</param>
    /// <exception cref="LatheException">An option is unknown or a value is not usable; the message names it.</exception>
    public static HostingSettings Load(IReadOnlyList<string> args, Func<string, string?>? environment = null, int? cpus = null) =>
        Load(SettingsOptions.Parse(args), environment, cpus);

    /// <summary>The same for a command line that has been parsed, with any of <see cref="SettingsOptions"/>.</summary>
    internal static HostingSettings Load(ParseResult call, Func<string, string?>? environment = null, int? cpus = null)
    {
        environment ??= Environment.GetEnvironmentVariable;
        T Of<T>(Setting<T> setting, T absent) => setting.Of(call, environment, absent);
        CheckOneDnn(environment(OneDnnVariable));
        var home = Of(SettingsOptions.Home, null) ?? Path.GetFullPath(".lathe");
        return new HostingSettings
        {
            Home = home,
            Broker = Of(SettingsOptions.Broker, null),
            Store = Of(SettingsOptions.Store, null) ?? Path.Combine(home, "checkpoints"),
            Data = Of(SettingsOptions.Data, null),
            Cpus = cpus ?? CpuBudget.OfProcess,
            Threads = Of(SettingsOptions.Threads, null) ?? cpus ?? CpuBudget.OfProcess,
            Device = Of(SettingsOptions.Device, default),
            ComputeSlots = Of(SettingsOptions.ComputeSlots, null),
            // Without a broker one process computes everything, and a pool has no meaning.
            Pool = Of(SettingsOptions.Broker, null) is null ? null : Of(SettingsOptions.Pool, null),
            Drain = Of(SettingsOptions.Drain, null),
            CacheBytes = environment(CacheVariable) is { } cache && !string.IsNullOrWhiteSpace(cache) ? ByteSize.Parse(cache, CacheVariable) : UsualCacheBytes,
            HealthPort = Of(SettingsOptions.HealthPort, null),
            AnnounceOnly = call.GetValue(SettingsOptions.Announce),
        };
    }

    /// <summary>Refuses a wrong value at the start of a process, as for any other setting. The code that computes reads the variable itself.</summary>
    private static void CheckOneDnn(string? value)
    {
        if (!string.IsNullOrWhiteSpace(value) && value.Trim().ToLowerInvariant() is not ("auto" or "off"))
            throw new LatheException($"{OneDnnVariable} is '{value}'; expected auto or off");
    }
}
