using Lathe.NN.Execution;
using Lathe.NN.Runtime;
using static TorchSharp.torch;
using F = TorchSharp.torch.nn.functional;

namespace Lathe.NN.Training;

/// <summary>
/// A loss that asks for a teacher's answers beside the labels: (1 − d)·L + d·T²·KL(softmax(z_teacher/T) ‖ softmax(z/T)), the mean over the
/// images. After Hinton, Vinyals, Dean, "Distilling the Knowledge in a Neural Network" (2015, arXiv 1503.02531).
/// </summary>
/// <param name="teacher">The network that answers, in evaluation mode.</param>
/// <param name="share">d, from 0 to 1.</param>
/// <param name="temperature">T, above 0.</param>
/// <param name="precision">What the teacher computes with.</param>
public sealed class Distillation(GraphModule teacher, double share, double temperature, Precision precision)
{
    /// <summary>The whole loss. Belongs to the current dispose scope.</summary>
    /// <param name="images">Float32 [N, C, H, W], as the student saw them.</param>
    /// <param name="logits">The student's, float32 [N, classes].</param>
    /// <param name="taskLoss">L, a scalar.</param>
    public Tensor Loss(Tensor images, Tensor logits, Tensor taskLoss)
    {
        Tensor answers;
        using (no_grad())
            answers = teacher.Forward(images, training: false, precision: precision);
        return Blend(answers, logits, taskLoss, share, temperature);
    }

    /// <summary>The formula above.</summary>
    /// <param name="answers">The teacher's logits, float32 [N, classes].</param>
    /// <param name="logits">The student's.</param>
    /// <param name="taskLoss">L, a scalar.</param>
    /// <param name="share">d.</param>
    /// <param name="temperature">T.</param>
    internal static Tensor Blend(Tensor answers, Tensor logits, Tensor taskLoss, double share, double temperature)
    {
        var wanted = F.log_softmax(answers.DividedBy(temperature), 1);
        var given = F.log_softmax(logits.DividedBy(temperature), 1);
        var divergence = (wanted.exp() * (wanted - given)).sum(1).mean();
        return taskLoss.Times(1 - share).Plus(divergence.Times(share * temperature * temperature));
    }
}
