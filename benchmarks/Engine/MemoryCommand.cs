using System.Globalization;
using Lathe.Contracts;
using Lathe.Hosting;
using Lathe.NN.Execution;
using Lathe.NN.Runtime;
using Lathe.NN.Training;

namespace Lathe.Benchmarks.Engine;

/// <summary>What <c>memory</c> measures.</summary>
/// <param name="Epochs">At least 2.</param>
/// <param name="Steps">In each epoch.</param>
/// <param name="Threads">Threads that libtorch computes with.</param>
/// <param name="Model">Network.</param>
/// <param name="Precision">What layers compute with.</param>
internal sealed record MemoryOptions(int Epochs, int Steps, int Threads, string Model, Precision Precision)
{
    /// <exception cref="LatheException">A switch is unknown or its value unusable.</exception>
    public static MemoryOptions Parse(IReadOnlyList<string> words)
    {
        var switches = new Switches("memory", words);
        var options = new MemoryOptions(
            switches.Number("epochs", 20, least: 2),
            switches.Number("steps", 10),
            switches.Number("threads", CpuBudget.OfProcess),
            switches.Text("model") ?? "resnet20",
            switches.Text("precision") switch
            {
                null or "float32" => Precision.Float32,
                "bfloat16" => Precision.Bfloat16,
                var other => throw new LatheException($"memory: --precision is '{other}'; it must be float32 or bfloat16."),
            });
        switches.RefuseOthers("--epochs, --steps, --threads, --model and --precision");
        if (!Workload.Known.ContainsKey(options.Model))
            throw new LatheException($"memory: --model is '{options.Model}'; known are {string.Join(", ", Workload.Known.Keys)}.");
        return options;
    }
}

/// <summary><c>memory</c>: trains short epochs, saving the state after each as a stage does, and tells whether memory grows.</summary>
internal static class MemoryCommand
{
    private const double Goal = 1.03;

    /// <summary>Trains and prints what the kernel says about each epoch's peak.</summary>
    public static void Run(MemoryOptions options)
    {
        TorchRuntime.Configure(options.Threads);
        var workload = Workload.Known[options.Model];
        var images = workload.RandomImages(options.Steps);
        using var module = GraphModule.Create(workload.Graph, seed: 1);
        var recipe = new TrainingRecipe(options.Epochs, workload.Batch, LearningRate: 0.01, Precision: options.Precision);
        using var state = new SavedInFile();
        var peaks = new List<long>();
        var hooks = new TrainingHooks
        {
            AfterEpoch = step =>
            {
                peaks.Add(Kilobytes("VmHWM"));
                // The next epoch's peak starts from what is in use now.
                File.WriteAllText("/proc/self/clear_refs", "5");
                Console.WriteLine($"epoch {step.Epoch + 1,3}: peak {peaks[^1] / 1024.0:0.0} MiB, now {Kilobytes("VmRSS") / 1024.0:0.0} MiB");
            },
        };
        TrainingLoop.Run(module, images, recipe, seed: 1, hooks, state, progress: null, CancellationToken.None);
        var ratio = peaks[^1] / (double)peaks[0];
        Console.WriteLine(
            $"peak memory: {peaks[0] / 1024.0:0.0} MiB in the first epoch, {peaks[^1] / 1024.0:0.0} MiB in the last; " +
            $"ratio {ratio:0.000}, {(ratio <= Goal ? "within" : "beyond")} the goal of {Goal}");
    }

    /// <summary>What the kernel says of this process.</summary>
    public static long Kilobytes(string field) => long.Parse(
        File.ReadLines("/proc/self/status").First(line => line.StartsWith(field + ":", StringComparison.Ordinal)).Split(':')[1].Replace("kB", "", StringComparison.Ordinal),
        NumberStyles.AllowLeadingWhite | NumberStyles.AllowTrailingWhite,
        CultureInfo.InvariantCulture);

    /// <summary>Written, never read again.</summary>
    private sealed class SavedInFile : ITrainingState, IDisposable
    {
        private readonly string _path = Path.GetTempFileName();

        public Stream? Open() => null;

        public void Save(Action<Stream> write)
        {
            using var stream = File.Create(_path);
            write(stream);
        }

        public void Damaged(string how) => throw new InvalidOperationException("nothing is opened here");

        public void Dispose() => File.Delete(_path);
    }
}
