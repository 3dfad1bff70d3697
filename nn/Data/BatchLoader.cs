using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using Lathe.Contracts;
using Lathe.NN.Runtime;
using static TorchSharp.torch;

namespace Lathe.NN.Data;

/// <summary>
/// Makes batches of a split. Their order depends on (seed, epoch) alone and an image's augmentation on (seed, epoch, image) alone,
/// so any batch of any epoch can be made again, whatever number of tasks prepares them.
/// </summary>
public sealed class BatchLoader
{
    // Batches that each task prepares ahead of the consumer.
    private const int Ahead = 3;

    private readonly Split _split;
    private readonly int _batchSize;
    private readonly Augmentation? _augmentation;
    private readonly long _seed;
    private readonly int _tasks;
    private readonly ImageWriter _writer;

    // Kept from epoch to epoch: arrays of this size are garbage that is collected late.
    private readonly ConcurrentBag<Prepared> _free = [];

    /// <summary>A loader for training: shuffled, augmented. An incomplete last batch is left out.</summary>
    /// <param name="split">What to load.</param>
    /// <param name="batchSize">Images per batch, at least 1; more than there are means all in one batch.</param>
    /// <param name="seed">Decides order and augmentation.</param>
    /// <param name="augmentation">Null: none.</param>
    /// <param name="tasks">Background tasks that prepare batches, 1 to 16. Changes nothing but speed.</param>
    public BatchLoader(Split split, int batchSize, long seed, Augmentation? augmentation = null, int tasks = 1)
    {
        if (split.Count == 0)
            throw new LatheException("The split has no images, so there is nothing to load.");
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(batchSize);
        ArgumentOutOfRangeException.ThrowIfNotEqual(tasks, Math.Clamp(tasks, 1, 16));
        _split = split;
        _batchSize = Math.Min(batchSize, split.Count);
        _seed = seed;
        _augmentation = augmentation is { Shift: 0, Flip: false, Cutout: 0 } ? null : augmentation;
        _tasks = tasks;
        _writer = new ImageWriter(split);
    }

    /// <summary>Batches in one epoch.</summary>
    public int BatchesPerEpoch => _split.Count / _batchSize;

    /// <summary>The batches of an epoch. The caller disposes each; they are made on the calling thread, in its dispose scope.</summary>
    /// <param name="epoch">From 0.</param>
    /// <param name="firstBatch">Where to start, 0 for the beginning.</param>
    public IEnumerable<Batch> Epoch(int epoch, int firstBatch = 0)
    {
        var order = CounterRandom.For(_seed, "order", epoch).Permutation(_split.Count);
        using var stop = new CancellationTokenSource();
        var queues = Enumerable.Range(0, _tasks).Select(_ => new BlockingCollection<Prepared>(Ahead)).ToArray();
        var tasks = queues
            .Select((queue, index) => Task.Factory.StartNew(
                () => Prepare(order, epoch, firstBatch + index, queue, stop.Token),
                CancellationToken.None,
                TaskCreationOptions.LongRunning,
                TaskScheduler.Default))
            .ToArray();
        try
        {
            for (var batch = firstBatch; batch < BatchesPerEpoch; batch++)
            {
                var index = (batch - firstBatch) % _tasks;
                if (!queues[index].TryTake(out var prepared, Timeout.Infinite))
                    tasks[index].GetAwaiter().GetResult();
                yield return ToBatch(prepared!.Images, prepared.Labels);
                _free.Add(prepared);
            }
        }
        finally
        {
            stop.Cancel();
            // Wait without throwing: a fault has been thrown above.
            Task.WhenAny(Task.WhenAll(tasks)).Wait(CancellationToken.None);
            foreach (var queue in queues)
                queue.Dispose();
        }
    }

    /// <summary>All images of a split in their order, as they are. The caller disposes each batch.</summary>
    public static IEnumerable<Batch> InOrder(Split split, int batchSize)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(batchSize);
        var writer = new ImageWriter(split);
        for (var start = 0; start < split.Count; start += batchSize)
        {
            var count = Math.Min(batchSize, split.Count - start);
            var images = new float[count * writer.ImageLength];
            var labels = new long[count];
            for (var i = 0; i < count; i++)
            {
                writer.Write(start + i, images.AsSpan(i * writer.ImageLength, writer.ImageLength));
                labels[i] = split.Label(start + i);
            }

            yield return ToBatch(split, images, labels);
        }
    }

    private void Prepare(
        int[] order, int epoch, int first, BlockingCollection<Prepared> queue, CancellationToken stop)
    {
        try
        {
            for (var batch = first; batch < BatchesPerEpoch; batch += _tasks)
            {
                if (!_free.TryTake(out var prepared))
                    prepared = new Prepared(new float[_batchSize * _writer.ImageLength], new long[_batchSize]);
                for (var i = 0; i < _batchSize; i++)
                {
                    var image = order[(batch * _batchSize) + i];
                    var output = prepared.Images.AsSpan(i * _writer.ImageLength, _writer.ImageLength);
                    if (_augmentation is null)
                        _writer.Write(image, output);
                    else
                        _writer.Write(image, output, _augmentation, CounterRandom.For(_seed, "augment", epoch, image));
                    prepared.Labels[i] = _split.Label(image);
                }

                queue.Add(prepared, stop);
            }
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            // The consumer left before the epoch's end.
        }
        finally
        {
            queue.CompleteAdding();
        }
    }

    private Batch ToBatch(float[] images, long[] labels) => ToBatch(_split, images, labels);

    private static Batch ToBatch(Split split, float[] images, long[] labels)
    {
        var pixels = empty([labels.Length, split.Shape.Channels, split.Shape.Height, split.Shape.Width], ScalarType.Float32);
        var classes = empty([labels.Length], ScalarType.Int64);
        MemoryMarshal.AsBytes<float>(images).CopyTo(pixels.bytes);
        MemoryMarshal.AsBytes<long>(labels).CopyTo(classes.bytes);
        return new Batch(pixels, classes);
    }

    private sealed record Prepared(float[] Images, long[] Labels);
}
