using Lathe.Benchmarks.Coordinator;
using Lathe.Contracts;
using Lathe.Coordinator;
using Lathe.Hosting;
using Microsoft.Extensions.Hosting;

var usual = new CoordinatorOptions();
try
{
    switch (args)
    {
        case ["load", .. var sizes]:
            await LoadCommand.RunAsync(
                [.. sizes.TakeWhile(s => !s.StartsWith('-')).Select(int.Parse)], (int)Option(sizes, "--backlog", usual.Backlog), (int)Option(sizes, "--reports", usual.ReportsAtATime));
            return 0;
        case ["worker", var broker, var prefetch]:
            await StubWorker.RunAsync(broker, int.Parse(prefetch), 0);
            return 0;
        case ["worker", var broker, var prefetch, var seconds]:
            await StubWorker.RunAsync(broker, int.Parse(prefetch), double.Parse(seconds, System.Globalization.CultureInfo.InvariantCulture));
            return 0;
        case ["fairness"]:
            await FairnessCommand.RunAsync();
            return 0;
        case ["rivals", var tasks, var fewer, var scripts]:
            await RivalsCommand.RunAsync(int.Parse(tasks), int.Parse(fewer), scripts);
            return 0;
        case ["latency", .. var options]:
            await LatencyCommand.RunAsync((int)Option(options, "--pairs", 200), (int)Option(options, "--warm-up", 200), options.Contains("--trace"));
            return 0;
        case ["cli", .. var options]:
            await CommandLineCommand.RunAsync((int)Option(options, "--executions", 10_000));
            return 0;
        case ["search", .. var files]:
            SearchCommand.Run(files);
            return 0;
        case ["search-kills", .. var options]:
            return await SearchKillsCommand.RunAsync((int)Option(options, "--kills", 10), (int)Option(options, "--trials", 24), (int)Option(options, "--seed", 1));
        case ["coordinator", var broker, var home, var http]:
            return await ServeAsync(broker, home, http, usual);
        case ["coordinator", var broker, var home, var http, "limits", var backlog, var reports]:
            return await ServeAsync(broker, home, http, usual with { Backlog = int.Parse(backlog), ReportsAtATime = int.Parse(reports) });
        case ["coordinator", var broker, var home, var http, "traced"]:
            return await ServeAsync(broker, home, http, usual, isTraced: true);
        case ["coordinator", var broker, var home, var http, "impatient"]:
            return await ServeAsync(broker, home, http, PartOfMeasurement.Impatient);
        case ["chaos-worker", var broker, var home, var journal]:
            await ChaosWorker.RunAsync(broker, home, journal);
            return 0;
        case ["chaos", .. var options]:
            return await ChaosCommand.RunAsync(Option(options, "--minutes", 10), (int)Option(options, "--executions", 5000), (int)Option(options, "--seed", 1));
        case ["soak", .. var options]:
            return await ChaosCommand.RunAsync(Option(options, "--minutes", 60), (int)Option(options, "--executions", 1000), (int)Option(options, "--seed", 1), isSoak: true);
        case ["scaling", .. var options]:
            await ScalingCommand.RunAsync(new ScalingOptions(
                (int)Option(options, "--executions", 1000), Option(options, "--seconds", 20), (int)Option(options, "--replicas", 24), TimeSpan.FromSeconds(Option(options, "--life", 300)),
                (int)Option(options, "--seed", 1), "scaling"));
            return 0;
        case ["faults", "bucket", .. var options]:
            return await FaultsCommand.BucketAsync((int)Option(options, "--executions", 400), (int)Option(options, "--seed", 1), Option(options, "--share", 0.2));
        case ["faults", "disk", .. var options]:
            return await FaultsCommand.DiskAsync((int)Option(options, "--executions", 400));
        case ["faults", "upgrade", .. var options]:
            return await FaultsCommand.UpgradeAsync((int)Option(options, "--executions", 400));
        case ["faults", "clock", .. var options]:
            return await FaultsCommand.ClockAsync((int)Option(options, "--executions", 1000));
        default:
            Console.Error.WriteLine(
                """
                Each on a RabbitMQ and a PostgreSQL of its own:
                load [EXECUTIONS ...] [--backlog N] [--reports N]
                                                                a coordinator with stages that take no time; other limits of a queue and of reports taken together
                fairness                                        a small sweep alone and behind a large one
                latency [--pairs N] [--warm-up N] [--trace]     from a parent's result to its child's arrival, with nothing else to do; where the time goes
                cli [--executions N]                            lathe status and lathe results at a sweep of N executions (10000); build lathe first
                search OPTUNA SEEDS TABLE ...                   strategies of searches beside those of Optuna (../search/search.sh); starts no server
                search-kills [--kills K] [--trials N] [--seed S] a search with real stages, undisturbed and with a coordinator that is killed K times (10); build lathe first
                rivals TASKS FEWER SCRIPTS                      the same fan-out through Celery, Snakemake and Optuna (rivals.sh)
                chaos [--minutes M] [--executions N] [--seed S] two coordinators and three workers, killed one after the other
                soak [--minutes M] [--executions N] [--seed S]  sweeps of N executions one after the other, with faults; memory of each process over time
                scaling [--executions N] [--seconds S] [--replicas R] [--life L] [--seed S]
                                                                a burst that KEDA's formula scales, with preemptions every L seconds of a worker's life; writes scaling.csv and scaling.svg
                faults bucket|disk|upgrade|clock [--executions N] [--seed S] [--share P]
                                                                a sweep with a bucket that fails, a full disk (as root), two versions of a stage, wrong clocks
                """);
            return 2;
    }
}
catch (LatheException e)
{
    Console.Error.WriteLine(e.Message);
    return 2;
}

static double Option(string[] options, string name, double absent)
{
    var at = Array.IndexOf(options, name);
    return at < 0 ? absent : double.Parse(options[at + 1], System.Globalization.CultureInfo.InvariantCulture);
}

static async Task<int> ServeAsync(string broker, string home, string http, CoordinatorOptions options, bool isTraced = false)
{
    using var trace = isTraced ? new CoordinatorTrace() : null;
    var settings = PartOfMeasurement.Settings(home) with { Broker = BrokerAddress.Parse(broker) };
    await using var app = CoordinatorHost.Build(settings, DatabaseAddress.Load(settings), http, options);
    await app.StartAsync();
    PartOfMeasurement.EndWithParent(trace is null ? null : trace.Line);
    Console.WriteLine("ready");
    await app.WaitForShutdownAsync();
    return 0;
}
