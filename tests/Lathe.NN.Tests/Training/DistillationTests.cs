using Lathe.NN.Training;
using static TorchSharp.torch;

namespace Lathe.NN.Tests.Training;

public class DistillationTests
{
    [Theory]
    [InlineData(0.0, 4.0)]
    [InlineData(0.3, 4.0)]
    [InlineData(1.0, 1.0)]
    public void Loss_and_gradient_are_those_of_the_formula(double share, double temperature)
    {
        using var scope = NewDisposeScope();
        double[] teacher = [2, -1, 0.5];
        double[] student = [0.3, 0.1, -0.7];
        var logits = tensor(student.Select(z => (float)z).ToArray()).reshape(1, 3);
        logits.requires_grad = true;
        // The task's loss is the sum of the logits, whose gradient is 1.
        var loss = Distillation.Blend(tensor(teacher.Select(z => (float)z).ToArray()).reshape(1, 3), logits, logits.sum(), share, temperature);
        var (p, q) = (Softmax(teacher, temperature), Softmax(student, temperature));
        var divergence = p.Zip(q).Sum(pair => pair.First * Math.Log(pair.First / pair.Second));
        Assert.Equal(((1 - share) * student.Sum()) + (share * temperature * temperature * divergence), loss.item<float>(), 1e-5);

        loss.backward();
        var gradient = logits.grad!.data<float>().ToArray();
        for (var c = 0; c < 3; c++)
            Assert.Equal(1 - share + (share * temperature * (q[c] - p[c])), gradient[c], 1e-5);
    }

    private static double[] Softmax(double[] logits, double temperature)
    {
        var powers = logits.Select(z => Math.Exp(z / temperature)).ToArray();
        return [.. powers.Select(power => power / powers.Sum())];
    }
}
