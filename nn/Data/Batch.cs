using static TorchSharp.torch;

namespace Lathe.NN.Data;

/// <summary>Some images and their classes, owned by whoever takes it from a <see cref="BatchLoader"/>.</summary>
/// <param name="Images">Float32 [N, C, H, W], normalized.</param>
/// <param name="Labels">Int64 [N].</param>
public sealed record Batch(Tensor Images, Tensor Labels) : IDisposable
{
    /// <summary>N.</summary>
    public int Count => (int)Labels.shape[0];

    public void Dispose()
    {
        Images.Dispose();
        Labels.Dispose();
    }
}
