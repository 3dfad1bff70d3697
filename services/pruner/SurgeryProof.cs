using Lathe.Contracts;
using Lathe.NN.Execution;
using static TorchSharp.torch;

namespace Lathe.Pruner;

/// <summary>Evidence that the cut network computes what the gated one did, measured on real images in every run.</summary>
/// <param name="Images">Images compared.</param>
/// <param name="LogitDifference">max |Δlogit| / max |logit|.</param>
/// <param name="Agreement">Share of images with the same top-1. Below 1 only where an image's best logits are as near to each other as the difference.</param>
public sealed record SurgeryProof(int Images, double LogitDifference, double Agreement)
{
    /// <summary>Bound on <see cref="LogitDifference"/> in float32.</summary>
    public const double Bound = 1e-4;

    /// <summary>Compares the two networks.</summary>
    /// <param name="gated">The network before surgery, closed channels zero.</param>
    /// <param name="cut">The network after surgery.</param>
    /// <param name="images">Float32 [N, C, H, W].</param>
    /// <exception cref="LatheException">They differ by more than <see cref="Bound"/>.</exception>
    public static SurgeryProof Compare(GraphModule gated, GraphModule cut, Tensor images)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var before = gated.Forward(images, training: false);
        var after = cut.Forward(images, training: false);
        var difference = (after - before).abs().max().item<float>() / Math.Max(before.abs().max().item<float>(), float.Epsilon);
        var agreement = before.argmax(1).eq(after.argmax(1)).to(ScalarType.Float64).mean().item<double>();
        var proof = new SurgeryProof((int)images.shape[0], difference, agreement);
        // Written so that NaN fails too.
        if (!(difference <= Bound))
        {
            throw new LatheException(
                $"prune: surgery changed the network: largest logit difference {difference:0.###e+0} of the largest logit (bound {Bound:0.#e+0}), "
                + $"top-1 agreement {agreement:P2} on {proof.Images} training images. This is a fault in Lathe, not in the sweep; "
                + "no checkpoint was written");
        }

        return proof;
    }
}
