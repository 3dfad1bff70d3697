using System.Text.Json;
using Lathe.Contracts.Panels;
using Lathe.NN.Training;

namespace Lathe.NN.Tests.Training;

public sealed class TrainingPanelsTests
{
    private static readonly JsonElement Plain = JsonDocument.Parse("""{"augment":false}""").RootElement;

    [Fact]
    public void One_epoch_makes_no_line_but_a_table()
    {
        var table = Assert.IsType<TablePanel>(Assert.Single(TrainingPanels.Of(new TrainingCourse([1], [0.5], [0.8], [0.1]), "train", "Training", Plain)));
        Assert.Equal(["loss", "accuracy on training images, %", "learning rate"], table.Columns.Select(c => c.Title));
        Assert.Equal([0.5, 0.8, 0.1], Assert.Single(table.Rows).Select(cell => cell.Number));
        Assert.True(table.Merges);
    }

    [Fact]
    public void Several_epochs_make_lines_and_no_epoch_makes_nothing()
    {
        Assert.All(TrainingPanels.Of(new TrainingCourse([1, 2], [0.5, 0.4], [0.8, 0.9], [0.1, 0]), "train", "Training", Plain), panel => Assert.IsType<LineChart>(panel));
        Assert.Empty(TrainingPanels.Of(new TrainingCourse([], [], [], []), "train", "Training", Plain));
        Assert.Empty(TrainingPanels.Of(null, "train", "Training", Plain));
    }
}
