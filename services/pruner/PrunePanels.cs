using System.Globalization;
using System.Text.Json;
using Lathe.Contracts;
using Lathe.Contracts.Panels;
using Lathe.Graph.Checkpoints;
using Lathe.NN.Training;
using Lathe.Pruner.Budget;

namespace Lathe.Pruner;

/// <summary>Pictures and tables of a pruning: what it left of each layer, and how it came to its targets.</summary>
public static class PrunePanels
{
    private const string Section = "Pruning";
    private const string Layers = "layers";
    private const string Course = "course";

    /// <summary>What its step in a lineage tells; nothing where that is nothing, or of another version.</summary>
    public static IReadOnlyList<Panel> Of(LineageStep step)
    {
        if (PruningRecord.TryRead(step.Records) is not { } record) return [];
        var panels = new List<Panel>();
        if (record.Layers.Count > 0)
        {
            panels.Add(Bars("widths", "Widths", "channels", record, l => l.WidthBefore, l => l.WidthAfter));
            panels.Add(Bars("multiplications", "Multiplications", "multiplications", record, l => l.MultiplicationsBefore, l => l.MultiplicationsAfter));
            if (record.Bits is { Count: > 0 } bits) panels.Add(Bits(record, bits));
            panels.Add(LayerTable(record));
        }

        if (record.Path.Count > 0) panels.AddRange([Path(record, step), CourseTable(record)]);
        return [.. panels, .. TrainingPanels.Of(record.Training, step.Stage, Section, step.Parameters)];
    }

    private static BarChart Bars(string id, string title, string unit, PruningRecord record, Func<PrunedLayer, double> before, Func<PrunedLayer, double> after) =>
        new(id, title, unit, [.. record.Layers.Select(l => l.Layer)],
            [new BarSeries("before", [.. record.Layers.Select(before)]), new BarSeries("after", [.. record.Layers.Select(after)])])
        {
            Section = Section, Figures = Layers,
        };

    private static BarChart Bits(PruningRecord record, IReadOnlyDictionary<string, int> bits) => new(
        "bits", "Planned bits", "bits of a weight", [.. record.Layers.Where(l => bits.ContainsKey(l.Layer)).Select(l => l.Layer)],
        [new BarSeries("bits", [.. record.Layers.Where(l => bits.ContainsKey(l.Layer)).Select(l => (double)bits[l.Layer])])])
    {
        Section = Section,
        Caption = "Chosen together with the widths, so that the network fits its target for bytes. A quantization with the same target chooses them once more for the trained weights.",
    };

    private static TablePanel LayerTable(PruningRecord record)
    {
        var before = Math.Max(1, record.Layers.Sum(l => l.MultiplicationsBefore));
        return new TablePanel(
            Layers, "Layers",
            [
                new("layer", IsText: true), new("width", MetricFormat.Count), new("left", MetricFormat.Count), new("kept", MetricFormat.Ratio),
                new("mults", MetricFormat.Count), new("left", MetricFormat.Count), new("share", MetricFormat.Ratio),
            ],
            [.. record.Layers.Select(l => (IReadOnlyList<TableCell>)
            [
                l.Layer, l.WidthBefore, l.WidthAfter, (double)l.WidthAfter / l.WidthBefore,
                l.MultiplicationsBefore, l.MultiplicationsAfter, (double)l.MultiplicationsAfter / before,
            ])])
        {
            Section = Section, IsDetail = true, Caption = "Share: multiplications left over those of all these layers before.",
        };
    }

