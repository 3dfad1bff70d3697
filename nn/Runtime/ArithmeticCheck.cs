using System.Globalization;
using System.Runtime.CompilerServices;
using static TorchSharp.torch;
using F = TorchSharp.torch.nn.functional;

namespace Lathe.NN.Runtime;

/// <summary>A small convolution, square, with stride 1 and as many pixels out as in.</summary>
/// <param name="InChannels">Input channels.</param>
/// <param name="OutChannels">Output channels.</param>
/// <param name="Kernel">Height and width of the kernel, odd.</param>
/// <param name="Groups">Groups; divides both numbers of channels.</param>
/// <param name="ChannelsLast">Order of the values in memory: NHWC, or else NCHW.</param>
/// <param name="Precision">Numbers that it is computed with.</param>
internal sealed record ConvolutionCase(
    int InChannels, int OutChannels, int Kernel, int Groups = 1, bool ChannelsLast = true, Precision Precision = Precision.Float32)
{
    /// <summary>Images in the batch.</summary>
    public const int Batch = 2;

    /// <summary>Height and width of the image.</summary>
    public const int Side = 6;

    public override string ToString() =>
        $"{(Precision == Precision.Bfloat16 ? "bfloat16" : "float32")} convolution {InChannels} to {OutChannels} channels, {Kernel}x{Kernel}"
        + $"{(Groups > 1 ? $", {Groups} groups" : "")}, {(ChannelsLast ? "channels last" : "channels first")}";
}

/// <summary>What a convolution computes: forward, and backward from a gradient of its output.</summary>
/// <param name="Output">[N, O, H, W].</param>
/// <param name="InputGradient">[N, I, H, W].</param>
/// <param name="WeightGradient">[O, I / groups, K, K].</param>
internal sealed record ConvolutionSums(double[] Output, double[] InputGradient, double[] WeightGradient);

/// <summary>
/// Compares libtorch's convolutions with plain sums in double precision, once in a process that computes. The cases are small and have
/// what faults were seen to depend on: numbers of channels that are and are not multiples of a vector, groups, kernels, memory order.
/// </summary>
internal static class ArithmeticCheck
{
    // Of the largest value. float32 was within 2e-6 and bfloat16, whose results are rounded to 8 bits, within 4e-3; faults were 0.06 and more.
    private const double Float32Tolerance = 1e-4;
    private const double Bfloat16Tolerance = 2e-2;

    /// <summary>
    /// What is checked in one precision. AVX-512 has blocks of 16 channels, AVX2 of 8: multiples of both, of the smaller, and of neither.
    /// </summary>
    public static IReadOnlyList<ConvolutionCase> Cases(Precision precision) =>
    [
        new(16, 32, 3, 1, true, precision),
        new(24, 72, 1, 1, true, precision),
        new(20, 33, 1, 1, true, precision),
        new(5, 7, 3, 1, true, precision),
        new(3, 12, 5, 1, true, precision),
        new(40, 40, 1, 4, true, precision),
        new(24, 24, 3, 24, true, precision),
        // Layers compute with channels last; libtorch is asked for the other order by hand alone.
        new(24, 8, 3, 1, false, precision),
        new(20, 33, 1, 1, false, precision),
        new(3, 12, 5, 1, false, precision),
    ];

    /// <summary>Computes a case; a test puts a wrong one here.</summary>
    internal static Func<ConvolutionCase, ConvolutionSums> Compute { get; set; } = ByLibtorch;

    /// <summary>The first case that is computed wrongly, and by how much; null where all are right.</summary>
    public static string? FindFault(IEnumerable<ConvolutionCase> cases) =>
        cases.Select(c => Compare(c, Compute(c), ByPlainSums(c))).FirstOrDefault(fault => fault is not null);

    /// <summary>What is wrong with computed sums; null: nothing.</summary>
    internal static string? Compare(ConvolutionCase c, ConvolutionSums computed, ConvolutionSums expected)
    {
        var tolerance = c.Precision == Precision.Float32 ? Float32Tolerance : Bfloat16Tolerance;
        return Off("output", computed.Output, expected.Output)
            ?? Off("gradient of the input", computed.InputGradient, expected.InputGradient)
            ?? Off("gradient of the weights", computed.WeightGradient, expected.WeightGradient);

        string? Off(string what, double[] values, double[] right)
        {
            var (largest, error) = (0.0, 0.0);
            for (var i = 0; i < right.Length; i++)
            {
                // Math.Max keeps what is not a number.
                largest = Math.Max(largest, Math.Abs(right[i]));
                error = Math.Max(error, Math.Abs(values[i] - right[i]));
            }

            return error <= tolerance * largest
                ? null
                : string.Create(CultureInfo.InvariantCulture, $"{c}: the {what} is off by {error / largest:0.0e+0} of its largest value");
        }
    }

