using Lathe.Cli.Output;
using Lathe.Pruner;

namespace Lathe.Cli.Tests.Output;

public sealed class PruningTableTests
{
    private static readonly PruningRecord Record = new(
        [
            new PrunedLayer("features.0", 16, 8, 400, 200, 313_600, 156_800),
            new PrunedLayer("features.denseblock4.denselayer16.conv2.of.a.long.name", 128, 128, 40_000, 20_000, 2_508_800, 627_200),
        ],
        [.. Enumerable.Range(1, 40).Select(epoch => new SizePoint(epoch, 215_546 - epoch, 3_024_384 - (1_000 * epoch), null, 1_512_192, 3, 1))]);

    [Fact]
    public void Layers_fit_80_columns_by_the_end_of_their_names() =>
        Assert.Equal(
            [
                "layer                       width          kept      mults             share",
                "features.0                     16    > 8  0.500    313,600  > 156,800  0.056",
                "…er16.conv2.of.a.long.name    128  > 128  1.000  2,508,800  > 627,200  0.222",
            ],
            Samples.Draw(PruningTable.Layers(Record, 80), 80).Select(line => line.Trim()));

    [Fact]
    public void Of_a_long_path_a_few_epochs_are_shown_and_the_last_one()
    {
        var lines = Samples.Draw(PruningTable.Path(Record), 80);
        Assert.InRange(lines.Length, 9, 14);
        Assert.Matches("^ *epoch +params +target +mults +target +closed +reopened *$", lines[0]);
        Assert.Matches("^ *40 +215,506 +free +2,984,384 +1,512,192 +12 +4 *$", lines[^2]);
        Assert.Equal("  10 of 40 rows (--json has all); closed and reopened: since the row above", lines[^1].TrimEnd());
    }

    [Fact]
    public void Of_a_short_path_nothing_is_left_out()
    {
        var lines = Samples.Draw(PruningTable.Path(Record with { Path = [.. Record.Path.Take(4)] }), 80);
        Assert.Equal(6, lines.Length);
        Assert.Equal("  closed and reopened: since the row above", lines[^1].TrimEnd());
    }
}
