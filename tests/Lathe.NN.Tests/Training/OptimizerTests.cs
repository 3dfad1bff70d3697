using Lathe.NN.Execution;
using Lathe.NN.Runtime;
using Lathe.NN.Training;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Lathe.NN.Tests.Training;

public class OptimizerTests
{
    public OptimizerTests() => TorchRuntime.Configure(1);

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Momentum_descent_agrees_with_libtorch(bool nesterov) => Agree(
        trained => new MomentumDescent(trained, 0.9, nesterov),
        theirs => optim.SGD([theirs], 0.1, momentum: 0.9, weight_decay: 0.01, nesterov: nesterov));

    [Fact]
    public void AdamW_agrees_with_libtorch() => Agree(
        trained => new Lathe.NN.Training.AdamW(trained, 0.9),
        theirs => optim.AdamW([theirs], 0.1, beta1: 0.9, beta2: 0.999, eps: 1e-8, weight_decay: 0.01));

    [Fact]
    public void Gradients_are_shortened_together_and_only_where_they_are_too_long()
    {
        using var scope = NewDisposeScope();
        var one = new Parameter(zeros(2));
        var other = new Parameter(zeros(1));
        var idle = new Parameter(zeros(1));
        ((one * tensor(new[] { 3f, 0f })).sum() + (other * 4f).sum()).backward();
        Trained[] trained = [new("one", one, 0), new("other", other, 0), new("idle", idle, 0)];

        using var noGradient = no_grad();
        Assert.Equal(5, GradientNorm.Clip(trained, 10), 5);
        Assert.Equal(3f, one.grad![0].item<float>());
        Assert.Equal(5, GradientNorm.Clip(trained, 1), 5);
        Assert.Equal([0.6f, 0f, 0.8f], [one.grad![0].item<float>(), one.grad![1].item<float>(), other.grad![0].item<float>()]);
        Assert.Null(idle.grad);
    }

    [Fact]
    public void The_average_follows_weights_and_statistics_and_is_what_training_ends_with()
    {
        using var module = GraphModule.Create(Samples.Network(), 1);
        using var expected = new WeightAverage(module, 0.9);
        var recipe = new TrainingRecipe(2, 16, 0.05, AverageDecay: 0.9);
        var name = module.Buffers.Keys.First();
        var hooks = new TrainingHooks { AfterStep = context => expected.Take(context.GlobalStep + 1) };
        TrainingLoop.Run(module, Samples.Images(), recipe, 1, hooks, null, null, CancellationToken.None);

        using var scope = NewDisposeScope();
        Assert.Equal(Samples.Digest(expected.Tensors.ToDictionary()), Samples.Digest(module.Snapshot().ToDictionary()));
        Assert.NotEqual(0f, module.Buffers[name].abs().sum().item<float>());
    }

    [Fact]
    public void The_average_moves_towards_the_weights_by_its_decay()
    {
        using var scope = NewDisposeScope();
        using var module = GraphModule.Create(Samples.Network(), 1);
        using var average = new WeightAverage(module, 0.75);
        using var noGradient = no_grad();
        foreach (var parameter in module.Parameters.Values)
            parameter.zero_();
        var before = average.Tensors["fc.weight"].clone();
        // Late enough for the decay itself, and at the first step 2/11.
        average.Take(1000);
        Assert.True(average.Tensors["fc.weight"].allclose(before.Times(0.75)));
        average.Take(1);
        Assert.True(average.Tensors["fc.weight"].allclose(before.Times(0.75 * 2 / 11)));
    }

    private static void Agree(Func<IEnumerable<Trained>, IOptimizer> make, Func<Parameter, optim.Optimizer> makeReference)
    {
        using var scope = NewDisposeScope();
        var start = tensor(new[] { 1f, -2f, 3f });
        var ours = new Parameter(start.clone());
        var theirs = new Parameter(start.clone());
        using var optimizer = make([new Trained("p", ours, 0.01)]);
        var reference = makeReference(theirs);
        for (var i = 1; i <= 5; i++)
        {
            ours.grad = null;
            reference.zero_grad();
            ours.pow(2).sum().backward();
            theirs.pow(2).sum().backward();
            using (no_grad())
                optimizer.Step(0.1, i);
            reference.step();
        }

        Assert.True(ours.allclose(theirs, 1e-6), $"{ours.data<float>()[0]} {theirs.data<float>()[0]}");
        Assert.False(ours.allclose(start));
    }
}
