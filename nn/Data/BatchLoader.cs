using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using Lathe.Contracts;
using Lathe.NN.Runtime;
using static TorchSharp.torch;

namespace Lathe.NN.Data;

/// <summary>
/// Makes batches of a split. Their order depends on (seed, epoch) alone and an image's augmentation on (seed, epoch, image) alone,
/// so any batch of any epoch can be made again with any number of tasks.
/// </summary>
public sealed class BatchLoader
{
    private const int MostTasks = 16;

    private readonly Split _split;
    private readonly int _batchSize;
    private readonly Augmentation? _augmentation;
    private readonly long _seed;
    private readonly int _tasks;
    // Kept from epoch to epoch: arrays of this size are collected late.
    private readonly ConcurrentBag<PreparedBatch> _free = [];

    /// <summary>A loader for training: shuffled, augmented. An incomplete last batch is left out.</summary>
    /// <param name="split">What to load.</param>
    /// <param name="batchSize">Images per batch, at least 1; more than there are means all in one batch.</param>
    /// <param name="seed">Decides order and augmentation.</param>
    /// <param name="augmentation">Null: none.</param>
    /// <param name="tasks">
    /// Background tasks that prepare batches, 1 to 16; null: one for images in memory, one for each CPU for images that are decoded.
    /// Changes nothing but speed.
    /// </param>
    /// <exception cref="LatheException">No images, a batch too large for memory, or an augmentation that the split cannot have.</exception>
    public BatchLoader(Split split, int batchSize, long seed, Augmentation? augmentation = null, int? tasks = null)
    {
        if (split.Count == 0)
            throw new LatheException("The split has no images, so there is nothing to load.");
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(batchSize);
        if (tasks is { } number)
            ArgumentOutOfRangeException.ThrowIfNotEqual(number, Math.Clamp(number, 1, MostTasks));
        if (split.IsTensor && augmentation is { } changes && (changes.Shift > 0 || changes.Flip || changes.Cutout > 0 || changes.Colours is not null))
            throw new LatheException("Arrays may hold anything, so they are not shifted, mirrored, cut out or recoloured. Leave augmentation out.");
        if (augmentation?.Crop is not null && !split.IsDecoded)
            throw new LatheException("Random resized crops are for photographs in files; images in memory are shifted instead.");
        _split = split;
        _batchSize = Math.Min(batchSize, split.Count);
        BatchBytes(split, _batchSize);
        _seed = seed;
        _augmentation = augmentation is { IsNone: true } ? null : augmentation;
        _tasks = tasks ?? UsualTasks(split);
    }

    /// <summary>Batches in one epoch.</summary>
    public int BatchesPerEpoch => _split.Count / _batchSize;

    /// <summary>The batches of an epoch. The caller disposes each; they are made on the calling thread, in its dispose scope.</summary>
    /// <param name="epoch">From 0.</param>
    /// <param name="firstBatch">Where to start, 0 for the beginning.</param>
    /// <exception cref="LatheException">An image cannot be read, or too many are damaged.</exception>
    public IEnumerable<Batch> Epoch(int epoch, int firstBatch = 0)
    {
        var order = CounterRandom.For(_seed, "order", epoch).Permutation(_split.Count);
        return BatchQueue
            .Run(firstBatch, BatchesPerEpoch, _tasks, BatchBytes(_split, _batchSize), NewTask, _free)
            .Select(prepared => ToBatch(_split, prepared));

        PrepareBatch NewTask()
        {
            var writer = new ImageWriter(_split);
            return (batch, used) => Prepare(writer, order.AsSpan(batch * _batchSize, _batchSize), epoch, used ?? NewBatch());
        }
    }

