using System.CommandLine;
using System.Text.Json;
using Lathe.Cli.Data;
using Lathe.Cli.Embedded;
using Lathe.Cli.Output;
using Lathe.Cli.Sources;
using Lathe.Contracts;
using Lathe.Graph.Checkpoints;
using Lathe.Graph.Models;
using Lathe.Hosting;
using Lathe.NN.Checkpoints;
using Lathe.NN.Data;
using Lathe.NN.Onnx;
using Lathe.NN.Runtime;

namespace Lathe.Cli.Commands;

/// <summary><c>lathe evaluate CHECKPOINT</c></summary>
internal static class EvaluateCommand
{
    public static Command Create()
    {
        var checkpoint = new Argument<string>("CHECKPOINT") { Description = CheckpointSource.Description };
        var dataset = new Option<string?>("--dataset") { Description = "Data set to measure on. [default: the one that the checkpoint was made with]", HelpName = "NAME" };
        var latency = new Option<bool>("--latency") { Description = "Also measure latency with ONNX Runtime, for batches of 1 and 32, in turns with the dense ancestor." };
        var json = new Option<bool>("--json") { Description = "Print a JSON object." };
        var command = new DetailedCommand(
            "evaluate",
            "Measures a checkpoint on a data set's test images, and compares it with its dense ancestor if the store has it.",
            """
            Examples:
              lathe evaluate 3f9a
              lathe evaluate 3f9a --latency
              lathe evaluate model.safetensors --data /data/fashion-mnist --dataset fashion-mnist --json
              lathe evaluate net.onnx --dataset fashion-mnist
            """) { checkpoint, dataset, latency, json };
        command.SetAction((call, stop) => Task.Run(async () =>
        {
            var terminal = new Terminal(call.GetValue(json));
            var source = CommonOptions.Checkpoints(call, terminal);
            var path = await source.PathOfAsync(call.GetValue(checkpoint)!, stop);
            // Read before anything computes, which stays on one thread from then on.
            var dense = await DenseAsync(path, source, terminal, stop);
            var found = Run(path, dense, call.GetValue(dataset), call.GetValue(latency), CommonOptions.Settings(call), terminal, stop);
            if (call.GetValue(json)) Console.Out.WriteLine(JsonSerializer.Serialize(found, LatheJson.Indented));
            else found.Show(terminal);
            return LatheCommand.Success;
        }, stop));
        return command;
    }

    private static CheckpointEvaluation Run(string path, string? densePath, string? dataset, bool isTimed, HostingSettings settings, Terminal terminal, CancellationToken stop)
    {
        var compute = ComputeSetup.Of(settings.Threads, settings.Device);
        using var checkpoint = ImportedModels.IsOne(path) ? ImportedModels.Read(path).ToCheckpoint() : CheckpointFile.Read(path);
        var wanted = dataset ?? (checkpoint.Lineage.Steps is [.., var last] ? last.Data?.Name : null)
            ?? throw new LatheException($"{path} does not say what it was trained on; name the data set with --dataset");
        var place = DataPlaces.Find(wanted, settings);
        if (DataPlaces.Elsewhere(wanted, place, settings) is { } elsewhere) terminal.Say(elsewhere);
        var data = DataSets.Open(wanted, place, new ImageOptions(checkpoint.Graph.Input.Height));
        OwnNetwork.CheckFits(checkpoint.Graph, data.Input, data.Classes);
        if (MadeOn.Warning(checkpoint.Lineage, wanted, settings) is { } other) terminal.Say($"warning: {other}");

        using var dense = densePath is null ? null : CheckpointFile.Read(densePath);
        var (figures, records) = BuiltInStages.Measure(checkpoint, dense, data, isTimed, compute, settings.Threads, stop);
        if (data.DamageReport is { } damage) terminal.Say($"warning: {damage}");
        return new CheckpointEvaluation(path, checkpoint.Graph.Name, wanted, data.Test.Count, figures, records);
    }

    /// <summary>File of a checkpoint's dense ancestor; null: it has none, or it is not at hand.</summary>
    private static async Task<string?> DenseAsync(string path, CheckpointSource source, Terminal terminal, CancellationToken stop)
    {
        if (ImportedModels.IsOne(path) || CheckpointHeader.Read(path).Lineage.Dense is not { } dense) return null;
        try
        {
            return await source.PathOfAsync(dense, stop);
        }
        catch (LatheException problem)
        {
            // The ancestor of a checkpoint that was given as a file may not be in this store.
            terminal.Say($"not compared with the dense ancestor: {problem.Message}");
            return null;
        }
    }
}
