using System.Text.Json;
using System.Text.Json.Serialization;
using Lathe.Cli.Embedded;
using Lathe.Reports.Terminals;

namespace Lathe.Cli.Output;

/// <summary>What <c>lathe evaluate</c> found.</summary>
/// <param name="File">The checkpoint's file.</param>
/// <param name="Model">Name of its network.</param>
/// <param name="Dataset">Name of the data set.</param>
/// <param name="Images">Number of test images.</param>
/// <param name="Metrics">Figures by name.</param>
/// <param name="Records">As they stand with the result of a sweep.</param>
internal sealed record CheckpointEvaluation(
    string File, string Model, string Dataset, [property: JsonIgnore] int Images, IReadOnlyDictionary<string, double> Metrics, JsonElement Records)
{
    /// <summary>For people.</summary>
    public void Show(Terminal terminal)
    {
        terminal.Line($"{Model} on {Figures.Count(Images)} test images of {Dataset} ({File})");
        terminal.Line("");
        terminal.Write(MetricText.Of(Metrics, BuiltInStages.Measured));
        foreach (var panel in PanelText.Of(BuiltInStages.PanelsOf(Metrics, Records, Dataset), terminal.Width))
        {
            terminal.Line("");
            terminal.Write(panel);
        }
    }
}