    /// <summary>All images of a split in their order, as they are. The caller disposes each batch.</summary>
    /// <param name="split">What to load.</param>
    /// <param name="batchSize">Images per batch, at least 1; the last may have fewer.</param>
    /// <param name="tasks">As for training.</param>
    /// <exception cref="LatheException">An image cannot be read, too many are damaged, or a batch is too large for memory.</exception>
    public static IEnumerable<Batch> InOrder(Split split, int batchSize, int? tasks = null)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(batchSize);
        batchSize = Math.Clamp(batchSize, 1, Math.Max(1, split.Count));
        var batches = (int)(((long)split.Count + batchSize - 1) / batchSize);
        return BatchQueue
            .Run(0, batches, tasks ?? UsualTasks(split), BatchBytes(split, batchSize), NewTask, [])
            .Select(prepared => ToBatch(split, prepared));

        PrepareBatch NewTask()
        {
            var writer = new ImageWriter(split);
            var length = ImageLength(split);
            return (batch, used) =>
            {
                var start = batch * batchSize;
                var count = Math.Min(batchSize, split.Count - start);
                var prepared = used?.Labels.Length == count ? used : new PreparedBatch(new float[count * length], new long[count]);
                for (var i = 0; i < count; i++)
                    prepared.Labels[i] = writer.Write(start + i, prepared.Images.AsSpan(i * length, length));
                return prepared;
            };
        }
    }

    private PreparedBatch Prepare(ImageWriter writer, ReadOnlySpan<int> images, int epoch, PreparedBatch prepared)
    {
        var length = ImageLength(_split);
        for (var i = 0; i < images.Length; i++)
        {
            var output = prepared.Images.AsSpan(i * length, length);
            prepared.Labels[i] = _augmentation is null
                ? writer.Write(images[i], output)
                : writer.Write(images[i], output, _augmentation, CounterRandom.For(_seed, "augment", epoch, images[i]));
        }

        if (_augmentation is { Mixup: > 0 and var mixup })
        {
            var order = images.ToArray();
            Mixing.Apply(prepared, length, i => Mixing.Share(mixup, CounterRandom.For(_seed, "mixup", epoch, order[i])));
        }

        return prepared;
    }

    private PreparedBatch NewBatch()
    {
        var mixes = _augmentation is { Mixup: > 0 };
        return new PreparedBatch(
            new float[_batchSize * ImageLength(_split)],
            new long[_batchSize],
            mixes ? new long[_batchSize] : null,
            mixes ? new float[_batchSize] : null);
    }

    private static Batch ToBatch(Split split, PreparedBatch prepared)
    {
        var (labels, shape) = (prepared.Labels, split.Shape);
        return new Batch(
            shape.IsFlat
                ? ToTensor<float>(prepared.Images, ScalarType.Float32, labels.Length, shape.Channels)
                : ToTensor<float>(prepared.Images, ScalarType.Float32, labels.Length, shape.Channels, shape.Height, shape.Width),
            ToTensor<long>(labels, ScalarType.Int64, labels.Length),
            prepared.Shares is null
                ? null
                : new MixedLabels(
                    ToTensor<long>(prepared.OtherLabels, ScalarType.Int64, labels.Length),
                    ToTensor<float>(prepared.Shares, ScalarType.Float32, labels.Length)));
    }

    private static Tensor ToTensor<T>(ReadOnlySpan<T> values, ScalarType type, params long[] shape)
        where T : struct
    {
        var tensor = empty(shape, type);
        MemoryMarshal.AsBytes(values).CopyTo(tensor.bytes);
        return tensor;
    }

    private static int UsualTasks(Split split) => split.IsDecoded ? Math.Min(Environment.ProcessorCount, MostTasks) : 1;

    private static int ImageLength(Split split) => split.Shape.Channels * split.Shape.Height * split.Shape.Width;

    /// <summary>Bytes of one batch's images.</summary>
    /// <exception cref="LatheException">More than one array of bytes can hold.</exception>
    private static long BatchBytes(Split split, int batchSize)
    {
        var bytes = (long)batchSize * ImageLength(split) * sizeof(float);
        return bytes <= Array.MaxLength
            ? bytes
            : throw new LatheException($"A batch of {batchSize} images of {split.Shape} takes {bytes >> 20} MiB; a smaller batchSize must keep it below 2048.");
    }
}