    private static LineChart Path(PruningRecord record, LineageStep step)
    {
        var (parameters, multiplications) = (Dense("parameters"), Dense("multiplications"));
        double[] epochs = [.. record.Path.Select(p => p.Epoch)];
        var lines = new List<Line>
        {
            new("parameters", epochs, [.. record.Path.Select(p => (double?)(p.Parameters / parameters))], 1),
            new("multiplications", epochs, [.. record.Path.Select(p => (double?)(p.Multiplications / multiplications))], 2),
        };
        if (record.Path.All(p => p.TargetParameters is not null))
            lines.Add(new Line("target of parameters", epochs, [.. record.Path.Select(p => p.TargetParameters / parameters)], 1, IsTarget: true));
        if (record.Path.All(p => p.TargetMultiplications is not null))
            lines.Add(new Line("target of multiplications", epochs, [.. record.Path.Select(p => p.TargetMultiplications / multiplications)], 2, IsTarget: true));
        foreach (var (name, i) in Others(record).Select((name, i) => (name, i)))
        {
            var dense = Dense($"{name}Planned");
            lines.Add(new Line(Called(name), epochs, [.. record.Path.Select(p => (double?)(p.Others![name].Value / dense))], 3 + i));
            lines.Add(new Line($"target of {Called(name)}", epochs, [.. record.Path.Select(p => (double?)(p.Others![name].Target / dense))], 3 + i, IsTarget: true));
        }

        return new LineChart("path", "Sizes", new AxisInfo("epoch"), new AxisInfo("share of the input network's", FromZero: true), lines)
        {
            Section = Section,
            Figures = Course,
            Mark = ChosenAt(step) is { } at ? new LineMark("channels chosen", at) : null,
            Caption = $"On the way to the choice of channels and at the end of each epoch, and what they have to come to.{Finish(step)}",
        };

        double Dense(string name) =>
            step.Facts.TryGetValue(name, out var size) && step.Facts.TryGetValue($"{name}Ratio", out var ratio) && ratio > 0 ? size / ratio
                : record.Path[0].Others?.FirstOrDefault(other => name == $"{other.Key}Planned").Value is { } first ? Math.Max(1, first.Value)
                : Math.Max(1, name == "parameters" ? record.Layers.Sum(l => l.ParametersBefore) : record.Layers.Sum(l => l.MultiplicationsBefore));
    }

    /// <summary>Costs beside parameters and multiplications that every point has.</summary>
    private static IReadOnlyList<string> Others(PruningRecord record) =>
        record.Path[0].Others is { } first ? [.. first.Keys.Where(name => record.Path.All(p => p.Others?.ContainsKey(name) == true)).Order(StringComparer.Ordinal)] : [];

    /// <summary>What people call a cost.</summary>
    private static string Called(string name) => name switch
    {
        CostNames.Bytes => "bytes",
        CostNames.RamBytes => "memory",
        _ => name,
    };

    private static TablePanel CourseTable(PruningRecord record)
    {
        var others = Others(record);
        var (closed, reopened) = (0, 0);
        var rows = new List<IReadOnlyList<TableCell>>();
        foreach (var point in record.Path)
        {
            closed += point.Closed;
            reopened += point.Reopened;
            rows.Add(
            [
                point.Epoch.ToString("0.##", CultureInfo.InvariantCulture), point.Parameters, Target(point.TargetParameters),
                point.Multiplications, Target(point.TargetMultiplications),
                .. others.SelectMany(name => (TableCell[])[point.Others![name].Value, Target(point.Others[name].Target)]), closed, reopened,
            ]);
        }

        return new TablePanel(
            Course, "Sizes by epoch",
            [
                new("epoch"), new("params", MetricFormat.Count), new("target", MetricFormat.Count), new("mults", MetricFormat.Count), new("target", MetricFormat.Count),
                .. others.SelectMany(name => (TableColumn[])[new(Called(name), MetricFormat.Count), new("target", MetricFormat.Count)]),
                new("closed", MetricFormat.Count), new("reopened", MetricFormat.Count),
            ],
            rows)
        {
            Section = Section, IsDetail = true, IsCourse = true, Caption = "Closed and reopened: gates since the start.",
        };
    }

    private static TableCell Target(double? target) => target is { } most ? new TableCell(Number: Math.Floor(most)) : new TableCell("free");

    /// <summary>What training did with its gates, and the exact finish after it; nothing where the step does not tell.</summary>
    private static string Finish(LineageStep step)
    {
        var gates = step.Facts.TryGetValue("gatesClosed", out var shut) && step.Facts.TryGetValue("gatesReopened", out var back) && shut > 0
            ? $" Training closed gates {shut:0} times and opened {back:0} of them again." : "";
        var finish = step.Facts.TryGetValue("gatesClosedByFinish", out var closed) && step.Facts.TryGetValue("gatesReopenedByFinish", out var reopened)
            ? $" To meet the targets to the channel the exact finish closed {closed:0} and reopened {reopened:0}." : "";
        return gates + finish;
    }

    /// <summary>When channels were chosen, in epochs; null where that is before the first, or unknown.</summary>
    private static double? ChosenAt(LineageStep step)
    {
        var parameters = step.Parameters;
        return Number("pruningShare") is { } share && Number("epochs") is { } epochs && parameters.TryGetProperty("method", out var method)
            && method.ValueKind == JsonValueKind.String && method.GetString() is "hfp" or "slimming" ? share * epochs : null;

        double? Number(string name) => parameters.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.Number ? value.GetDouble() : null;
    }
}
