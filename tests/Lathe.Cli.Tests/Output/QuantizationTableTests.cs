using Lathe.Cli.Output;
using Lathe.Quantizer;

namespace Lathe.Cli.Tests.Output;

public sealed class QuantizationTableTests
{
    private static readonly int[] Epochs = [.. Enumerable.Range(1, 40)];

    private static readonly QuantizationRecord Record = new(
        [
            new QuantizedLayer("features.0", 2, 3, 400, 0.4125, 0.0123, [0.3, 0.4125, 0.2875]),
            new QuantizedLayer("features.denseblock4.denselayer16.conv2.of.a.long.name", 8, 7, 1_048_576, 0.02, 0.2887, null),
        ],
        new ModeCourse(Epochs, [.. Epochs.Select(e => 0.1 / e)], [.. Epochs.Select(e => 0.29 / e)], [], [], []),
        [],
        null);

    [Fact]
    public void Layers_fit_80_columns_by_the_end_of_their_names() =>
        Assert.Equal(
            [
                "layer                         bits  step    weights  zeros %  residual",
                "features.0                       2  2^-3        400    41.25    0.0123",
                "…ayer16.conv2.of.a.long.name     8  2^-7  1,048,576     2.00    0.2887",
            ],
            Samples.Draw(QuantizationTable.Layers(Record, 74), 80).Select(line => line.Trim()));

    [Fact]
    public void Of_a_long_course_a_few_epochs_are_shown_and_the_last_one()
    {
        var lines = Samples.Draw(QuantizationTable.Course(Record), 80);
        Assert.InRange(lines.Length, 8, 13);
        Assert.Matches("^ *epoch +changed % +residual *$", lines[0]);
        Assert.Matches(@"^ *40 +0\.25 +0\.0073 *$", lines[^1]);
    }
}
