using System.Diagnostics;
using Lathe.NN.Runtime;
using static TorchSharp.torch;

namespace Lathe.Benchmarks.Engine;

/// <summary>How fast libtorch multiplies large matrices here: what a training step can be measured by on any machine.</summary>
internal sealed class MatrixProducts(int threads)
{
    private const int LeastSize = 256;
    private const int LargestSize = 2048;
    private const int Products = 3;

    // Long enough to be measured well. Processors without instructions for bfloat16 need minutes for its largest product.
    private const double EnoughSeconds = 0.05;

    private readonly Dictionary<Precision, MatrixRate> _rates = [];

    /// <summary>By precision: what has been measured so far.</summary>
    public IReadOnlyDictionary<Precision, MatrixRate> Rates => _rates;

    /// <summary>Multiplies a few times in each precision.</summary>
    public void Measure()
    {
        TorchRuntime.Configure(threads);
        foreach (var precision in Enum.GetValues<Precision>())
        {
            if (!_rates.TryGetValue(precision, out var rate))
                _rates[precision] = rate = new MatrixRate(Size(precision), []);
            for (var i = 0; i < Products; i++)
                rate.Gigaflops.Add(2.0 * Math.Pow(rate.Size, 3) / Seconds(precision, rate.Size) / 1e9);
        }
    }

    /// <summary>The smallest that takes its time.</summary>
    private static int Size(Precision precision)
    {
        var size = LeastSize;
        while (size < LargestSize && Seconds(precision, size) < EnoughSeconds)
            size *= 2;
        return size;
    }

    private static double Seconds(Precision precision, int size)
    {
        using var scope = NewDisposeScope();
        var type = precision == Precision.Bfloat16 ? ScalarType.BFloat16 : ScalarType.Float32;
        var (left, right) = (randn(size, size).to(type), randn(size, size).to(type));
        var watch = Stopwatch.StartNew();
        using (matmul(left, right))
            return watch.Elapsed.TotalSeconds;
    }
}

/// <summary>Rates of products of square matrices.</summary>
/// <param name="Size">Rows and columns.</param>
/// <param name="Gigaflops">10⁹ operations per second of each product.</param>
internal sealed record MatrixRate(int Size, List<double> Gigaflops);
