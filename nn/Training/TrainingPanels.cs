using System.Text.Json;
using Lathe.Contracts;
using Lathe.Contracts.Panels;

namespace Lathe.NN.Training;

/// <summary>Pictures of a training, for every stage that trains.</summary>
public static class TrainingPanels
{
    /// <summary>Loss, accuracy and learning rate by epoch: as lines, or of a single epoch, which makes no line, as a table.</summary>
    /// <param name="course">How training went; null: it did not.</param>
    /// <param name="stage">Name of the stage.</param>
    /// <param name="section">Heading that the stage's panels stand under.</param>
    /// <param name="parameters">The stage's parameters, which say whether images were augmented.</param>
    public static IReadOnlyList<Panel> Of(TrainingCourse? course, string stage, string section, JsonElement parameters)
    {
        if (course is not { Epochs.Count: > 0 }) return [];
        var images = IsPlain(parameters) ? "training" : "augmented";
        if (course is { Epochs: [_], Loss: [var loss], Accuracy: [var accuracy], LearningRate: [var rate] })
        {
            return
            [
                new TablePanel(
                    "training", $"{stage}: training",
                    [new TableColumn("loss"), new TableColumn($"accuracy on {images} images, %", MetricFormat.Percent), new TableColumn("learning rate")],
                    [[loss, accuracy, rate]])
                {
                    Section = section, Merges = true, Caption = "One epoch.",
                },
            ];
        }

        double[] epochs = [.. course.Epochs.Select(e => (double)e)];
        return
        [
            Chart("loss", "training loss", "loss", course.Loss),
            Chart("accuracy", "training accuracy", $"accuracy on {images} images, %", [.. course.Accuracy.Select(a => 100 * a)]),
            Chart("learning-rate", "learning rate", "learning rate", course.LearningRate),
        ];

        LineChart Chart(string id, string title, string y, IReadOnlyList<double> values) =>
            new(id, $"{stage}: {title}", new AxisInfo("epoch"), new AxisInfo(y), [new Line("", epochs, [.. values.Select(v => (double?)v)])])
            {
                Section = section, Merges = true,
            };
    }

    private static bool IsPlain(JsonElement parameters) =>
        parameters.ValueKind == JsonValueKind.Object && parameters.TryGetProperty("augment", out var augment) && augment.ValueKind == JsonValueKind.False;
}
