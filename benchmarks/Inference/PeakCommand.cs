using System.Globalization;
using Lathe.Benchmarks.Engine;
using Lathe.Contracts;
using Microsoft.ML.OnnxRuntime;

namespace Lathe.Benchmarks.Inference;

/// <summary>
/// <c>peak</c>: the memory that ONNX Runtime takes for one exported model and one batch, beyond what the process had before. To be run once
/// for each model, since a process keeps what it has taken.
/// </summary>
internal static class PeakCommand
{
    /// <summary>Runs the model and prints.</summary>
    /// <exception cref="LatheException">A switch is missing or its value unusable.</exception>
    public static void Run(IReadOnlyList<string> words)
    {
        var switches = new Switches("peak", words);
        var file = switches.Text("model") ?? throw new LatheException("peak: --model FILE.onnx is missing.");
        var batch = switches.Number("batch", 1);
        var threads = switches.Number("threads", 1);
        switches.RefuseOthers("--model, --batch and --threads");
        if (!File.Exists(file)) throw new LatheException($"peak: --model {file}: there is no such file.");

        // The library itself, before the first reading.
        _ = OrtEnv.Instance();
        var before = MemoryCommand.Kilobytes("VmRSS");
        File.WriteAllText("/proc/self/clear_refs", "5");
        using var options = new SessionOptions { IntraOpNumThreads = threads };
        using var session = new InferenceSession(file, options);
        var (name, input) = session.InputMetadata.Single();
        long[] shape = [batch, .. input.Dimensions.Skip(1).Select(extent => (long)extent)];
        using var images = OrtValue.CreateTensorValueFromMemory(new float[shape.Aggregate((a, b) => a * b)], shape);
        using var run = new RunOptions();
        for (var i = 0; i < 3; i++) session.Run(run, [name], [images], [.. session.OutputMetadata.Keys]).Dispose();
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"{Path.GetFileName(file)}: peak {(MemoryCommand.Kilobytes("VmHWM") - before) / 1024.0:0.0} MiB for a batch of {batch}, file {new FileInfo(file).Length / 1048576.0:0.0} MiB"));
    }
}
