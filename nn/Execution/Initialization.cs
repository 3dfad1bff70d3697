using Lathe.Graph;
using Lathe.NN.Runtime;

namespace Lathe.NN.Execution;

/// <summary>
/// Values that training starts from, a function of the seed and the tensor's name alone. Convolutions: Kaiming normal for ReLU over
/// the fan-out (He et al., 2015), which in a grouped convolution is the group's, bias 0. Linear layers: uniform in ±1/√fan-in, weight and bias, as PyTorch does. Batch norm: γ 1,
/// β 0, mean 0, variance 1.
/// </summary>
internal static class Initialization
{
    public static float[] Values(Node node, ParameterShape tensor, long seed)
    {
        var values = new float[tensor.Values];
        var random = CounterRandom.For(seed, "initialize/" + tensor.Name);
        switch (node)
        {
            case Conv2d conv when tensor.Kind == ParameterKind.Weight:
                random.FillNormal(values, Math.Sqrt(2.0 * conv.Groups / ((double)conv.OutChannels * conv.Kernel.Area)));
                break;
            case Linear linear:
                var bound = 1 / Math.Sqrt(linear.InFeatures);
                random.FillUniform(values, -bound, bound);
                break;
            case PRelu:
                Array.Fill(values, 0.25f);
                break;
            case GroupNorm when tensor.Kind is ParameterKind.Scale:
                Array.Fill(values, 1f);
                break;
            case BatchNorm when tensor.Kind is ParameterKind.Scale or ParameterKind.RunningVariance:
                Array.Fill(values, 1f);
                break;
        }

        return values;
    }
}