    /// <summary>The three inputs of a case: image, weights and gradient of the output, all exact in bfloat16.</summary>
    private static (float[] Input, float[] Weight, float[] Gradient) Inputs(ConvolutionCase c)
    {
        const int Pixels = ConvolutionCase.Batch * ConvolutionCase.Side * ConvolutionCase.Side;
        return (Draw("input", Pixels * c.InChannels), Draw("weight", c.OutChannels * (c.InChannels / c.Groups) * c.Kernel * c.Kernel), Draw("gradient", Pixels * c.OutChannels));

        static float[] Draw(string what, int count)
        {
            const int Steps = 64;
            var random = CounterRandom.For(0, what);
            return [.. Enumerable.Range(0, count).Select(i => (random.Below(i, (2 * Steps) + 1) - Steps) / (float)Steps)];
        }
    }

    /// <summary>By libtorch, as a layer is trained.</summary>
    internal static ConvolutionSums ByLibtorch(ConvolutionCase c)
    {
        const int N = ConvolutionCase.Batch, Side = ConvolutionCase.Side;
        using var scope = NewDisposeScope();
        // Whoever loads libtorch first may compute without gradients.
        using var withGradient = enable_grad();
        var (inputValues, weightValues, gradientValues) = Inputs(c);
        var type = c.Precision == Precision.Bfloat16 ? ScalarType.BFloat16 : ScalarType.Float32;
        var input = Ordered(tensor(inputValues, [N, c.InChannels, Side, Side])).to(type).detach().requires_grad_(true);
        var weight = tensor(weightValues, [c.OutChannels, c.InChannels / c.Groups, c.Kernel, c.Kernel]).to(type).detach().requires_grad_(true);
        var gradient = Ordered(tensor(gradientValues, [N, c.OutChannels, Side, Side])).to(type);
        var output = F.conv2d(input, weight, null, [1L, 1L], [c.Kernel / 2, c.Kernel / 2], [1L, 1L], c.Groups);
        var gradients = autograd.grad([output], [input, weight], [gradient]);
        return new ConvolutionSums(Values(output), Values(gradients[0]), Values(gradients[1]));

        Tensor Ordered(Tensor image) => c.ChannelsLast ? image.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2) : image;

        static double[] Values(Tensor tensor) => tensor.detach().to(ScalarType.Float64).contiguous().data<double>().ToArray();
    }

    /// <summary>By plain sums in double precision.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static ConvolutionSums ByPlainSums(ConvolutionCase c)
    {
        const int N = ConvolutionCase.Batch, Side = ConvolutionCase.Side;
        var (input, weight, gradient) = Inputs(c);
        var (inGroup, outGroup, kernel, reach) = (c.InChannels / c.Groups, c.OutChannels / c.Groups, c.Kernel, c.Kernel / 2);
        var sums = new ConvolutionSums(new double[gradient.Length], new double[input.Length], new double[weight.Length]);
        for (var n = 0; n < N; n++)
        for (var o = 0; o < c.OutChannels; o++)
        for (var y = 0; y < Side; y++)
        for (var x = 0; x < Side; x++)
        {
            var at = ((((n * c.OutChannels) + o) * Side) + y) * Side + x;
            var (up, sum) = ((double)gradient[at], 0.0);
            for (var i = 0; i < inGroup; i++)
            for (var v = Math.Max(0, reach - y); v < Math.Min(kernel, Side + reach - y); v++)
            for (var u = Math.Max(0, reach - x); u < Math.Min(kernel, Side + reach - x); u++)
            {
                var channel = (o / outGroup * inGroup) + i;
                var from = ((((n * c.InChannels) + channel) * Side) + y + v - reach) * Side + x + u - reach;
                var by = ((((o * inGroup) + i) * kernel) + v) * kernel + u;
                sum += (double)input[from] * weight[by];
                sums.InputGradient[from] += up * weight[by];
                sums.WeightGradient[by] += up * input[from];
            }

            sums.Output[at] = sum;
        }

        return sums;
    }
}
