using System.Globalization;
using System.Text.Json;
using Lathe.Cli.Data;
using Lathe.Contracts;
using Lathe.NN.Checkpoints;
using Lathe.NN.Graphs;
using Lathe.NN.Sizing;
using Lathe.Pruner;
using Lathe.Quantizer;
using Spectre.Console;
using Spectre.Console.Rendering;

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
    private const int Gap = 2;
    private const int LeastName = 12;

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
        string[] names = ["layer", "kind", "output", "parameters", "mults", "bits", "bytes"];
        var layers = Columns(names);
        var name = Math.Max(LeastName, terminal.Width - FiguresWidth(names.AsSpan(1)));
        foreach (var layer in Layers)
        {
            layers.AddRow(
                new Text(PruningTable.Shortened(layer.Name, name)), new Text(layer.Kind), new Text(layer.Output), Number(layer.Parameters), Number(layer.Multiplications),
                new Text(layer.Bits?.ToString() ?? ""), Number(layer.Bytes));
        }

        terminal.Write(layers);
        terminal.Line("");
        var bytes = Columns("part of the file", "");
        foreach (var (kind, count) in ((string, long)[])[
            ("packed weights", Bytes.PackedWeights), ("step sizes", Bytes.StepSizes), ("float weights", Bytes.FloatWeights),
            ("batch norm", Bytes.BatchNorm), ("biases", Bytes.Bias), ("all tensors", Bytes.Total),
            ("graph", Header.Graph), ("history", Header.History), ("index of tensors", Header.Index), ("file", FileBytes)])
        {
            if (count > 0) bytes.AddRow(new Text(kind), new Text(Figures.Size(count)));
        }

        terminal.Write(bytes);
        terminal.Line("");
        ShowLineage(terminal);
    }

    /// <summary>Columns that all the columns but the names' take, gaps included.</summary>
    private int FiguresWidth(ReadOnlySpan<string> headings)
    {
        int[] widest =
        [
            Layers.Max(l => l.Kind.Length), Layers.Max(l => l.Output.Length), Layers.Max(l => Figures.Count(l.Parameters).Length),
            Layers.Max(l => Figures.Count(l.Multiplications).Length), 0, Layers.Max(l => Figures.Count(l.Bytes).Length),
        ];
        var width = Gap;
        for (var i = 0; i < widest.Length; i++) width += Math.Max(widest[i], headings[i].Length) + Gap;
        return width;
    }

    private void ShowLineage(Terminal terminal)
    {
        foreach (var step in Lineage.Steps)
        {
            terminal.Line($"{step.Stage} (version {step.Version}) on {step.Data.Name}, seed {step.Seed}{(step.Input is null ? "" : $", from {Figures.Digest(step.Input.Sha256)}")}");
            terminal.Write(Indented(step.Parameters.EnumerateObject().Select(p => $"{p.Name}={Ways.Value(p.Value)}")));
            if (step.Facts.Count > 0) terminal.Write(Indented(step.Facts.Select(f => string.Create(CultureInfo.InvariantCulture, $"{f.Key}={f.Value:0.######}"))));
            terminal.Write(Indented(step.Versions.Select(v => $"{v.Key}={v.Value}")));
            if (QuantizationTable.Rounding(step) is { } rounding) terminal.Line($"  {rounding}");
            terminal.Line("");
            if (step.Stage == PruneStage.Manifest.Name && PruningRecord.TryRead(step.Records) is { } pruning)
                ShowTables(terminal, PruningTable.Layers(pruning, terminal.Width), PruningTable.Path(pruning));
            if (step.Stage == QuantizeStage.Manifest.Name && QuantizationRecord.TryRead(step.Records) is { } quantization)
            {
                ShowTables(
                    terminal,
                    [
                        QuantizationTable.Layers(quantization, terminal.Width), quantization.Course.Epochs.Count == 0 ? null : QuantizationTable.Course(quantization),
                        .. quantization.Histograms.Where(h => h.Layer is null && h.Counts.Count > 0).Select(h => WeightRidges.Draw(h, quantization.Layers)),
                    ]);
            }
        }

        if (Lineage.Dense is { } dense) terminal.Line($"dense ancestor {dense.Sha256}");
    }

    private static Padder Indented(IEnumerable<string> words) => new(new Text(string.Join(' ', words)), new Padding(2, 0, 0, 0));

    private static void ShowTables(Terminal terminal, params IRenderable?[] tables)
    {
        foreach (var table in tables.OfType<IRenderable>())
        {
            terminal.Write(table);
            terminal.Line("");
        }
    }

    private static Text Number(long number) => new(number == 0 ? "" : Figures.Count(number), new Style());

    private static Table Columns(params string[] names)
    {
        var table = new Table().Border(TableBorder.None);
        foreach (var name in names)
        {
            var column = new TableColumn(new Markup($"[bold]{name}[/]")).PadLeft(0).PadRight(Gap).NoWrap();
            table.AddColumn(name is "parameters" or "mults" or "bits" or "bytes" or "" ? column.RightAligned() : column);
        }

        return table;
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
