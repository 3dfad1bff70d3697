using Lathe.Contracts.Panels;
using Lathe.Graph.Checkpoints;
using Lathe.NN.Training;

namespace Lathe.Trainer;

/// <summary>Pictures of a training.</summary>
public static class TrainPanels
{
    private const string Section = "Training";

    /// <summary>What its step in a lineage tells.</summary>
    public static IReadOnlyList<Panel> Of(LineageStep step) =>
        TrainingPanels.Of(TrainingRecord.TryRead(step.Records)?.Training, step.Stage, Section, step.Parameters);
}
