using System.Text.Json;
using Lathe.Contracts;

namespace Lathe.Coordinator.Tests;

/// <summary>Manifests with the shape of the real ones, and sweeps over them.</summary>
internal static class Stages
{
    public static readonly StageManifest Train = Manifest("train", StageInput.Model, StageOutput.Checkpoint, """
        {"type": "object", "additionalProperties": false, "required": ["model"], "properties": {
          "model": {"type": "string", "x-lathe-model": true},
          "epochs": {"type": "integer", "minimum": 1, "default": 4},
          "learningRate": {"type": "number", "exclusiveMinimum": 0, "default": 0.1}}}
        """);

    public static readonly StageManifest Prune = Manifest("prune", StageInput.Checkpoint, StageOutput.Checkpoint, """
        {"type": "object", "additionalProperties": false, "properties": {
          "multiplications": {"type": ["number", "null"], "exclusiveMinimum": 0, "maximum": 1, "default": null},
          "epochs": {"type": "integer", "minimum": 1, "default": 2}}}
        """);

    public static readonly StageManifest Quantize = Manifest("quantize", StageInput.Checkpoint, StageOutput.Checkpoint, """
        {"type": "object", "additionalProperties": false, "properties": {
          "bits": {"type": "integer", "minimum": 2, "maximum": 8, "default": 2},
          "milestones": {"type": "array", "items": {"type": "integer"}, "default": []}}}
        """);

    public static readonly StageManifest Evaluate = Manifest("evaluate", StageInput.Checkpoint, StageOutput.Metrics, """
        {"type": "object", "additionalProperties": false, "properties": {
          "batch": {"type": "integer", "minimum": 1, "default": 500}}}
        """);

    public static readonly IReadOnlyDictionary<string, StageManifest> All =
        new[] { Train, Prune, Quantize, Evaluate }.ToDictionary(m => m.Name);

    private static IReadOnlyList<MetricDescriptor> Sizes =>
    [
        new("parameters", "params", Format: MetricFormat.Count, IsColumn: true, Rank: 20),
        new("bits", "bits", Format: MetricFormat.Bits, IsColumn: true, Rank: 30),
        new("bytes", "KiB", Format: MetricFormat.Bytes, IsColumn: true, DenseName: "bytesDense", Rank: 40) { EachEpoch = true },
    ];

    private static IReadOnlyList<MetricDescriptor> Measured =>
        [new("top1", "top-1", "%", MetricFormat.Percent, Better.Higher, IsColumn: true, DenseName: "top1Dense", Rank: 10) { Split = DataSplit.Test }, new("loss", "loss", Better: Better.Lower)];

    private static MetricDescriptor Validated => new("validationTop1", "validation top-1", "%", MetricFormat.Percent, Better.Higher) { Split = DataSplit.Validation, EachEpoch = true };

    /// <param name="stages">Each as <c>train: {...}</c> in its JSON parts.</param>
    public static SweepSpec Sweep(params (string Stage, string Parameters)[] stages) =>
        new("test", ["lenet5"], ["fashion-mnist"], [0], [.. stages.Select(s => new StageSpec(s.Stage, Json(s.Parameters)))]);

    public static JsonElement Json(string text) => JsonSerializer.Deserialize<JsonElement>(text);

    public static SweepPlan Plan(SweepSpec sweep) => SweepPlanner.Plan(sweep, All);

    private static StageManifest Manifest(string name, StageInput input, StageOutput output, string schema) =>
        new(name, "1", $"Test stage {name}.", input, output, Json(schema), Metrics: output == StageOutput.Metrics ? [.. Measured, .. Sizes] : [.. Sizes, Validated]);
}
