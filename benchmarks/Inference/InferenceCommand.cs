using System.Globalization;
using Lathe.Evaluator.Latency;
using Lathe.Graph.Checkpoints;
using Lathe.Graph.Models;
using Lathe.Graph.Onnx;
using Lathe.NN.Checkpoints;
using Lathe.NN.FixedPoint;
using Lathe.NN.Onnx;
using Lathe.NN.Runtime;
using Lathe.NN.Tests.FixedPoint;

namespace Lathe.Benchmarks.Inference;

/// <summary>
/// <c>inference</c>: networks of 2-bit weights and 8-bit activations on the fixed-point engine and, in turns with it, in ONNX Runtime in
/// float32 and on 8-bit integers. Weights are drawn from a seed: no way of running them is faster for some numbers than for others.
/// </summary>
internal static class InferenceCommand
{
    /// <summary>Takes the times and prints them.</summary>
    public static void Run(InferenceOptions options)
    {
        TorchRuntime.Configure(options.Threads);
        Console.WriteLine($"{options.Bits}-bit weights, 8-bit activations, {options.Threads} thread{(options.Threads == 1 ? "" : "s")}; milliseconds, median (quartiles)");
        Console.WriteLine("| network | batch | ONNX Runtime float32 | ONNX Runtime int8 | fixed-point engine | times as fast as float32 | as int8 | model KiB, float32 | int8 | engine |");
        Console.WriteLine("|---|---|---|---|---|---|---|---|---|---|");
        foreach (var name in options.Models) Measure(name, options);
    }

    private static void Measure(string name, InferenceOptions options)
    {
        var entry = Zoo.Entry(name);
        var graph = Zoo.Build(name, entry.Input, entry.Classes);
        using var network = QuantizedNetwork.Of(graph, seed: 1, options.Bits, evenly: true);
        using var checkpoint = new Checkpoint(network.Graph, network.Tensors, Lineage.Empty, network.Formats);
        using var engine = new FixedPointEngine(network.Compile());
        var (floats, int8) = (FloatBytes(checkpoint), Int8Bytes(checkpoint));
        foreach (var batch in LatencyComparison.Measure(checkpoint, null, options.Threads, CancellationToken.None).Batches)
        {
            var (own, whole, ours) = (batch.Own, batch.Int8!, batch.FixedPoint!);
            Console.WriteLine(string.Create(
                CultureInfo.InvariantCulture,
                $"| {name} | {batch.Batch} | {Text(own)} | {Text(whole)} | {Text(ours)} | {own.Median / ours.Median:0.00} | {whole.Median / ours.Median:0.00} "
                + $"| {floats / 1024.0:0.0} | {int8 / 1024.0:0.0} | {engine.ModelBytes / 1024.0:0.0} |"));
        }
    }

    private static string Text(Quartiles times) =>
        string.Create(CultureInfo.InvariantCulture, $"{times.Median:0.000} ({times.Low:0.000} to {times.High:0.000})");

    private static long FloatBytes(Checkpoint checkpoint)
    {
        using var to = new MemoryStream();
        OnnxExport.Write(to, ActivationPoints.Remove(checkpoint.Graph), checkpoint.Tensors, new Dictionary<string, string>());
        return to.Length;
    }

    private static long Int8Bytes(Checkpoint checkpoint)
    {
        using var to = new MemoryStream();
        OnnxExport.WriteQuantized(to, checkpoint, OnnxWeightType.Int8, new Dictionary<string, string>());
        return to.Length;
    }
}
