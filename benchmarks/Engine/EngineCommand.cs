using Lathe.Contracts;
using Lathe.Graph.Sizing;
using Lathe.Hosting;
using Lathe.NN.Runtime;
using TorchSharp;

namespace Lathe.Benchmarks.Engine;

/// <summary>
/// <c>engine</c>: whole training steps of Lathe against the same networks by hand, in alternation, and both against the machine's rate of
/// matrix products.
/// </summary>
internal static class EngineCommand
{
    /// <summary>Measures, prints a table and writes the JSON asked for.</summary>
    /// <exception cref="LatheException">A variant is unknown, or networks that should be the same are not.</exception>
    public static void Run(EngineOptions options)
    {
        TorchRuntime.Configure(options.Threads);
        var products = new MatrixProducts(options.Threads);
        var measured = options.Models.SelectMany(model => Measure(Workload.Known[model], options, products)).ToList();
        var report = new EngineReport(
            "lathe",
            torch.__version__,
            Processor(),
            CpuBudget.OfProcess,
            options.Threads,
            products.Rates.ToDictionary(rate => Name(rate.Key), rate => rate.Value),
            [.. measured.Select(way => Result(way, measured, products))]);
        report.Print();
        if (options.Json is { } path)
            report.WriteJson(path);
    }

    private static List<Measured> Measure(Workload workload, EngineOptions options, MatrixProducts products)
    {
        var size = Agreement.Check(workload);
        var steps = options.Warmup + (options.Rounds * options.Steps);
        var contestants = new Contestants(workload, workload.RandomImages(steps + 1), options.Threads);
        var names = Chosen(contestants, options);
        var running = new List<Contestant>();
        try
        {
            foreach (var name in names)
            {
                var contestant = contestants.Create(name);
                running.Add(contestant);
                contestant.Turn(options.Warmup);
                contestant.Forget();
            }

            for (var round = 0; round < options.Rounds; round++)
            {
                products.Measure();
                foreach (var contestant in running)
                    contestant.Turn(options.Steps);
                Console.WriteLine($"{workload.Model}: round {round + 1} of {options.Rounds}");
            }

            return [.. running.Select(contestant => new Measured(workload, size, contestant.Variant, contestant.Precision, [.. contestant.Milliseconds]))];
        }
        finally
        {
            running.ForEach(contestant => contestant.Dispose());
        }
    }

    private static IReadOnlyList<string> Chosen(Contestants contestants, EngineOptions options)
    {
        if (options.Variants is not { } wanted)
        {
            if (Precisions.HasFastBFloat16)
                return contestants.Names;
            // Nobody would train so: a step takes a hundred times as long.
            Console.WriteLine($"{Contestants.LatheBfloat16} is left out: this processor has no instructions for bfloat16 (--variants can name it)");
            return [.. contestants.Names.Where(name => name != Contestants.LatheBfloat16)];
        }

        // Methods that a network is not measured with are left out; what no network has is a mistake.
        if (wanted.FirstOrDefault(name => !Contestants.Known.Contains(name)) is { } unknown)
            throw new LatheException($"engine: --variants has '{unknown}'; known are {string.Join(", ", Contestants.Known)}.");
        return [.. contestants.Names.Where(wanted.Contains)];
    }

    private static EngineResult Result(Measured way, List<Measured> all, MatrixProducts products)
    {
        var times = Quartiles.Of(way.StepMs);
        var operations = 3.0 * 2 * way.Size.Multiplications * way.Workload.Batch;
        var rate = Quartiles.Of(products.Rates[way.Precision].Gigaflops).Median * 1e9;
        return new EngineResult(
            way.Workload.Model,
            way.Variant,
            Name(way.Precision),
            way.Workload.Batch,
            way.Size.Parameters,
            way.Size.Multiplications,
            times.Median,
            times.Lower,
            times.Upper,
            way.Workload.Batch / times.Median * 1000,
            Over(Contestants.Plain),
            Over(Contestants.Lathe),
            operations / (times.Median / 1000) / rate,
            way.StepMs);

        double? Over(string variant) =>
            all.Find(other => other.Workload == way.Workload && other.Variant == variant) is { } reference
                ? times.Median / Quartiles.Of(reference.StepMs).Median
                : null;
    }

    private static string Name(Precision precision) => precision.ToString().ToLowerInvariant();

    private static string Processor() =>
        File.ReadLines("/proc/cpuinfo").FirstOrDefault(line => line.StartsWith("model name", StringComparison.Ordinal))?.Split(':')[1].Trim()
        ?? "unknown processor";

    private sealed record Measured(Workload Workload, Complexity Size, string Variant, Precision Precision, IReadOnlyList<double> StepMs);
}
