using Lathe.NN.Training;
using Lathe.Quantizer.Weights;

namespace Lathe.Quantizer.Methods;

/// <summary>
/// Straight-through training, for comparison: the forward pass sees Q(w), and the gradient passes Q as if it were the identity. After
/// Bengio, Léonard, Courville (2013, arXiv 1308.3432) and Li, Liu, "Ternary Weight Networks" (2016, arXiv 1605.04711), with this house's
/// step sizes.
/// </summary>
public static class StraightThrough
{
    /// <summary>What it adds to the training loop.</summary>
    public static TrainingHooks Hooks(QuantizedWeights weights, QuantizeParameters parameters) => new()
    {
        View = (name, value) => Proximal.Towards(weights, name, value, relaxation: 1),
        AfterStep = _ =>
        {
            if (parameters.Clipping) weights.Clip();
        },
    };
}
