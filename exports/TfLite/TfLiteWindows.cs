using Lathe.Graph;

namespace Lathe.Exports.TfLite;

/// <summary>Windows over an image, as TFLite's operators take them.</summary>
/// <param name="Kernel">Extent of a window.</param>
/// <param name="Stride">From one to the next.</param>
/// <param name="Dilation">From one of its pixels to the next.</param>
/// <param name="Top">Rows before the image.</param>
/// <param name="Left">Columns before the image.</param>
internal sealed record TfLiteWindows(Extent Kernel, Extent Stride, Extent Dilation, int Top, int Left)
{
    /// <summary>The padding by which an operator reads exactly these windows; null where rows and columns have to be put around the image before.</summary>
    public TfLitePadding? Padding(TensorShape from, TensorShape to)
    {
        if (IsValid(from.Height, to.Height, Reach.Height, Stride.Height, Top) && IsValid(from.Width, to.Width, Reach.Width, Stride.Width, Left)) return TfLitePadding.Valid;
        return IsSame(from.Height, to.Height, Reach.Height, Stride.Height, Top) && IsSame(from.Width, to.Width, Reach.Width, Stride.Width, Left) ? TfLitePadding.Same : null;
    }

    /// <summary>Rows and columns behind the image that windows read.</summary>
    public (int Bottom, int Right) Behind(TensorShape from, TensorShape to) =>
        (Math.Max(0, ((to.Height - 1) * Stride.Height) + Reach.Height - Top - from.Height), Math.Max(0, ((to.Width - 1) * Stride.Width) + Reach.Width - Left - from.Width));

    /// <summary>Rows and columns of an image that a window spans.</summary>
    private Extent Reach => new(((Kernel.Height - 1) * Dilation.Height) + 1, ((Kernel.Width - 1) * Dilation.Width) + 1);

    /// <summary>The windows that start and end like the given ones; null if no regular ones do.</summary>
    /// <param name="rows">First row and number of rows of each, those outside the image not counted.</param>
    /// <param name="columns">Columns likewise.</param>
    /// <param name="extent">Of the image.</param>
    public static TfLiteWindows? Of(IReadOnlyList<(int First, int Count)> rows, IReadOnlyList<(int First, int Count)> columns, Extent extent) =>
        Of(rows, extent.Height) is { } high && Of(columns, extent.Width) is { } wide
            ? new TfLiteWindows(new Extent(high.Kernel, wide.Kernel), new Extent(high.Stride, wide.Stride), new Extent(1, 1), high.Before, wide.Before)
            : null;

    private static (int Kernel, int Stride, int Before)? Of(IReadOnlyList<(int First, int Count)> windows, int extent)
    {
        var kernel = windows.Max(window => window.Count);
        for (var stride = 1; stride <= extent; stride++)
        {
            for (var before = 0; before < kernel; before++)
            {
                if (windows.Select((window, i) => window == Clipped((i * stride) - before)).All(isSame => isSame)) return (kernel, stride, before);
            }
        }

        return null;

        (int, int) Clipped(int first) => (Math.Max(0, first), Math.Min(extent, first + kernel) - Math.Max(0, first));
    }

    private static bool IsValid(int extent, int outputs, int reach, int stride, int before) => before == 0 && extent >= reach && outputs == ((extent - reach) / stride) + 1;

    private static bool IsSame(int extent, int outputs, int reach, int stride, int before) =>
        outputs == (extent + stride - 1) / stride && before == Math.Max(0, ((outputs - 1) * stride) + reach - extent) / 2;
}
