using System.Text.Json;
using Lathe.Contracts;
using Lathe.Contracts.Panels;
using Lathe.Graph.Checkpoints;

namespace Lathe.Quantizer.Tests;

public sealed class Showing_a_quantization
{
    private static readonly QuantizationRecord Record = new(
        [new QuantizedLayer("conv", 2, 3, 400, 0.4, 0.01, [0.25, 0.4, 0.35], 0.25, 0.6), new QuantizedLayer("linear", 8, 7, 1_280, 0.1, 0.01, null, 0.5, 0)],
        new ModeCourse([1, 2, 3], [0.3, 0.1, 0], [0.28, 0.1, 0.01], [], [], []),
        [new WeightHistogram(null, 2, [0, 3], [[1, 4, 6, 4, 1], [0, 8, 0, 8, 0]]), new WeightHistogram("conv", 2, [3], [[0, 8, 0, 8, 0]])],
        null);

    [Fact]
    public void Shares_of_few_modes_are_told_one_by_one_and_of_many_by_their_sign()
    {
        var bars = Panel<BarChart>("modes");
        var shares = bars.Series.Select(s => (s.Name, s.Group, Conv: s.Values[0], Linear: s.Values[1]));
        Assert.Equal([("below 0", 1, 0, 0.5), ("−Δ", 1, 0.25, 0), ("0", 0, 0.4, 0.1), ("Δ", 2, 0.35, 0), ("above 0", 2, 0, 0.4)], shares.Select(s => (s.Name, s.Group!.Value, s.Conv, s.Linear)));
        Assert.Equal(["40% at 0", "10% at 0"], bars.Labels);
    }

    [Fact]
    public void Each_bit_width_has_its_modes_as_marks()
    {
        Assert.Equal([(-1, "−Δ"), (0, "0"), (1, "Δ")], Panel<RidgeChart>("weights").Marks.Select(m => (m.At, m.Text)));
        var eight = QuantizePanels.Of(Step(Record with { Histograms = [new WeightHistogram(null, 8, [0], [[1, 2, 1]])] }, "symog")).OfType<RidgeChart>().Single();
        Assert.InRange(eight.Marks.Count(m => m.Text.Length > 0), 5, 8);
        Assert.Equal(255, eight.Marks.Count);
    }

    [Fact]
    public void Single_layers_are_details() => Assert.True(Panel<RidgeChart>("weights-layer-1").IsDetail);

    [Theory]
    [InlineData("symog", 0.913)]
    [InlineData("naive", 0.913)]
    [InlineData("ste", null)]
    [InlineData("proximal", null)]
    [InlineData("of a later version", 0.913)]
    public void Accuracy_before_the_rounding_is_told_where_the_rounding_changes_something(string method, double? before)
    {
        var table = QuantizePanels.Of(Step(Record, method, ("validationTop1Before", 0.913), ("validationTop1After", 0.912), ("residual", 0.01))).OfType<TablePanel>().Single(p => p.Id == "rounding");
        Assert.Equal([before, 0.912, 0.01], Assert.Single(table.Rows).Select(c => c.Number));
    }

    [Fact]
    public void Without_held_out_images_nothing_is_said_of_them() => Assert.DoesNotContain(QuantizePanels.Of(Step(Record, "symog")), p => p.Id == "rounding");

    [Fact]
    public void Records_of_another_version_show_nothing() =>
        Assert.Empty(QuantizePanels.Of(Step(Record, "symog") with { Records = JsonSerializer.SerializeToElement(new { layers = 3 }) }));

    private static T Panel<T>(string id)
        where T : Panel => QuantizePanels.Of(Step(Record, "symog")).OfType<T>().Single(p => p.Id == id);

    private static LineageStep Step(QuantizationRecord record, string method, params (string Name, double Value)[] facts) => new(
        "quantize", "9", JsonSerializer.SerializeToElement(new { method }), 1, null, new DataRef("fashion-mnist", ""), new Dictionary<string, string>(),
        facts.ToDictionary(f => f.Name, f => f.Value), record.ToJson());
}
