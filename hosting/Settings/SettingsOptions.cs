using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using Lathe.Contracts;

namespace Lathe.Hosting;

/// <summary>Every setting as an option, with its variable, its help and its range.</summary>
internal static class SettingsOptions
{
    public static readonly Setting<string?> Home = new(
        "--home", HostingSettings.HomeVariable, "FOLDER",
        "Folder of everything that lasts: database, checkpoints, caches, training states, logs. [LATHE_HOME; default .lathe]", Folder);

    public static readonly Setting<string?> Store = new(
        "--store", HostingSettings.StoreVariable, "PLACE",
        "Folder or bucket (s3://BUCKET/PREFIX) of checkpoints, results and training states. [LATHE_STORE; default in the home]", FolderOrBucket);

    public static readonly Setting<string?> Data = new(
        "--data", HostingSettings.DataVariable, "PLACE",
        "Folder of the data set, or of one folder for each, or the same in a bucket (s3://BUCKET/PREFIX). What is not there is looked for in HOME/data and /usr/share/datasets. [LATHE_DATA]",
        FolderOrBucket);

    public static readonly Setting<ComputeDevice> Device = new(
        "--device", HostingSettings.DeviceVariable, "DEVICE",
        "What to compute on: auto, cpu, cuda or cuda:N. [LATHE_DEVICE; default auto: a GPU where libtorch can use one]",
        (text, source) => ComputeDevice.TryParse(text) ?? throw Refused(text, source, ComputeDevice.Expected));

    public static readonly Setting<BrokerAddress?> Broker = new(
        "--broker", HostingSettings.BrokerVariable, "ADDRESS",
        "RabbitMQ, amqp://user:password@host:port/vhost. Without it everything runs in one process. [LATHE_BROKER]", BrokerAddress.Parse);

    public static readonly Setting<int?> Threads = new(
        "--threads", HostingSettings.ThreadsVariable, "NUMBER",
        "Threads of one computation whose sweep does not say. [LATHE_THREADS; default: the CPUs that the process may use]", Whole(1, 1024));

    public static readonly Setting<int?> ComputeSlots = new(
        "--compute-slots", HostingSettings.ComputeSlotsVariable, "NUMBER",
        "Computations at a time on this machine. [LATHE_COMPUTE_SLOTS; default: as many as find CPUs for their threads]", Whole(1, 1024));

    public static readonly Setting<string?> Pool = new(
        "--pool", HostingSettings.PoolVariable, "NAME",
        "Take only work that a sweep gives to this pool of workers. [LATHE_POOL; default: work that names no pool]",
        (text, source) => WorkerPool.IsName(text) ? text : throw Refused(text, source, WorkerPool.Expected));

    public static readonly Setting<TimeSpan?> Drain = new(
        "--drain", HostingSettings.DrainVariable, "SECONDS",
        "Exit when the queue was empty for this long. [LATHE_DRAIN; default: never]", Seconds);

    public static readonly Setting<int?> HealthPort = new(
        "--health-port", HostingSettings.HealthPortVariable, "PORT",
        "Port of /health/live and /health/ready; 0: a free one. [LATHE_HEALTH_PORT; default: none]", Whole(0, 65535));

    public static readonly Option<bool> Announce = new("--announce") { Description = "Announce the stage to the coordinator and exit." };

    /// <summary>Options of every process.</summary>
    public static IReadOnlyList<Option> OfAll { get; } = [Home, Store, Data, Device, Broker];

    /// <summary>Options of workers beside these.</summary>
    public static IReadOnlyList<Option> OfWorkers { get; } = [Threads, ComputeSlots, Pool, Drain, HealthPort, Announce];

    /// <summary>Reads the command line of a process that has no other options.</summary>
    /// <exception cref="LatheException">Unknown option, a value missing, or one too many.</exception>
    internal static ParseResult Parse(IReadOnlyList<string> args)
    {
        var command = new Command("lathe");
        foreach (var option in OfAll.Concat(OfWorkers)) command.Options.Add(option);
        var call = command.Parse(args);
        if (call.UnmatchedTokens is [var unknown, ..])
        {
            List<string> known = [.. command.Options.Select(o => o.Name), "--help", "--version"];
            throw new LatheException($"unknown option '{unknown}'{Nearest.Hint(unknown, known)}; known are {string.Join(", ", known)}");
        }

        return call.Errors is [var error, ..] ? throw new LatheException(Words(error)) : call;
    }

    /// <summary>What is wrong with an option of a command line; the parser's own words where it is something else.</summary>
    public static string Words(ParseError error) => (error.SymbolResult as OptionResult ?? error.SymbolResult?.Parent as OptionResult) switch
    {
        { IdentifierTokenCount: > 0, Tokens: [] } option => $"{option.Option.Name} needs a value",
        { IdentifierTokenCount: > 1, Option.Arity.MaximumNumberOfValues: 1 } option => $"{option.Option.Name} is given twice",
        _ => error.Message,
    };

    private static string? FolderOrBucket(string text, string source) =>
        BucketAddress.IsOne(text) ? BucketAddress.Parse(text, source).ToString() : Folder(text, source);

    private static string? Folder(string text, string source)
    {
        var path = Path.GetFullPath(text);
        return File.Exists(path) ? throw new LatheException($"{source} is '{text}', which is a file; expected a folder") : path;
    }

    private static Func<string, string, int?> Whole(int least, int most) => (text, source) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number >= least && number <= most
            ? number
            : throw Refused(text, source, $"a whole number from {least} to {most}");

    private static TimeSpan? Seconds(string text, string source) =>
        double.TryParse(text, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var seconds) && seconds is > 0 and <= 86400
            ? TimeSpan.FromSeconds(seconds)
            : throw Refused(text, source, "a number of seconds above 0 and at most 86400");

    private static LatheException Refused(string text, string source, string expected) => new($"{source} is '{text}'; expected {expected}");
}
