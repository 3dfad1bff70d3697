using System.Collections.Concurrent;
using System.ComponentModel.DataAnnotations;
using System.Text;
using Lathe.Contracts;
using Lathe.Contracts.Panels;
using Lathe.Hosting;

namespace Lathe.Web.Tests;

public enum Curve
{
    Cosine,
    Linear,
}

public sealed record ShapeParameters(
    [SweepModel] string Model,
    [property: Range(0, 1000)] int Epochs = 3,
    [property: Range(0.0, 10.0)] double Rate = 0.1,
    Curve Curve = Curve.Cosine,
    bool Flips = true);

/// <summary>
/// Starts from a model and tells its epochs. Of a model whose name begins with "held" it waits after the second epoch until the test lets it go on; of one whose name
/// begins with "step" it waits after each.
/// </summary>
public sealed class ShapeStage : IStage<ShapeParameters>
{
    private static readonly ConcurrentDictionary<string, TaskCompletionSource> Gates = new();
    private static readonly ConcurrentDictionary<string, SemaphoreSlim> Steps = new();

    public static StageManifest Manifest { get; } = new("shape", "1", "Gives a network its first shape.", StageInput.Model, Contracts.StageOutput.Checkpoint, Metrics: [.. Figures.Sizes, Figures.Held], ReadsData: false);

    public static void Release(string model) => Gate(model).TrySetResult();

    /// <summary>Lets a "step" model compute another epoch.</summary>
    public static void Step(string model) => Steps.GetOrAdd(model, _ => new SemaphoreSlim(0)).Release();

    public StageOutcome Run(StageRun run, ShapeParameters parameters)
    {
        for (var epoch = 1; epoch <= parameters.Epochs; epoch++)
        {
            var (loss, accuracy) = ((0.9 + parameters.Rate) / epoch, 1 - (0.5 / epoch));
            run.Progress.Report(new StageProgress("shaping", epoch, parameters.Epochs, loss, accuracy, 1000, parameters.Epochs - epoch, new EpochFigures(epoch, loss, accuracy)));
            if (epoch == 2 && parameters.Model.StartsWith("held", StringComparison.Ordinal)) Gate(parameters.Model).Task.Wait(run.Stop);
            if (parameters.Model.StartsWith("step", StringComparison.Ordinal)) Steps.GetOrAdd(parameters.Model, _ => new SemaphoreSlim(0)).Wait(run.Stop);
        }

        return new StageOutcome(run.Write(to => to.Write(Encoding.UTF8.GetBytes($"{parameters} {run.Seed}"))), new Dictionary<string, double>(Figures.Of(1, 0)) { [Figures.Held.Name] = 1 - (parameters.Rate / 20) })
        {
            Panels =
            [
                new LineChart("course", "Loss and rate", new AxisInfo("epoch"), new AxisInfo("loss"), [new Line("loss", [1, 2, 3], [1, 0.5, 0.33]), new Line("target", [1, 3], [0.3, 0.3], IsTarget: true)]) { Caption = "The loss falls to its target." },
                new TablePanel("epochs", "Epochs", [new TableColumn("epoch", MetricFormat.Count), new TableColumn("loss")], [[1.0, 1.0], [2.0, 0.5]]) { IsDetail = true },
            ],
        };
    }

    private static TaskCompletionSource Gate(string model) => Gates.GetOrAdd(model, _ => new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously));
}

public sealed record CutParameters([property: Range(0.0, 1.0)] double Share = 0.5, [property: Range(1, 32)] int Bits = 8);

/// <summary>Makes the network smaller; a share below a tenth leaves nothing and fails.</summary>
public sealed class CutStage : IStage<CutParameters>
{
    public static StageManifest Manifest { get; } = new("cut", "2", "Cuts away what is not needed.", StageInput.Checkpoint, Contracts.StageOutput.Checkpoint, Metrics: Figures.Sizes, ReadsData: false);

