using System.Text.Json;
using Lathe.Contracts;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace Lathe.Cli.Tests.Output;

/// <summary>A sweep as it looks when it runs and when it is done.</summary>
internal static class Samples
{
    public static readonly DateTimeOffset Start = new(2026, 1, 2, 3, 4, 5, TimeSpan.Zero);

    public static JsonElement Json(string text) => JsonDocument.Parse(text).RootElement;

    public static ExecutionStatus Execution(
        int index, int? parent, string stage, string parameters, ExecutionState state, string[]? varied = null, StageProgress? progress = null,
        double? seconds = null, double? top1 = null, string? error = null) =>
        new(index, parent, stage, "lenet5", "fashion-mnist", 1, Json(parameters), varied ?? [], state, null, null, progress, null,
            top1 is null ? new Dictionary<string, double>() : new Dictionary<string, double> { ["top1"] = top1.Value, ["loss"] = 0.25 }, seconds, error);

    public static SweepStatus Running { get; } = new(Guid.Empty, "fashion-lenet5", SweepState.Running, Start, null,
    [
        Execution(0, null, "train", """{"epochs":6}""", ExecutionState.Cached, seconds: 61),
        Execution(1, 0, "evaluate", "{}", ExecutionState.Completed, seconds: 2, top1: 0.9256),
        Execution(2, 0, "prune", """{"multiplications":0.5}""", ExecutionState.Completed, ["multiplications"], seconds: 40),
        Execution(3, 2, "quantize", """{"bits":2}""", ExecutionState.Running, ["bits"],
            new StageProgress("training", 3.4, 6, 0.31234, 0.8912, 12_345, 28, new EpochFigures(3, 0.45678, 0.8765))),
        Execution(4, 3, "evaluate", "{}", ExecutionState.Waiting),
        Execution(5, 2, "quantize", """{"bits":4}""", ExecutionState.Queued, ["bits"]),
        Execution(6, 5, "evaluate", "{}", ExecutionState.Waiting),
        Execution(7, 0, "prune", """{"multiplications":0.25}""", ExecutionState.Failed, ["multiplications"], error: "the target is too small"),
        Execution(8, 7, "evaluate", "{}", ExecutionState.Skipped),
    ]);

    public static LeafResult Leaf(double? multiplications, int? bits, double top1, double bytes, bool cached = false)
    {
        var none = new Dictionary<string, double>();
        var stages = new List<StageResult> { new("train", Json("""{"epochs":6}"""), new string('a', 64), new CheckpointRef(new string('b', 64), 900_000), 61, cached, none) };
        if (multiplications is not null)
            stages.Add(new StageResult("prune", Json($$"""{"method":"hfp","multiplications":{{multiplications}}}"""), null, null, 40, cached, none));
        if (bits is not null) stages.Add(new StageResult("quantize", Json($$"""{"bits":{{bits}}}"""), null, null, 35.4, cached, none));
        var measured = new Dictionary<string, double>
        {
            ["top1"] = top1, ["top1Dense"] = 0.9256, ["loss"] = 0.25, ["bytes"] = bytes, ["bytesDense"] = 862_952, ["peakActivationBytes"] = 69_018,
            ["parameters"] = multiplications is null ? 215_546 : 53_197, ["parametersRatio"] = multiplications is null ? 1 : 0.2468,
            ["multiplications"] = multiplications is null ? 3_024_384 : 755_904, ["multiplicationsRatio"] = multiplications is null ? 1 : 0.24994,
        };
        if (bits is not null) measured["bits"] = bits.Value;
        stages.Add(new StageResult("evaluate", Json("{}"), null, null, 1.6, cached, measured, OnlyMeasures: true));
        return new LeafResult("lenet5", "fashion-mnist", 1, ExecutionState.Completed, stages).With(Figures(
            top1, 0.9256, 0.25, multiplications is null ? 215_546 : 53_197, multiplications is null ? 1 : 0.2468,
            multiplications is null ? 3_024_384 : 755_904, multiplications is null ? 1 : 0.24994, bits, bytes));
    }

    /// <summary>The figures of a row, as the built-in stages describe them.</summary>
    public static Dictionary<string, double?> Figures(
        double? top1, double? top1Dense, double? loss, double? parameters, double? parametersRatio, double? multiplications, double? multiplicationsRatio,
        double? bits, double? bytes) => new()
    {
        ["top1"] = top1, ["top1Dense"] = top1Dense, ["loss"] = loss, ["parameters"] = parameters, ["parametersRatio"] = parametersRatio,
        ["multiplications"] = multiplications, ["multiplicationsRatio"] = multiplicationsRatio, ["bits"] = bits, ["bytes"] = bytes,
    };

    public static IReadOnlyList<LeafResult> Leaves { get; } =
        [Leaf(null, null, 0.9256, 862_952), Leaf(0.5, 2, 0.9131, 25_000), Leaf(0.25, 2, 0.9084, 13_721, cached: true), Leaf(0.25, 4, 0.91, 27_000)];

    /// <summary>What stands on a terminal of this width.</summary>
    public static string[] Draw(IRenderable content, int width)
    {
        var text = new StringWriter { NewLine = "\n" };
        var console = AnsiConsole.Create(new AnsiConsoleSettings
        {
            Ansi = AnsiSupport.No,
            ColorSystem = ColorSystemSupport.NoColors,
            Out = new AnsiConsoleOutput(text),
        });
        console.Profile.Width = width;
        console.Write(content);
        return [.. text.ToString().TrimEnd('\n').Split('\n').Select(line => line.TrimEnd())];
    }
}
