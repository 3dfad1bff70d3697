using Lathe.NN.Runtime;
using static TorchSharp.torch;

namespace Lathe.NN.Data;

/// <summary>Some images and their classes, owned by the consumer of the <see cref="BatchLoader"/>.</summary>
/// <param name="Images">Float32 [N, C, H, W], normalized.</param>
/// <param name="Labels">Int64 [N].</param>
/// <param name="Mixed">Images and classes to blend with; null: none.</param>
public sealed record Batch(Tensor Images, Tensor Labels, MixedLabels? Mixed = null) : IDisposable
{
    /// <summary>The same on a device; itself where it lies there already. The tensors belong to the current dispose scope.</summary>
    public Batch On(Device device) =>
        new(Images.On(device), Labels.On(device), Mixed is { } mixed ? new MixedLabels(mixed.Labels.On(device), mixed.Shares.On(device)) : null);

    /// <summary>N.</summary>
    public int Count => (int)Labels.shape[0];

    /// <inheritdoc/>
    public void Dispose()
    {
        Images.Dispose();
        Labels.Dispose();
        Mixed?.Dispose();
    }
}

/// <summary>The second classes of blended images (mixup).</summary>
/// <param name="Labels">Int64 [N].</param>
/// <param name="Shares">Float32 [N], of each image's first class, in [0, 1]; the rest is the second one's.</param>
public sealed record MixedLabels(Tensor Labels, Tensor Shares) : IDisposable
{
    /// <inheritdoc/>
    public void Dispose()
    {
        Labels.Dispose();
        Shares.Dispose();
    }
}
