using CsCheck;
using Lathe.Contracts;
using Lathe.Graph;
using Lathe.Graph.Models;
using Lathe.NN.Data;
using Lathe.NN.Execution;
using Lathe.NN.FixedPoint;
using Lathe.NN.Runtime;
using Lathe.NN.Training;
using Lathe.Quantizer.Activations;

namespace Lathe.Quantizer.Tests;

/// <summary>The stage with <c>activations: 8</c>, on networks of one path and of several.</summary>
[Trait("oneDNN", "on and off")]
public sealed class Quantizing_activations
{
    private static readonly TensorShape Image = new(1, 28, 28);
    private static readonly object Parameters = new { bits = 2, activations = 8, epochs = 4, batchSize = 32, validation = 0.125 };

    [Theory]
    [InlineData("lenet5", 0.9)]
    [InlineData("resnet20@0.5", 0.5)] // Learns from nothing in four short epochs, and less.
    public void The_network_computes_with_whole_numbers_what_it_was_trained_to(string model, double least)
    {
        using var trial = new QuantizerTrial(Zoo.Build(model, Image, 10));
        var outcome = trial.Run(Parameters);
        Assert.InRange(outcome.Metrics["validationTop1After"], least, 1);
        Assert.InRange(outcome.Metrics["movedFromTies"], 1e-9, 1); // steps
        using var checkpoint = trial.Read(outcome.Output);
        var test = DataSets.Open("mnist", new DataPlace(trial.Data), new ImageOptions(28)).Test;
        using var module = GraphModule.FromTensors(checkpoint.Graph, checkpoint.Tensors);
        var simulated = Evaluation.Run(module, test);
        Assert.InRange(simulated.Top1, least, 1);
        using var classifier = new FixedPointClassifier(FixedPointCompiler.Compile(checkpoint));
        Assert.Equal(simulated.Predictions, FixedPointEvaluation.Run(classifier, test).Predictions);
    }

    /// <summary>With many bits thousands of sums make a step; moving them away from ties must not cost what the bits are for.</summary>
    [Theory]
    [InlineData(4)]
    [InlineData(6)]
    [InlineData(8)]
    public void Whole_numbers_cost_no_accuracy_whatever_the_bits_of_weights(int bits)
    {
        using var trial = new QuantizerTrial(Zoo.Build("lenet5", Image, 10));
        var floats = trial.Run(new { bits, activations = "none", epochs = 3, batchSize = 32, validation = 0.25 }).Metrics;
        var whole = trial.Run(new { bits, activations = 8, epochs = 3, batchSize = 32, validation = 0.25 }).Metrics;
        Assert.InRange(whole["movedFromTies"], 0, 1); // steps
        Assert.InRange(whole["validationTop1After"], floats["validationTop1After"] - 0.04, 1);
        Assert.Equal(whole["validationTop1Before"], whole["validationTop1After"], 0.02);
    }

    [Fact]
    public void Sums_have_operands_of_one_scale_and_what_follows_a_relu_is_unsigned()
    {
        using var trial = new QuantizerTrial(Zoo.Build("resnet20@0.25", Image, 10));
        using var checkpoint = trial.Read(trial.Run(new { bits = 4, activations = 8, epochs = 1 }).Output);
        var nodes = checkpoint.Graph.Nodes.ToDictionary(node => node.Name);
        foreach (var sum in checkpoint.Graph.Nodes.OfType<Add>())
            Assert.Single(sum.Inputs.Select(input => Rounding(nodes, input).Fraction).Distinct());
        foreach (var rounding in checkpoint.Graph.Nodes.OfType<Quantize>())
            Assert.Equal(rounding.Inputs[0] == NetworkGraph.InputName || !IsRectified(nodes, rounding.Inputs[0]), rounding.Signed);
        // Every convolution and the linear layer read bytes.
        Assert.All(checkpoint.Graph.Nodes.Where(node => node is Conv2d or Linear), node => Rounding(nodes, node.Inputs[0]));
    }

    [Fact]
    public void Quantized_again_without_they_are_float_again()
    {
        using var trial = new QuantizerTrial(Zoo.Build("lenet5", Image, 10));
        var bytes = trial.Run(new { bits = 4, activations = 8, epochs = 1 }).Output;
        using var again = trial.Read(trial.Run(new { bits = 4, activations = "none", method = "naive" }, input: bytes).Output);
        using var floats = trial.Read(trial.Float);
        Assert.Equal(GraphJson.Write(floats.Graph), GraphJson.Write(again.Graph));
    }

    [Fact]
    public void Stopped_at_random_steps_it_ends_with_the_same_bits()
    {
        using var trial = new QuantizerTrial(Zoo.Build("lenet5", Image, 10));
        var parameters = new { bits = 2, activations = 8, epochs = 2, batchSize = 32, validation = 0.125 };
        var undisturbed = trial.Run(parameters).Output;
        Gen.Int[1, 26].Array[2].Sample(steps =>
        {
            var (outcome, stops) = trial.RunInterrupted(parameters, steps);
            Assert.Equal(3, stops);
            Assert.Equal(undisturbed, outcome.Output);
        }, iter: 1);
    }

    [Fact]
    public void Other_bits_are_refused()
    {
        using var trial = new QuantizerTrial(Zoo.Build("lenet5", Image, 10));
        Assert.Throws<LatheException>(() => trial.Run(new { activations = 4 }));
        Assert.Throws<LatheException>(() => trial.Run(new { activations = "some" }));
    }

    [Theory]
    [InlineData(0, 255, 24)]
    [InlineData(1, 255, 7)]
    [InlineData(1, 127, 6)]
    [InlineData(0.996, 255, 8)]
    [InlineData(300, 255, -1)]
    [InlineData(1e9, 255, -8)]
    public void The_step_is_the_finest_that_covers_the_range(double magnitude, int greatest, int expected) =>
        Assert.Equal(expected, Calibration.Fraction(magnitude, greatest));

    private static Quantize Rounding(Dictionary<string, Node> nodes, string tensor) =>
        nodes[tensor] as Quantize ?? Rounding(nodes, nodes[tensor].Inputs[0]);

    private static bool IsRectified(Dictionary<string, Node> nodes, string tensor) => nodes[tensor] switch
    {
        Activation => true,
        GlobalAvgPool => true,
        _ => false,
    };
}
