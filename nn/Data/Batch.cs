using static TorchSharp.torch;

namespace Lathe.NN.Data;

/// <summary>Some images and their classes, owned by whoever takes it from a <see cref="BatchLoader"/>.</summary>
/// <param name="Images">Float32 [N, C, H, W], normalized.</param>
/// <param name="Labels">Int64 [N].</param>
/// <param name="Mixed">What the images are blended with; null: nothing.</param>
public sealed record Batch(Tensor Images, Tensor Labels, MixedLabels? Mixed = null) : IDisposable
{
    /// <summary>N.</summary>
    public int Count => (int)Labels.shape[0];

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
    public void Dispose()
    {
        Labels.Dispose();
        Shares.Dispose();
    }
}
