using System.Security.Cryptography;
using Lathe.Contracts;
using Lathe.Coordinator;
using Lathe.Graph.Onnx;
using Lathe.Hosting;
using Lathe.NN.Checkpoints;
using Lathe.NN.Onnx;

namespace Lathe.Cli.Data;

/// <summary>
/// Imports the ONNX files and checkpoints that <c>model: ...</c> names into the store as checkpoints, and replaces path or address with their digests.
/// Workers and execution keys therefore depend on the network alone, not on the place or name of its file.
/// </summary>
/// <param name="store">Shared with the workers.</param>
/// <param name="download">Downloads files with an address.</param>
/// <param name="say">Prints one line for the user.</param>
internal sealed class ImportedModels(CheckpointStore store, Download download, Action<string> say)
{
    private static readonly string[] Extensions = [".onnx", ".tflite", ".h5", ".hdf5"];
    private const int DigitsOfName = 12;

    private const string CheckpointExtension = ".safetensors";
    private const int FewestDigits = 4;

    private static readonly string[] OtherFiles = [".pt", ".pth", ".keras", ".pb"];

    /// <summary>Whether a name belongs to an ONNX, TFLite or Keras file.</summary>
    public static bool IsOne(string name) => Extensions.Any(extension => name.EndsWith(extension, StringComparison.OrdinalIgnoreCase));

    /// <summary>The network of an ONNX file, named by the file's digest: the same file gives the same bytes under any name.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="LatheException">Not there, damaged, or with operators that a network cannot have.</exception>
    public static ImportedNetwork Read(string path)
    {
        var network = OnnxImport.Read(path);
        using var file = File.OpenRead(path);
        return network with { Graph = network.Graph with { Name = $"onnx-{Convert.ToHexStringLower(SHA256.HashData(file))[..DigitsOfName]}" } };
    }

    /// <summary>The sweep with networks of the store instead of files.</summary>
    /// <exception cref="LatheException">A file is missing or cannot be imported, or two are the same; one line each with its place.</exception>
    public async Task<SweepDocument> TakeInAsync(SweepDocument sweep, CancellationToken stop)
    {
        var problems = new List<SweepProblem>();
        var models = new List<string>();
        foreach (var (written, i) in sweep.Spec.Models.Select((m, i) => (m, i)))
        {
            try
            {
                models.Add(await TakeInAsync(written, sweep.Sources, stop));
                if (StoredModel.TryParse(models[i]) is { } taken && models.FindIndex(m => StoredModel.Parameter(m) == taken.Sha256) is var same && same < i)
                    problems.Add(new SweepProblem($"/models/{i}", $"{written} is the same network as {sweep.Spec.Models[same]}"));
            }
            catch (LatheException problem)
            {
                models.Add(written);
                problems.Add(new SweepProblem($"/models/{i}", problem.Message));
            }
        }

        if (problems.Count > 0) throw sweep.Fault(problems);
        return sweep with { Spec = sweep.Spec with { Models = [.. models.Select(model => Distinct(model, models))] } };
    }

    private async Task<string> TakeInAsync(string written, SourceMap sources, CancellationToken stop)
    {
        if (StoredModel.TryParse(written) is { } stored) return stored.ToString();
        if (written.Length >= FewestDigits && written.All(char.IsAsciiHexDigitLower)) return new StoredModel(written, store.Find(written).Sha256).ToString();
        var address = Download.Address(written);
        if (address is null && !IsOne(written) && !IsCheckpoint(written)) return OtherFiles.Contains(Path.GetExtension(written).ToLowerInvariant()) ? throw NoOnnx(written) : written;
        if (address is not null) return Named(await download.UseAsync(address, file => TakeIn(file, written), stop), address.AbsolutePath);
        return sources.FindFile(written) is { } file
            ? Named(TakeIn(file, written), file)
            : throw new LatheException($"there is no file {written} (looked in {sources.Folders}); expected an ONNX file, a checkpoint, or a model's name (lathe models shows them)");
    }

    private static bool IsCheckpoint(string name) => name.EndsWith(CheckpointExtension, StringComparison.OrdinalIgnoreCase);

    private CheckpointRef TakeIn(string path, string written)
    {
        if (IsCheckpoint(written)) return TakeInCheckpoint(path, written);
        var network = Read(path);
        ImportCheck.Compare(network, path, written);
        foreach (var note in network.Notes) say($"{written}: {note}");
        using var checkpoint = network.ToCheckpoint();
        return store.Write(to => CheckpointFile.Write(to, checkpoint));
    }

    /// <summary>Copies it unchanged, so that it keeps its digest.</summary>
    private CheckpointRef TakeInCheckpoint(string path, string written)
    {
        try
        {
            using (CheckpointFile.Read(path))
            {
                using var file = File.OpenRead(path);
                return store.Write(file.CopyTo);
            }
        }
        catch (LatheException fault)
        {
            throw new LatheException(
                $"{written} is no checkpoint of Lathe: {fault.Message}; weights of another program go with a model of the zoo, train: {{ init: FILE }}", inner: fault);
        }
    }

    private static string Named(CheckpointRef network, string path)
    {
        var name = new string([.. Path.GetFileNameWithoutExtension(path).Select(c => char.IsLetterOrDigit(c) || c is '-' or '_' or '.' or '@' ? c : '_')]);
        return new StoredModel(name.Length > 0 ? name : "onnx", network.Sha256).ToString();
    }

    /// <summary>Adds a part of the digest if another model of the sweep has the same name in tables.</summary>
    private static string Distinct(string model, List<string> all) =>
        StoredModel.TryParse(model) is { } stored && all.Count(other => StoredModel.Shown(other) == stored.Name) > 1
            ? (stored with { Name = $"{stored.Name}-{stored.Sha256[..6]}" }).ToString()
            : model;

    private static LatheException NoOnnx(string written) => new(
        $"{written} is no ONNX, TFLite or Keras .h5 file; export the network (from PyTorch with torch.onnx.export, from Keras with model.save(\"net.h5\") or tf2onnx) and name that file");
}
