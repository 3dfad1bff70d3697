using Lathe.Cli.Output;
using Lathe.Contracts;
using Lathe.NN.Checkpoints;
using Lathe.Quantizer;

namespace Lathe.Cli.Tests.Output;

public sealed class QuantizationTableTests
{
    private static readonly int[] Epochs = [.. Enumerable.Range(1, 40)];

    private static readonly QuantizationRecord Record = new(
        [
            new QuantizedLayer("features.0", 2, 3, 400, 0.4125, 0.0123, [0.3, 0.4125, 0.2875], 0.3, 0.5875),
            new QuantizedLayer("features.denseblock4.denselayer16.conv2.of.a.long.name", 8, 7, 1_048_576, 0.02, 0.2887, null),
        ],
        new ModeCourse(Epochs, [.. Epochs.Select(e => 0.1 / e)], [.. Epochs.Select(e => 0.29 / e)], [], [], []),
        [],
        null);

    [Fact]
    public void Layers_fit_80_columns_by_the_end_of_their_names() =>
        Assert.Equal(
            [
                "layer               bits  step    weights   <0 %    0 %   >0 %  residual",
                "features.0             2  2^-3        400  30.00  41.25  28.75   0.01230",
                // Of an older checkpoint, which does not tell.
                "…v2.of.a.long.name     8  2^-7  1,048,576      -   2.00      -   0.28870",
                "Shares of the weights by the sign of their mode. Residual: root mean square",
                "distance from the modes before the final rounding, in steps.",
            ],
            Samples.Draw(QuantizationTable.Layers(Record, 80), 80).Select(line => line.Trim()));

    [Theory]
    [InlineData(0.28871, "0.28871")]
    [InlineData(0.0001, "0.00010")]
    [InlineData(0.0000016, "1.6e-6")]
    [InlineData(0.0, "0.00000")]
    public void A_small_residual_is_told_by_its_size(double residual, string text) => Assert.Equal(text, Figures.Residual(residual));

    [Fact]
    public void Accuracy_before_and_after_rounding_is_told_where_images_were_held_out()
    {
        Assert.Equal(
            "held-out images: 91.30% right before the final rounding, 91.20% after it",
            QuantizationTable.Rounding(Step("symog", new Dictionary<string, double> { ["validationTop1Before"] = 0.913, ["validationTop1After"] = 0.912 })));
        Assert.Null(QuantizationTable.Rounding(Step("symog", new Dictionary<string, double> { ["residual"] = 0.1 })));
    }

    [Theory]
    [InlineData("ste")]
    [InlineData("proximal")]
    public void Rounding_changes_nothing_for_methods_that_train_with_rounded_weights(string method) =>
        Assert.Equal(
            "held-out images: 91.20% right; trained with rounded weights, so the final rounding changes nothing",
            QuantizationTable.Rounding(Step(method, new Dictionary<string, double> { ["validationTop1Before"] = 0.912, ["validationTop1After"] = 0.912 })));

    private static LineageStep Step(string method, Dictionary<string, double> facts) => new(
        "quantize", "9", Samples.Json($$"""{"method":"{{method}}"}"""), 1, null, new DataRef("fashion-mnist", ""), new Dictionary<string, string>(), facts, null);

    [Fact]
    public void Other_methods_are_told_apart_by_their_name_alone()
    {
        Assert.False(QuantizationTable.ComputesRounded(Step("naive", [])));
        Assert.False(QuantizationTable.ComputesRounded(Step("of a plug-in", [])));
    }

    [Fact]
    public void Of_a_long_course_a_few_epochs_are_shown_and_the_last_one()
    {
        var lines = Samples.Draw(QuantizationTable.Course(Record), 80);
        Assert.InRange(lines.Length, 9, 14);
        Assert.Matches("^ *epoch +changed % +residual *$", lines[0]);
        Assert.Matches(@"^ *40 +0\.25 +0\.00725 *$", lines[^2]);
        Assert.Equal("  Changed: weights whose mode is another than an epoch before.", lines[^1].TrimEnd());
    }
}