    public StageOutcome Run(StageRun run, CutParameters parameters)
    {
        if (parameters.Share < 0.1) throw new LatheException($"a share of {parameters.Share} leaves nothing of the network, expected at least 0.1");
        return new StageOutcome(run.Write(to => to.Write(Encoding.UTF8.GetBytes($"{parameters} {run.Seed}"))), Figures.Of(parameters.Share, parameters.Bits))
        {
            Panels =
            [
                new BarChart("widths", "Width of each layer", "channels", ["first", "second", "last"], [new BarSeries("before", [20, 50, 500]), new BarSeries("after", [10, 20, 120])]) { Section = "Widths", Caption = "Channels before and after." },
                new RidgeChart("weights", "Weights", "weight", -1, 1, [new Ridge("before", [1, 4, 9, 4, 1]), new Ridge("after", [0, 8, 3, 8, 0])]) { Section = "Widths", Marks = [new AxisMark(-0.5, "-½"), new AxisMark(0.5, "½")] },
            ],
        };
    }
}

public sealed record JudgeParameters([property: Range(1, 100000)] int Batch = 500);

/// <summary>Measures; figures follow from the checkpoint's text, so that every result has its own.</summary>
public sealed class JudgeStage : IStage<JudgeParameters>
{
    public static StageManifest Manifest { get; } = new("judge", "1", "Measures a network.", StageInput.Checkpoint, Contracts.StageOutput.Metrics, Metrics: Figures.Judged, ReadsData: false);

    public StageOutcome Run(StageRun run, JudgeParameters parameters)
    {
        var text = File.ReadAllText(run.InputPath!);
        var share = Parameter(text, "Share") ?? 1;
        var bits = Parameter(text, "Bits") ?? 0;
        var figures = Figures.Of(share, bits);
        figures["hits"] = 0.95 - (0.05 / (1 + (10 * share))) - (bits > 0 ? 0.05 / bits : 0);
        figures["hitsDense"] = 0.9455;
        return new StageOutcome(run.Input!, figures)
        {
            Panels =
            [
                new HeatMap("confusion", "Confusion", "is", "answered", ["cat", "dog"], ["cat", "dog"], [[90, 10], [20, 80]]) { IsDiagonalRight = true, Section = "Classes" },
                new ScatterChart("plane", "A plane", new AxisInfo("cost", AxisScale.Logarithmic), new AxisInfo("hits %"), [new ScatterPoint(10, 90, "small", OnFront: true), new ScatterPoint(100, 95, "large", OnFront: true, Group: 1), new ScatterPoint(100, 90, "bad")]) { Groups = ["one", "two"], FrontName = "Pareto front", Section = "Classes" },
            ],
        };
    }

    private static double? Parameter(string text, string name) =>
        System.Text.RegularExpressions.Regex.Match(text, name + " = ([0-9.]+)") is { Success: true } match ? double.Parse(match.Groups[1].Value, System.Globalization.CultureInfo.InvariantCulture) : null;
}

internal static class Figures
{
    public static IReadOnlyList<MetricDescriptor> Sizes { get; } =
    [
        new("weights", "weights", Format: MetricFormat.Count, Better: Better.Lower, IsColumn: true, Rank: 20) { LongTitle = "weights of the network" },
        new("width", "bits", Format: MetricFormat.Bits, IsColumn: true, Rank: 30),
        new("space", "KiB", Format: MetricFormat.Bytes, Better: Better.Lower, IsColumn: true, Rank: 40) { LongTitle = "bytes of the network as a device would have to store it, without the header" },
    ];

    public static IReadOnlyList<MetricDescriptor> Judged { get; } =
        [new("hits", "hits", "%", MetricFormat.Percent, Better.Higher, IsColumn: true, DenseName: "hitsDense", Description: "Images classified right.", Rank: 10), .. Sizes];

    /// <summary>No column, as a stage thinks; a search may be for it.</summary>
    public static MetricDescriptor Held { get; } = new("held", "held-out hits", "%", MetricFormat.Percent, Better.Higher, Rank: 15);

    public static Dictionary<string, double> Of(double share, double bits)
    {
        var weights = Math.Round(215_546 * share);
        var figures = new Dictionary<string, double> { ["weights"] = weights, ["space"] = weights * (bits > 0 ? bits : 32) / 8 };
        if (bits > 0) figures["width"] = bits;
        return figures;
    }
}
