using static TorchSharp.torch;
using TorchSharp;

namespace Lathe.NN.Runtime;

/// <summary>
/// Arithmetic of tensors with plain numbers. TorchSharp wraps a number given to a tensor's method into a native object which the garbage
/// collector may free while the native call still reads it: seldom, and then the call fails or computes with another number. Here the
/// object lives until the call is over. The sum of two tensors has such a number too, the factor 1, and the square its exponent.
/// <c>eng/BannedSymbols.txt</c> lists what may not be called for that reason, and the build refuses it.
/// </summary>
public static class ScalarMath
{
    /// <summary>tensor + other.</summary>
    public static Tensor Plus(this Tensor tensor, Tensor other)
    {
        using var one = 1.0.ToScalar();
        return tensor.add(other, one);
    }

    /// <summary>tensor².</summary>
    public static Tensor Squared(this Tensor tensor) => tensor.mul(tensor);

    /// <summary>tensor · factor.</summary>
    public static Tensor Times(this Tensor tensor, double factor)
    {
        using var scalar = factor.ToScalar();
        return tensor.mul(scalar);
    }

    /// <summary>tensor ·= factor.</summary>
    public static Tensor TimesInPlace(this Tensor tensor, double factor)
    {
        using var scalar = factor.ToScalar();
        return tensor.mul_(scalar);
    }

    /// <summary>tensor + one · other, element by element.</summary>
    public static Tensor PlusProduct(this Tensor tensor, Tensor one, Tensor other)
    {
        using var factor = 1.0.ToScalar();
        return tensor.addcmul(one, other, factor);
    }

    /// <summary>tensor / divisor.</summary>
    public static Tensor DividedBy(this Tensor tensor, double divisor)
    {
        using var scalar = divisor.ToScalar();
        return tensor.div(scalar);
    }

    /// <summary>tensor += factor · other.</summary>
    public static Tensor PlusInPlace(this Tensor tensor, Tensor other, double factor = 1)
    {
        using var scalar = factor.ToScalar();
        return tensor.add_(other, scalar);
    }

    /// <summary>tensor += number.</summary>
    public static Tensor PlusInPlace(this Tensor tensor, double number)
    {
        using var scalar = number.ToScalar();
        using var one = 1.0.ToScalar();
        return tensor.add_(scalar, one);
    }

    /// <summary>Each value limited to [least, most].</summary>
    public static Tensor Clamped(this Tensor tensor, double least, double most)
    {
        using var low = least.ToScalar();
        using var high = most.ToScalar();
        return tensor.clamp(low, high);
    }

    /// <summary>Limits every value to [least, most].</summary>
    public static Tensor ClampInPlace(this Tensor tensor, double least, double most)
    {
        using var low = least.ToScalar();
        using var high = most.ToScalar();
        return tensor.clamp_(low, high);
    }
}
