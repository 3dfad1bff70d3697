using Lathe.NN.Runtime;

namespace Lathe.NN.Training;

/// <summary>Gradients of all parameters taken as one vector.</summary>
internal static class GradientNorm
{
    /// <summary>Shortens the vector to a Euclidean length where it is longer. To be called without recording gradients.</summary>
    /// <param name="trained">Those without a gradient are left alone.</param>
    /// <param name="longest">Above 0.</param>
    /// <returns>The length before.</returns>
    public static double Clip(IEnumerable<Trained> trained, double longest)
    {
        var gradients = trained.Select(t => t.Parameter.grad).OfType<TorchSharp.torch.Tensor>().ToList();
        try
        {
            // In double, so that no sum of squares overflows where the length itself does not.
            var length = Math.Sqrt(gradients.Sum(gradient =>
            {
                var norm = (double)gradient.norm().item<float>();
                return norm * norm;
            }));
            if (length > longest)
            {
                foreach (var gradient in gradients)
                    gradient.TimesInPlace(longest / length);
            }

            return length;
        }
        finally
        {
            foreach (var gradient in gradients)
                gradient.Dispose();
        }
    }
}
