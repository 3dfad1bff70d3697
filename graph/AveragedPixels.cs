namespace Lathe.Graph;

/// <summary>How many rows and columns of each window of an average pooling count: those in the image and its padding.</summary>
public static class AveragedPixels
{
    /// <summary>Rows of each output row's window.</summary>
    /// <param name="pool">The pooling.</param>
    /// <param name="extent">Height of its input.</param>
    /// <param name="outputs">Height of its output.</param>
    public static int[] Rows(AvgPool2d pool, int extent, int outputs) =>
        Count(extent, outputs, pool.Kernel.Height, pool.Stride.Height, (pool.Padding.Top, pool.Padding.Bottom), pool.Beyond.Top);

    /// <summary>Columns likewise.</summary>
    public static int[] Columns(AvgPool2d pool, int extent, int outputs) =>
        Count(extent, outputs, pool.Kernel.Width, pool.Stride.Width, (pool.Padding.Left, pool.Padding.Right), pool.Beyond.Left);

    private static int[] Count(int extent, int outputs, int kernel, int stride, (int Before, int Behind) padding, int beyond) =>
    [
        .. Enumerable.Range(0, outputs).Select(i =>
        {
            var first = (i * stride) - beyond - padding.Before;
            return Math.Min(extent + padding.Behind, first + kernel) - Math.Max(-padding.Before, first);
        }),
    ];
}
