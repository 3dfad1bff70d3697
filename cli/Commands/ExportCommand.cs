using System.CommandLine;
using System.Security.Cryptography;
using Lathe.Cli.Data;
using Lathe.Exports;
using Lathe.Cli.Output;
using Lathe.Cli.Sources;
using Lathe.Contracts;
using Lathe.Graph.Onnx;
using Lathe.Hosting;
using Lathe.NN.Checkpoints;
using Lathe.NN.Runtime;

namespace Lathe.Cli.Commands;

/// <summary><c>lathe export CHECKPOINT</c></summary>
internal static class ExportCommand
{
    private const int DefaultImages = 1000;

    public static Command Create()
    {
        var checkpoint = new Argument<string>("CHECKPOINT") { Description = CheckpointSource.Description };
        var format = new Option<string?>("--format") { Description = $"One of {ExportFormat.Names}. [default: by the ending of FILE]", HelpName = "FORMAT" };
        var file = new Option<string>("--out") { Description = "File to write. An existing file is replaced atomically.", HelpName = "FILE", Required = true };
        var weights = new Option<string?>("--weights")
        {
            Description = "Type of the weights in onnx-qdq (int8, int4 or int2) and tflite (int8 or int4). ONNX Runtime computes on integers only with int8. [default: int8]",
            HelpName = "TYPE",
        };
        var images = new Option<int>("--images")
        {
            Description = "Largest number of images to verify the export on.",
            HelpName = "COUNT",
            DefaultValueFactory = _ => DefaultImages,
        };
        var command = new DetailedCommand(
            "export",
            "Exports a checkpoint for other programs, and verifies that the export computes the same.",
            $"""
            Formats:
            {string.Join('\n', ExportFormat.All.Select(f => $"  {f.Name,-12} {f.Summary}"))}

            Every export is verified before it is written: on the first test images of the data set that the checkpoint was made with, or on seeded random
            images if that data set is missing.

            Examples:
              lathe export 3f9a --out lenet5.onnx
              lathe export 3f9a --format onnx-qdq --weights int4 --out lenet5.onnx
              lathe export 3f9a --weights int4 --out lenet5.tflite
              lathe export 3f9a --out lenet5.c
              lathe export model.safetensors --out state_dict.safetensors
            """) { checkpoint, format, file, weights, images };
        command.SetAction((call, stop) => Task.Run(async () =>
        {
            var wanted = call.GetValue(format) is { } named ? ExportFormat.Find(named) : ExportFormat.For(call.GetValue(file)!);
            var type = call.GetValue(weights) is { } name ? WeightType(name, wanted) : null;
            var count = call.GetValue(images);
            if (count < 1) throw new LatheException($"--images {count}: expected at least 1");
            var settings = CommonOptions.Settings(call);
            OutputFile.Check("--out", call.GetValue(file)!);
            var path = await CommonOptions.Checkpoints(call, new Terminal()).PathOfAsync(call.GetValue(checkpoint)!, stop);
            Run(path, wanted, call.GetValue(file)!, type, count, call.GetValue(SettingsOptions.Data) is not null, settings, stop);
            return LatheCommand.Success;
        }, stop));
        return command;
    }

    private static void Run(string path, ExportFormat format, string file, OnnxWeightType? weights, int count, bool isOnData, HostingSettings settings, CancellationToken stop)
    {
        if (OutputFile.Target(file) == OutputFile.Target(path))
            throw new LatheException($"--out {file}: is the checkpoint itself, which would be lost; name another file");
        if (ImportedModels.IsOne(path))
            throw new LatheException($"{path} is an ONNX file, and only checkpoints are exported; train, prune or quantize it first, with 'model: {path}' in a sweep");
        TorchRuntime.Configure(settings.Threads);
        using var checkpoint = CheckpointFile.Read(path);
        var images = VerificationImages.For(checkpoint, settings, isOnData, count).Until(stop);
        var exported = format.Make(new ExportJob(checkpoint, Digest(path), file, weights, images, settings.Threads));
        stop.ThrowIfCancellationRequested();
        OutputFile.WriteAll("--out", file, [.. exported.Files.Select(written => (written.Path, written.Content))]);
        var terminal = new Terminal();
        foreach (var line in exported.Lines) terminal.Line(line);
        if (images.Normalization is not null && checkpoint.Lineage.Steps[^1].Data is { } data && MadeOn.Warning(checkpoint.Lineage, data.Name, settings) is { } other)
            terminal.Say($"warning: {other}. Export it with --data for the files that it was trained on");
    }

    private static OnnxWeightType? WeightType(string name, ExportFormat format)
    {
        if (format.WeightTypes.Count == 0)
        {
            var with = string.Join(" or ", ExportFormat.All.Where(f => f.WeightTypes.Count > 0).Select(f => $"--format {f.Name}"));
            throw new LatheException($"--weights {name}: goes with {with} alone");
        }

        return format.WeightTypes.Where(type => type.ToString().Equals(name, StringComparison.OrdinalIgnoreCase)).Select(type => (OnnxWeightType?)type).FirstOrDefault()
            ?? throw new LatheException($"--weights {name}: with --format {format.Name}, expected one of {string.Join(", ", format.WeightTypes.Select(type => type.ToString().ToLowerInvariant()))}");
    }

    private static string Digest(string path)
    {
        using var file = File.OpenRead(path);
        return Convert.ToHexStringLower(SHA256.HashData(file));
    }
}
