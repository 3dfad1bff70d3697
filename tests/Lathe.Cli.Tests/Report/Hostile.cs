using System.Text.Json;
using Lathe.Cli.Sources;
using Lathe.Contracts;
using Lathe.Evaluator;
using Lathe.Graph.Checkpoints;
using Lathe.NN.Training;
using Lathe.Pruner;
using Lathe.Quantizer;

namespace Lathe.Cli.Tests.Report;

/// <summary>A sweep with everything a report can show, whose author has put markup into every name.</summary>
internal static class Hostile
{
    public const string Markup = "</title></style><script>alert(1)</script><img src=\"http://x/\" onerror='a()'>&amp;\u0001";

    public static readonly CheckpointRef Trained = new(new string('1', 64), 800_000), Pruned = new(new string('2', 64), 400_000),
        Quantized = new(new string('3', 64), 30_000), Lost = new(new string('4', 64), 50_000);

    private static readonly int[] Epochs = [1, 2, 3];

    private static readonly TrainingCourse Course = new(Epochs, [0.9, 0.5, 0.3], [0.6, 0.8, 0.9], [0.1, 0.05, 0]);

    public static SweepReport Report() => ReportSource.Of(Sweep, new SweepResults(Embedded.BuiltInStages.Metrics, Leaves), Read);

    public static SweepStatus Sweep { get; } = new(
        Guid.Parse("01234567-89ab-cdef-0123-456789abcdef"), Markup, SweepState.Failed, Output.Samples.Start, Output.Samples.Start.AddHours(1), []);

    public static IReadOnlyList<LeafResult> Leaves { get; } =
    [
        Leaf(Stage("train", """{"epochs":3}""", Trained), Measured(Trained, 0.92)),
        Leaf(Stage("train", """{"epochs":3}""", Trained), Stage("prune", """{"multiplications":0.5}""", Pruned), Measured(Pruned, 0.91)),
        Leaf(Stage("train", """{"epochs":3}""", Trained), Stage("prune", """{"multiplications":0.5}""", Pruned), Stage("quantize", Exclude, Quantized), Measured(Quantized, 0.9)),
        Leaf(Stage("train", """{"epochs":3}""", Trained), Stage("prune", """{"multiplications":0.5}""", Pruned), Stage("quantize", """{"bits":4,"exclude":""}""", Lost), Measured(Lost, 0.89)),
        Leaf(Stage("train", """{"epochs":3}""", Trained), Stage("prune", """{"multiplications":0.1}""", null)) with { State = ExecutionState.Failed },
    ];

    public static Lineage Read(CheckpointRef checkpoint)
    {
        if (checkpoint == Lost) throw new LatheException($"checkpoint {Lost.Sha256} is not in the store {Markup}");
        LineageStep[] steps =
        [
            Step("train", null, new TrainingRecord(Course).ToJson()),
            Step("prune", Trained, new PruningRecord(
                [new PrunedLayer(Markup, 16, 8, 400, 200, 313_600, 156_800), new PrunedLayer("features.4", 32, 20, 800, 500, 2_408_448, 746_496)],
                [.. Epochs.Select(e => new SizePoint(e, 200_000 - e, 3e6 / e, null, 1.5e6))], Course).ToJson()) with
            {
                Parameters = Output.Samples.Json("""{"method":"hfp","multiplications":0.5,"epochs":3,"pruningShare":0.5}"""),
                Facts = new Dictionary<string, double> { ["parameters"] = 100_000, ["parametersRatio"] = 0.5, ["gatesClosedByFinish"] = 1, ["gatesReopenedByFinish"] = 12 },
            },
            Step("quantize", Pruned, new QuantizationRecord(
                [
                    new QuantizedLayer(Markup, 2, 3, 400, 0.4, 0.01, [0.25, 0.4, 0.35], 0.25, 0.6),
                    new QuantizedLayer("classifier.3", 8, 7, 1_280, 0.1, 0.01, null, 0.5, 0),
                ],
                new ModeCourse(Epochs, [0.3, 0.1, 0], [0.28, 0.1, 0.01], [3], [[0], [0]], [[0.01], [0.01]]),
                [
                    new WeightHistogram(null, 2, [0, 1, 3], [[1, 4, 6, 4, 1], [1, 5, 4, 5, 1], [0, 8, 0, 8, 0]]),
                    new WeightHistogram(Markup, 2, [0, 3], [[1, 4, 6, 4, 1], [0, 8, 0, 8, 0]]),
                ],
                Course).ToJson()) with
            {
                Facts = new Dictionary<string, double> { ["validationTop1Before"] = 0.913, ["validationTop1After"] = 0.912, ["residual"] = 0.01 },
            },
        ];
        var count = checkpoint == Trained ? 1 : checkpoint == Pruned ? 2 : 3;
        return new Lineage([.. steps.Take(count)], count == 1 ? null : Trained);
    }

    private static string Exclude => JsonSerializer.Serialize(new { bits = 2, exclude = Markup });

    private static LineageStep Step(string stage, CheckpointRef? input, JsonElement records) => new(
        stage, "1", Output.Samples.Json(Exclude), 1, input, new DataRef(Markup, "abcdef"), new Dictionary<string, string> { ["threads"] = "1", [Markup] = Markup },
        new Dictionary<string, double> { ["parameters"] = 100_000, ["parametersRatio"] = 0.5, [Markup] = 1 }, records);

    private static StageResult Stage(string stage, string parameters, CheckpointRef? made) =>
        new(stage, Output.Samples.Json(parameters), made?.Sha256, made, 10, false, new Dictionary<string, double>());

    private static StageResult Measured(CheckpointRef of, double top1) => new(
        "evaluate", Output.Samples.Json("{}"), null, of, 1, false,
        new Dictionary<string, double>
        {
            ["top1"] = top1, ["top1Dense"] = 0.92, ["top1Low"] = 0.88, ["top1High"] = 0.93, ["changedPredictions"] = 0.04,
            ["parameters"] = 100_000, ["multiplications"] = 1e6, ["bytes"] = of.Bytes, ["bytesDense"] = 862_952, ["peakActivationBytes"] = 100_000,
        },
        OnlyMeasures: true,
        Records: new EvaluationRecord([10, 10, 0], [9, 8, 0], [new Mistake(1, 0, 2)], [[9, 1, 0], [2, 8, 0], [0, 0, 0]]).ToJson());

    private static LeafResult Leaf(params StageResult[] stages) =>
        new(Markup, Markup, 1, ExecutionState.Completed, stages);
}
