using System.Text.Json;
using System.Text.Json.Nodes;
using Lathe.Cli.Embedded;
using Lathe.Contracts;
using Lathe.Coordinator;
using Lathe.Hosting;
using Lathe.NN.Weights;

namespace Lathe.Cli.Data;

/// <summary>
/// Takes the weights that a sweep names, as <c>train: { init: ... }</c> does, into the store, and puts their digest in the place of path or address: what
/// the workers get, and what the key of the training is made from, is the content.
/// </summary>
/// <param name="store">Shared with the workers.</param>
/// <param name="download">Downloads files with an address.</param>
/// <param name="say">Prints one line for the user; null: nothing.</param>
internal sealed class InitialWeights(CheckpointStore store, Download download, Action<string>? say = null)
{
    /// <summary>The sweep with digests.</summary>
    /// <exception cref="LatheException">A file is missing, cannot be downloaded or is no file of weights; one line each with its place.</exception>
    public async Task<SweepDocument> TakeInAsync(SweepDocument sweep, CancellationToken stop)
    {
        var problems = new List<SweepProblem>();
        var stages = new List<StageSpec>();
        foreach (var (stage, i) in sweep.Spec.Stages.Select((s, i) => (s, i)))
        {
            var parameter = ParametersSchema.Marked(BuiltInStages.Manifests.GetValueOrDefault(stage.Stage)?.ParametersSchema, WeightsFileAttribute.Keyword);
            stages.Add(parameter is null ? stage : await TakeInAsync(stage, parameter, JsonPointer.Of("stages", $"{i}", stage.Stage, parameter), sweep.Sources, problems, stop));
        }

        if (problems.Count > 0) throw sweep.Fault(problems);
        return sweep with { Spec = sweep.Spec with { Stages = stages } };
    }

    private async Task<StageSpec> TakeInAsync(StageSpec stage, string parameter, string path, SourceMap sources, List<SweepProblem> problems, CancellationToken stop)
    {
        if (stage.Parameters.ValueKind != JsonValueKind.Object || !stage.Parameters.TryGetProperty(parameter, out var written)) return stage;
        var parameters = JsonNode.Parse(stage.Parameters.GetRawText())!.AsObject();
        if (written.ValueKind == JsonValueKind.Array)
        {
            var digests = new JsonArray();
            foreach (var (one, i) in written.EnumerateArray().Select((one, i) => (one, i))) digests.Add(await DigestAsync(one, $"{path}/{i}", sources, problems, stop));
            parameters[parameter] = digests;
        }
        else
        {
            parameters[parameter] = await DigestAsync(written, path, sources, problems, stop);
        }

        return stage with { Parameters = JsonSerializer.SerializeToElement(parameters) };
    }

    /// <summary>The planner refuses a value that is no text.</summary>
    private async Task<JsonNode?> DigestAsync(JsonElement written, string place, SourceMap sources, List<SweepProblem> problems, CancellationToken stop)
    {
        if (written.ValueKind != JsonValueKind.String || written.GetString() is not { Length: > 0 } source) return JsonNode.Parse(written.GetRawText());
        try
        {
            return (await TakeInAsync(source, sources, stop)).Sha256;
        }
        catch (LatheException problem)
        {
            problems.Add(new SweepProblem(place, problem.Message));
            return null;
        }
    }

    private async Task<CheckpointRef> TakeInAsync(string source, SourceMap sources, CancellationToken stop)
    {
        if (Download.Address(source) is { } address) return await download.UseAsync(address, TakeIn, stop);
        if (sources.FindFile(source) is { } file) return TakeIn(file);
        if (source.Length == 64 && source.All(char.IsAsciiHexDigitLower)) return store.Find(source);
        throw new LatheException($"there is no file {source} (looked in {sources.Folders}); expected a safetensors file, a .pth, or the http address of one");

        CheckpointRef TakeIn(string path) => store.Write(to => WeightFile.Convert(path, to, say));
    }
}
