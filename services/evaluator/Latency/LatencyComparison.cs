using Lathe.Contracts;
using Lathe.Graph;
using Lathe.Graph.Onnx;
using Lathe.NN.Checkpoints;
using Lathe.NN.FixedPoint;
using Lathe.NN.Onnx;
using Microsoft.ML.OnnxRuntime;

namespace Lathe.Evaluator.Latency;

/// <summary>Time of one batch, each way that a network can be run.</summary>
/// <param name="Batch">Images in it.</param>
/// <param name="Own">ONNX Runtime in float32, milliseconds.</param>
/// <param name="Dense">The dense ancestor likewise; null where there is none.</param>
/// <param name="Int8">ONNX Runtime on 8-bit integers; null where weights or activations are float.</param>
/// <param name="FixedPoint">Lathe's engine on packed weights; null likewise.</param>
public sealed record BatchLatency(int Batch, Quartiles Own, Quartiles? Dense, Quartiles? Int8, Quartiles? FixedPoint);

/// <summary>How long a network takes, next to its dense ancestor, both run in turns in one process.</summary>
/// <param name="Threads">CPU threads of each.</param>
/// <param name="Batches">By batch size.</param>
public sealed record LatencyComparison(int Threads, IReadOnlyList<BatchLatency> Batches)
{
    /// <summary>Batch sizes that are timed.</summary>
    public static IReadOnlyList<int> BatchSizes { get; } = [1, 32];

    // So that a quartile has a dozen times on either side of it, and a round is long against the clock's and the scheduler's grain.
    private const int Rounds = 51;
    private static readonly TimeSpan Least = TimeSpan.FromMilliseconds(10);

    /// <summary>Takes the times. What the machine does besides slows all alike.</summary>
    /// <param name="checkpoint">The network.</param>
    /// <param name="dense">Its dense ancestor; null: there is none, or it is the network itself.</param>
    /// <param name="threads">CPU threads of each.</param>
    /// <param name="stop">Checked between rounds.</param>
    /// <exception cref="LatheException">ONNX Runtime cannot run one of them.</exception>
    public static LatencyComparison Measure(Checkpoint checkpoint, Checkpoint? dense, int threads, CancellationToken stop)
    {
        try
        {
            var (own, ofDense) = (Float(checkpoint), dense is null ? null : Float(dense));
            var isWhole = FixedPointMeasurement.IsFixedPoint(checkpoint);
            var int8 = isWhole ? Whole(checkpoint) : null;
            using var engine = isWhole ? new FixedPointEngine(FixedPointCompiler.Compile(checkpoint), threads) : null;
            return new LatencyComparison(threads, [.. BatchSizes.Select(batch => Measure(checkpoint, batch, own, ofDense, int8, engine, threads, stop))]);
        }
        catch (OnnxRuntimeException fault)
        {
            throw new LatheException($"ONNX Runtime cannot run network '{checkpoint.Graph.Name}': {fault.Message}", inner: fault);
        }
    }

    /// <summary>Adds its figures: milliseconds, and how many times as fast as the dense ancestor each way is.</summary>
    public void AddTo(Dictionary<string, double> metrics)
    {
        metrics["latencyThreads"] = Threads;
        foreach (var batch in Batches)
        {
            Add("", batch.Own);
            Add("Dense", batch.Dense);
            Add("Int8", batch.Int8);
            Add("FixedPoint", batch.FixedPoint);

            void Add(string way, Quartiles? times)
            {
                if (times is null) return;
                var name = $"latency{batch.Batch}{way}";
                (metrics[name], metrics[$"{name}Low"], metrics[$"{name}High"]) = (times.Median, times.Low, times.High);
                if (batch.Dense is { } dense && way != "Dense") metrics[$"speedup{batch.Batch}{way}"] = dense.Median / times.Median;
            }
        }
    }

    private static BatchLatency Measure(
        Checkpoint checkpoint, int batch, byte[] own, byte[]? dense, byte[]? int8, FixedPointEngine? engine, int threads, CancellationToken stop)
    {
        var input = checkpoint.Graph.Input;
        var classes = ShapeInference.Infer(checkpoint.Graph)[checkpoint.Graph.Output].Channels;
        using var first = new OnnxContestant(own, input, classes, batch, threads);
        using var second = dense is null ? null : new OnnxContestant(dense, input, classes, batch, threads);
        using var third = int8 is null ? null : new OnnxContestant(int8, input, classes, batch, threads);
        var (bytes, logits) = (new byte[batch * input.Channels * input.Height * input.Width], new int[batch * classes]);
        new Random(1).NextBytes(bytes);
        List<Action> runs = [first.Run];
        if (second is not null) runs.Add(second.Run);
        if (third is not null) runs.Add(third.Run);
        if (engine is not null) runs.Add(() => engine.Run(bytes, logits));
        var times = new Queue<Quartiles>(LatencyMeasurement.Of(runs, Rounds, Least, stop));
        return new BatchLatency(
            batch, times.Dequeue(), second is null ? null : times.Dequeue(), third is null ? null : times.Dequeue(), engine is null ? null : times.Dequeue());
    }

    /// <summary>In float32 throughout: rounding activations in floats costs time and is of no use to who runs the network so.</summary>
    private static byte[] Float(Checkpoint checkpoint)
    {
        using var to = new MemoryStream();
        OnnxExport.Write(to, ActivationPoints.Remove(checkpoint.Graph), checkpoint.Tensors, new Dictionary<string, string>());
        return to.ToArray();
    }

    private static byte[] Whole(Checkpoint checkpoint)
    {
        using var to = new MemoryStream();
        OnnxExport.WriteQuantized(to, checkpoint, OnnxWeightType.Int8, new Dictionary<string, string>());
        return to.ToArray();
    }
}
