using System.Text.Json;
using Lathe.Cli.Data;
using Lathe.Cli.Embedded;
using Lathe.Contracts;
using Lathe.Contracts.Panels;
using Lathe.Graph;
using Lathe.Graph.Checkpoints;
using Lathe.Graph.Sizing;
using Lathe.Reports.Terminals;
using Spectre.Console;
using Spectre.Console.Rendering;
using TableCell = Lathe.Contracts.Panels.TableCell;

namespace Lathe.Cli.Output;

/// <summary>What a checkpoint says of itself.</summary>
internal sealed record CheckpointInspection(
    string File,
    long FileBytes,
    string Model,
    string Input,
    long Parameters,
    long Multiplications,
    CheckpointSize Bytes,
    CheckpointText Header,
    IReadOnlyList<InspectedLayer> Layers,
    Lineage Lineage)
{
    /// <summary>Of a checkpoint, or of the network in an ONNX file.</summary>
    /// <exception cref="LatheException">Not a checkpoint, or damaged.</exception>
    public static CheckpointInspection Of(string path)
    {
        if (!ImportedModels.IsOne(path)) return Of(path, CheckpointHeader.Read(path));
        var network = ImportedModels.Read(path);
        var none = new Dictionary<string, WeightFormat>();
        return Of(path, new CheckpointHeader(
            network.Graph, Lineage.Empty, none, [], CheckpointSize.Of(network.Graph, none), new CheckpointText(0, 0, 0), new FileInfo(path).Length));
    }

    private static CheckpointInspection Of(string path, CheckpointHeader header)
    {
        var graph = header.Graph;
        var size = Complexity.Of(graph);
        var shapes = ShapeInference.Infer(graph);
        var layers = size.Layers.ToDictionary(l => l.Node);
        return new CheckpointInspection(
            path,
            header.FileBytes,
            graph.Name,
            graph.Input.ToString(),
            size.Parameters,
            size.Multiplications,
            header.Size,
            header.Text,
            [
                .. graph.Nodes.Select(node => new InspectedLayer(
                    node.Name, node.GetType().Name, shapes[node.Name].ToString(),
                    layers.GetValueOrDefault(node.Name)?.Parameters ?? 0,
                    layers.GetValueOrDefault(node.Name)?.Multiplications ?? 0,
                    header.Formats.GetValueOrDefault($"{node.Name}.weight")?.Bits,
                    CheckpointSize.Of(ParameterShapes.Of(node), header.Formats).Total)),
            ],
            header.Lineage);
    }

    public string ToJson() => JsonSerializer.Serialize(this, LatheJson.Indented);

    public void Show(Terminal terminal)
    {
        terminal.Line($"{Model} for images {Input}: {Figures.Count(Parameters)} parameters, {Figures.Count(Multiplications)} multiplications, {Figures.Size(Bytes.Total)} of tensors ({File})");
        terminal.Line("");
        Show(terminal, LayerTable());
        var bytes = new TextTable("part of the file", new TextColumn("", IsRight: true));
        foreach (var (kind, count) in ((string, long)[])[
            ("packed weights", Bytes.PackedWeights), ("step sizes", Bytes.StepSizes), ("float weights", Bytes.FloatWeights),
            ("batch norm", Bytes.BatchNorm), ("biases", Bytes.Bias), ("all tensors", Bytes.Total),
            ("graph", Header.Graph), ("history", Header.History), ("index of tensors", Header.Index), ("file", FileBytes)])
        {
            if (count > 0) bytes.Add(kind, Figures.Size(count));
        }

        terminal.Write(bytes.Content);
        terminal.Line("");
        ShowLineage(terminal);
    }

    private TablePanel LayerTable() => new(
        "layers", "",
        [
            new("layer", IsText: true), new("kind", IsText: true), new("output", IsText: true), new("parameters", MetricFormat.Count),
            new("mults", MetricFormat.Count), new("bits", MetricFormat.Bits), new("bytes", MetricFormat.Count),
        ],
        [.. Layers.Select(l => (IReadOnlyList<TableCell>)[l.Name, l.Kind, l.Output, Some(l.Parameters), Some(l.Multiplications), Some(l.Bits ?? 0), Some(l.Bytes)])]);

    /// <summary>What a layer has none of is left out.</summary>
    private static TableCell Some(long number) => number == 0 ? new TableCell("") : new TableCell(Number: number);

    private void ShowLineage(Terminal terminal)
    {
        foreach (var step in Lineage.Steps)
        {
            terminal.Line($"{step.Stage} (version {step.Version}){(step.Data is { } data ? $" on {data.Name}" : "")}, seed {step.Seed}{(step.Input is null ? "" : $", from {Figures.Digest(step.Input.Sha256)}")}");
            terminal.Write(Indented(step.Parameters.EnumerateObject().Select(p => $"{p.Name}={Ways.Value(p.Value)}")));
            if (step.Facts.Count > 0) terminal.Write(Indented(step.Facts.Select(f => $"{f.Key}={Figures.Fact(f.Value)}")));
            terminal.Write(Indented(step.Versions.Select(v => $"{v.Key}={v.Value}")));
            terminal.Line("");
            foreach (var panel in PanelText.Of(BuiltInStages.PanelsOf(step), terminal.Width)) Show(terminal, panel);
        }

        if (Lineage.Dense is { } dense) terminal.Line($"dense ancestor {dense.Sha256}");
    }

    private static Padder Indented(IEnumerable<string> words) => new(new Text(string.Join(' ', words)), new Padding(2, 0, 0, 0));

    private static void Show(Terminal terminal, TablePanel table)
    {
        if (PanelText.Of(table, terminal.Width) is { } text) Show(terminal, text);
    }

    private static void Show(Terminal terminal, IRenderable content)
    {
        terminal.Write(content);
        terminal.Line("");
    }
}

/// <summary>One node of a checkpoint's graph.</summary>
/// <param name="Name">Name of the node.</param>
/// <param name="Kind">What it computes.</param>
/// <param name="Output">Shape of its output for one image.</param>
/// <param name="Parameters">Trainable values.</param>
/// <param name="Multiplications">Products for one image.</param>
/// <param name="Bits">Bits of a weight where it is packed.</param>
/// <param name="Bytes">Stored bytes of all its tensors.</param>
internal sealed record InspectedLayer(string Name, string Kind, string Output, long Parameters, long Multiplications, int? Bits, long Bytes);
