using Lathe.Contracts;
using Lathe.Graph;
using Lathe.Hosting;
using Lathe.NN.Checkpoints;
using Lathe.NN.Data;
using static TorchSharp.torch;

namespace Lathe.Exports;

/// <summary>Images for comparing an exported network with its checkpoint.</summary>
/// <param name="Kind">Kind of images, for messages: <c>random images</c>.</param>
/// <param name="Batches">Makes them again at each call: float32 [N, C, H, W], normalized, in batches of several sizes. The caller disposes each.</param>
/// <param name="Normalization">Normalization of the data set's pixels; null if no data set was read.</param>
internal sealed record VerificationImages(string Kind, Func<IEnumerable<Tensor>> Batches, Normalization? Normalization = null)
{
    private const ulong Seed = 1;
    private const int BatchSize = 48;

    /// <summary>Test images of the data set that a checkpoint was made with, if it is found, otherwise random images.</summary>
    /// <param name="checkpoint">The checkpoint.</param>
    /// <param name="settings">Location of data sets.</param>
    /// <param name="isAsked">The user named a place of the data: it has to be there or in a usual place.</param>
    /// <param name="count">How many at most.</param>
    /// <exception cref="LatheException">The data set has images of another size, or it was requested and is missing.</exception>
    public static VerificationImages For(Checkpoint checkpoint, HostingSettings settings, bool isAsked, int count)
    {
        if (checkpoint.Lineage.Steps is not [.., { Data.Name: var name }])
        {
            return !isAsked
                ? Random(checkpoint.Graph.Input, count)
                : throw new LatheException("--data: the checkpoint was not trained on any data set yet; leave the option out to verify the export on random images");
        }

        if (!isAsked && DataPlaces.Locate(name, settings) is null) return Random(checkpoint.Graph.Input, count);
        var place = DataPlaces.Find(name, settings);
        var data = DataSets.Open(name, place, new ImageOptions(checkpoint.Graph.Input.Height));
        if (data.Input != checkpoint.Graph.Input)
            throw new LatheException($"--data: the images of {name} are {data.Input}; the checkpoint's network reads {checkpoint.Graph.Input}");
        var where = DataPlaces.Elsewhere(name, place, settings) is null ? "" : $" in {place}";
        return new VerificationImages($"test images of {name}{where}", () => TestBatches(data.Test, count), data.Normalization);
    }

    /// <summary>The same images, which end when cancellation is requested.</summary>
    public VerificationImages Until(CancellationToken stop)
    {
        return this with { Batches = Checked };

        IEnumerable<Tensor> Checked()
        {
            foreach (var batch in Batches())
            {
                stop.ThrowIfCancellationRequested();
                yield return batch;
            }
        }
    }

    /// <summary>Normally distributed pixels from a fixed seed.</summary>
    private static VerificationImages Random(TensorShape shape, int count) =>
        new("seeded random images (no data set at hand; --data names one)", () => RandomBatches(shape, count));

    private static IEnumerable<Tensor> RandomBatches(TensorShape shape, int count)
    {
        var generator = new Generator(Seed);
        for (var left = count; left > 0; left -= BatchSize)
            yield return randn([Math.Min(left, BatchSize), shape.Channels, shape.Height, shape.Width], generator: generator);
    }

    private static IEnumerable<Tensor> TestBatches(Split test, int count)
    {
        var left = count;
        foreach (var batch in BatchLoader.InOrder(test, Math.Min(BatchSize, test.Count)))
        {
            using (batch)
            {
                if (left <= 0) yield break;
                yield return left >= batch.Count ? batch.Images.alias() : batch.Images.narrow(0, 0, left);
                left -= batch.Count;
            }
        }
    }
}
