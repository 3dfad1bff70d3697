using Lathe.Graph;
using Lathe.NN.Execution;
using Lathe.NN.Runtime;
using static TorchSharp.torch;
using F = TorchSharp.torch.nn.functional;

namespace Lathe.NN.Training;

/// <summary>
/// A loss of a teacher's answers together with the labels: (1 − d)·L + d·T²·KL(softmax(z_teacher/T) ‖ softmax(z/T)), the mean over the
/// images. After Hinton, Vinyals, Dean, "Distilling the Knowledge in a Neural Network" (2015, arXiv 1503.02531).
/// </summary>
public sealed class Distillation : IDisposable
{
    private readonly GraphModule _teacher;
    private readonly double _share;
    private readonly double _temperature;
    private readonly Precision _precision;

    private Distillation(GraphModule teacher, double share, double temperature, Precision precision)
    {
        _teacher = teacher;
        _share = share;
        _temperature = temperature;
        _precision = precision;
    }

    /// <summary>A teacher that answers in evaluation mode, or null where it has no share.</summary>
    /// <param name="graph">The teacher.</param>
    /// <param name="tensors">Its parameters and buffers by name; copied.</param>
    /// <param name="share">d, from 0 to 1.</param>
    /// <param name="temperature">T, above 0.</param>
    /// <param name="precision">What the teacher computes with.</param>
    /// <param name="device">Where.</param>
    public static Distillation? By(
        NetworkGraph graph, IReadOnlyDictionary<string, Tensor> tensors, double share, double temperature, Precision precision, Device device) =>
        share > 0 ? new Distillation(GraphModule.FromTensors(graph, tensors, device), share, temperature, precision) : null;

    /// <inheritdoc/>
    public void Dispose() => _teacher.Dispose();

    /// <summary>The whole loss. Belongs to the current dispose scope.</summary>
    /// <param name="images">Float32 [N, C, H, W], as the student saw them.</param>
    /// <param name="logits">The student's, float32 [N, classes].</param>
    /// <param name="taskLoss">L, a scalar.</param>
    public Tensor Loss(Tensor images, Tensor logits, Tensor taskLoss)
    {
        Tensor answers;
        using (no_grad())
            answers = _teacher.Forward(images, training: false, precision: _precision);
        return Blend(answers, logits, taskLoss, _share, _temperature);
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
