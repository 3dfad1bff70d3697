using Lathe.Evaluator;
using Lathe.Reports.Terminals;

namespace Lathe.Cli.Output;

/// <summary>What <c>lathe evaluate</c> found.</summary>
/// <param name="File">The checkpoint's file.</param>
/// <param name="Model">Name of its network.</param>
/// <param name="Dataset">Name of the data set.</param>
/// <param name="Metrics">Figures by name.</param>
/// <param name="Records">Accuracy of each class, and what was taken for what.</param>
internal sealed record CheckpointEvaluation(
    string File, string Model, string Dataset, IReadOnlyDictionary<string, double> Metrics, EvaluationRecord Records)
{
    /// <summary>For people.</summary>
    public void Show(Terminal terminal)
    {
        terminal.Line($"{Model} on {Figures.Count(Records.Images.Sum())} test images of {Dataset} ({File})");
        terminal.Line("");
        terminal.Write(MetricText.Of(Metrics, EvaluateMetrics.All));
        foreach (var panel in PanelText.Of(EvaluatePanels.Of(Records, Metrics, Dataset), terminal.Width))
        {
            terminal.Line("");
            terminal.Write(panel);
        }
    }
}
