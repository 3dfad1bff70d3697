using System.Collections.Concurrent;

namespace Lathe.NN.Data;

/// <summary>The values of one batch before they become tensors; used again for later batches.</summary>
/// <param name="Images">[N, C, H, W].</param>
/// <param name="Labels">[N].</param>
/// <param name="OtherLabels">[N], where images are mixed with others.</param>
/// <param name="Shares">[N], of the first label, in [0, 1].</param>
internal sealed record PreparedBatch(float[] Images, long[] Labels, long[]? OtherLabels = null, float[]? Shares = null);

/// <summary>Makes one batch. Belongs to one task.</summary>
/// <param name="batch">Its number.</param>
/// <param name="used">One that may be filled again, or null.</param>
internal delegate PreparedBatch PrepareBatch(int batch, PreparedBatch? used);

/// <summary>Batches made in order by background tasks, ahead of the consumer. With n tasks each makes every n-th batch.</summary>
internal static class BatchQueue
{
    // Batches that each task prepares ahead of the consumer, and a limit for all of them together if batches are large.
    private const int MostAhead = 3;
    private const long MostBytesAhead = 1L << 29;

    /// <summary>Batches from <paramref name="first"/> up to <paramref name="end"/>. Each may be filled again when the next is asked for.</summary>
    /// <param name="first">Number of the first batch.</param>
    /// <param name="end">One past the last.</param>
    /// <param name="tasks">Background tasks, at least 1.</param>
    /// <param name="batchBytes">Size of one batch.</param>
    /// <param name="newTask">Called once in each task; its result is called for each of the task's batches.</param>
    /// <param name="free">Batches to fill again, from this run and those before.</param>
    public static IEnumerable<PreparedBatch> Run(
        int first, int end, int tasks, long batchBytes, Func<PrepareBatch> newTask, ConcurrentBag<PreparedBatch> free)
    {
        tasks = Math.Max(1, Math.Min(tasks, end - first));
        var ahead = (int)Math.Clamp(MostBytesAhead / Math.Max(1, batchBytes * tasks), 1, MostAhead);
        using var stop = new CancellationTokenSource();
        var queues = Enumerable.Range(0, tasks).Select(_ => new BlockingCollection<PreparedBatch>(ahead)).ToArray();
        var running = queues
            .Select((queue, index) => Task.Factory.StartNew(
                () => Fill(queue, newTask, first + index, end, tasks, free, stop.Token),
                CancellationToken.None,
                TaskCreationOptions.LongRunning,
                TaskScheduler.Default))
            .ToArray();
        try
        {
            for (var batch = first; batch < end; batch++)
            {
                var index = (batch - first) % tasks;
                if (!queues[index].TryTake(out var prepared, Timeout.Infinite))
                    running[index].GetAwaiter().GetResult();
                yield return prepared!;
                free.Add(prepared!);
            }
        }
        finally
        {
            stop.Cancel();
            // Wait without throwing: a fault has been thrown above.
            Task.WhenAny(Task.WhenAll(running)).Wait(CancellationToken.None);
            foreach (var queue in queues)
                queue.Dispose();
        }
    }

    private static void Fill(
        BlockingCollection<PreparedBatch> queue,
        Func<PrepareBatch> newTask,
        int first,
        int end,
        int step,
        ConcurrentBag<PreparedBatch> free,
        CancellationToken stop)
    {
        try
        {
            var prepare = newTask();
            for (var batch = first; batch < end && !stop.IsCancellationRequested; batch += step)
                queue.Add(prepare(batch, free.TryTake(out var used) ? used : null), stop);
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            // The consumer left before the end.
        }
        finally
        {
            queue.CompleteAdding();
        }
    }
}
