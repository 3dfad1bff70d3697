using System.Globalization;
using System.Text.Json;
using Lathe.Cli.Data;
using Lathe.Cli.Output;
using Lathe.Cli.Sweeps;
using Lathe.Cli.Tests.Output;
using Lathe.Cli.Tests.Sweeps;
using Lathe.Contracts;
using Lathe.Coordinator;
using Lathe.Graph;
using Lathe.Graph.Checkpoints;
using Lathe.Graph.Models;
using Lathe.Hosting;
using Lathe.NN.Checkpoints;
using Lathe.NN.Data;
using Lathe.NN.Execution;
using Lathe.NN.Onnx;
using Lathe.NN.Runtime;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Lathe.Cli.Tests.Data;

public sealed class ImportedModelsTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("lathe-test-").FullName;
    private readonly HttpClient _http = new();
    private readonly CheckpointStore _store;
    private readonly List<string> _said = [];

    public ImportedModelsTests()
    {
        TorchRuntime.Configure(1);
        _store = new CheckpointStore(new FolderBlobs(Path.Combine(_folder, "store")));
    }

    public void Dispose()
    {
        _http.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public async Task A_file_beside_the_sweep_becomes_a_checkpoint_of_the_store()
    {
        Net("nets/mine.onnx", seed: 3);
        var sweep = await TakeInAsync("nets/mine.onnx");
        var model = StoredModel.TryParse(Assert.Single(sweep.Spec.Models))!.Value;
        Assert.Equal("mine", model.Name);
        var plan = Beforehand.Plan(sweep);
        await Beforehand.CheckAsync(sweep, Path.Combine(_folder, "store"));
        Assert.Equal(model.Sha256, plan.Executions[0].Parameters.GetProperty("model").GetString());

        using var taken = CheckpointFile.Read(_store.PathOf(_store.Find(model.Sha256)));
        using var original = GraphModule.Create(Zoo.Build("lenet5", new(1, 28, 28), 10), seed: 3);
        Assert.True(taken.Tensors["features.0.weight"].allclose(original.Parameters["features.0.weight"], 0, 0));
    }

    [Fact]
    public async Task What_a_result_depends_on_is_the_content_and_not_the_path()
    {
        Net("a/mine.onnx", seed: 3);
        Directory.CreateDirectory(Path.Combine(_folder, "b"));
        File.Copy(Path.Combine(_folder, "a/mine.onnx"), Path.Combine(_folder, "b/other.onnx"));
        Net("c/mine.onnx", seed: 4);
        var (first, second, third) = (await PlanAsync("a/mine.onnx"), await PlanAsync(Path.Combine(_folder, "b/other.onnx")), await PlanAsync("c/mine.onnx"));
        Assert.Equal(Parameters(first), Parameters(second));
        Assert.NotEqual(Parameters(first), Parameters(third));

        // What the report prints to run a result again names the network by its digest, with or without the file.
        var again = await PlanAsync(first.Executions[0].Model);
        Assert.Equal(Parameters(first), Parameters(again));

        static string Parameters(SweepPlan plan) => CanonicalJson.Write(plan.Executions[0].Parameters);
    }

    [Fact]
    public async Task Models_of_the_zoo_and_files_are_an_axis_and_have_short_names_in_tables()
    {
        Net("a/mine.onnx", seed: 3);
        Net("b/mine.onnx", seed: 4);
        var sweep = await TakeInAsync("[lenet5, a/mine.onnx, b/mine.onnx]");
        Assert.Equal(3, Beforehand.Plan(sweep).Executions.Count);
        var leaves = sweep.Spec.Models.Select(model => Samples.Leaf(null, null, 0.9, 1) with { Model = model }).ToList();
        var names = ShownResults.Of(new SweepResults(Embedded.BuiltInStages.Metrics, leaves)).Ways.Select(way => way[0]).ToList();
        Assert.Equal("lenet5", names[0]);
        Assert.Matches("^mine-[0-9a-f]{6}$", names[1]);
        Assert.NotEqual(names[1], names[2]);
    }

    [Fact]
    public async Task A_softmax_at_the_end_is_told_of()
    {
        File.Copy(Path.Combine(Lathe.Testing.Checkout.Root, "tests/Lathe.NN.Tests/Onnx/fixtures/small-17.onnx"), Path.Combine(_folder, "soft.onnx"));
        await TakeInAsync("soft.onnx");
        Assert.Equal(["soft.onnx: Softmax '/Softmax' at the end is left out: logits are what is trained and compared"], _said);
    }

    [Fact]
    public async Task What_cannot_be_taken_is_told_with_its_place_all_at_once()
    {
        Net("mine.onnx", seed: 3);
        File.Copy(Path.Combine(_folder, "mine.onnx"), Path.Combine(_folder, "same.onnx"));
        await File.WriteAllTextAsync(Path.Combine(_folder, "garbage.onnx"), "no network in here");
        var error = await Assert.ThrowsAsync<LatheException>(() => TakeInAsync("[none.onnx, mine.onnx, same.onnx, garbage.onnx, weights.pth]"));
        var lines = error.Message.Split('\n');
        Assert.Equal(4, lines.Length);
        Assert.StartsWith($"{_folder}/sweep.yaml:1:9: model[0]: there is no file none.onnx (looked in {_folder} and {Path.GetFullPath(".")}); expected an ONNX file", lines[0]);
        Assert.Equal($"{_folder}/sweep.yaml:1:31: model[2]: same.onnx is the same network as mine.onnx", lines[1]);
        Assert.StartsWith($"{_folder}/sweep.yaml:1:42: model[3]: {_folder}/garbage.onnx cannot be imported: ", lines[2]);
        Assert.StartsWith($"{_folder}/sweep.yaml:1:56: model[4]: weights.pth is no ONNX, TFLite or Keras .h5 file; export the network (from PyTorch with torch.onnx.export, from Keras with model.save(\"net.h5\") or tf2onnx) and name that file", lines[3]);
    }

    [Theory]
    [InlineData(1, 32, 10, "does not fit fashion-mnist: the network reads images [1, 32, 32], the data set's are [1, 28, 28]; ")]
    [InlineData(3, 28, 10, "does not fit fashion-mnist: the network reads images [3, 28, 28], the data set's are [1, 28, 28]; ")]
    [InlineData(1, 28, 7, "does not fit fashion-mnist: the network ends in 7 logits, the data set has 10 classes; ")]
    public async Task Other_images_or_classes_are_refused_before_anything_trains(int channels, int side, int classes, string message)
    {
        Net("mine.onnx", seed: 3, new TensorShape(channels, side, side), classes);
        var sweep = await TakeInAsync("mine.onnx");
        var error = await Assert.ThrowsAsync<LatheException>(() => Beforehand.CheckAsync(sweep, Path.Combine(_folder, "store")));
        Assert.StartsWith($"{_folder}/sweep.yaml:1:1: model: {message}", error.Message);
        Assert.DoesNotContain('\n', error.Message);
    }

    [Fact]
    public async Task Targets_that_its_layers_cannot_reach_are_refused_and_weights_of_the_same_network_taken_instead_of_its_own()
    {
        Net("mine.onnx", seed: 3);
        var sweep = await TakeInAsync("mine.onnx", "  - train\n  - prune: { multiplications: 0.0001 }\n");
        var error = await Assert.ThrowsAsync<LatheException>(() => Beforehand.CheckAsync(sweep, Path.Combine(_folder, "store")));
        Assert.StartsWith($"{_folder}/sweep.yaml:5:14: stages[1].prune.multiplications: ", error.Message);
        Assert.Contains("cannot be reached", error.Message);

        using (var scope = TorchSharp.torch.NewDisposeScope())
        {
            using var module = GraphModule.Create(Zoo.Build("lenet5", new(1, 28, 28), 10), seed: 9);
            await using var to = File.Create(Path.Combine(_folder, "other.safetensors"));
            SafeTensorsFile.Write(to, module.Snapshot(), new Dictionary<string, string>());
        }

        sweep = await TakeInAsync("mine.onnx", "  - train: { init: other.safetensors }\n");
        sweep = await new InitialWeights(_store, new Download(_http, _said.Add)).TakeInAsync(sweep, default);
        await Beforehand.CheckAsync(sweep, Path.Combine(_folder, "store"));
    }

    [Fact]
    public async Task A_checkpoint_is_taken_by_its_file_or_its_digest_and_trained_further()
    {
        using var module = GraphModule.Create(Zoo.Build("lenet5", new(1, 28, 28), 10), seed: 4);
        using var scope = TorchSharp.torch.NewDisposeScope();
        using var checkpoint = new Checkpoint(module.Graph, module.Snapshot(), Lineage.Empty, new Dictionary<string, WeightFormat>());
        var stored = _store.Write(stream => CheckpointFile.Write(stream, checkpoint));
        File.Copy(_store.PathOf(stored), Path.Combine(_folder, "pruned.safetensors"));

        var byFile = (await PlanAsync("pruned.safetensors")).Executions[0];
        var byDigest = (await PlanAsync(stored.Sha256[..8])).Executions[0];
        Assert.Equal("pruned", StoredModel.Shown(byFile.Model));
        Assert.Equal(stored.Sha256, byFile.Parameters.GetProperty("model").GetString());
        Assert.Equal(CanonicalJson.Write(byFile.Parameters), CanonicalJson.Write(byDigest.Parameters));
        var sweep = await TakeInAsync("pruned.safetensors");
        await Beforehand.CheckAsync(sweep, Path.Combine(_folder, "store"));
    }

    [Fact]
    public async Task What_is_no_checkpoint_is_refused_with_what_to_do()
    {
        await using (var to = File.Create(Path.Combine(_folder, "weights.safetensors")))
        {
            using var module = GraphModule.Create(Zoo.Build("lenet5", new(1, 28, 28), 10), seed: 9);
            using var scope = TorchSharp.torch.NewDisposeScope();
            SafeTensorsFile.Write(to, module.Snapshot(), new Dictionary<string, string>());
        }

        var error = await Assert.ThrowsAsync<LatheException>(() => TakeInAsync("weights.safetensors"));
        Assert.Contains("weights.safetensors is no checkpoint of Lathe: ", error.Message, StringComparison.Ordinal);
        Assert.Contains("train: { init: FILE }", error.Message, StringComparison.Ordinal);
        error = await Assert.ThrowsAsync<LatheException>(() => TakeInAsync("none.safetensors"));
        Assert.Contains("there is no file none.safetensors", error.Message, StringComparison.Ordinal);
        error = await Assert.ThrowsAsync<LatheException>(() => TakeInAsync("beef"));
        Assert.Contains("has a digest that starts with beef", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_address_is_downloaded()
    {
        var bytes = await File.ReadAllBytesAsync(Net("mine.onnx", seed: 3));
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        await using var server = builder.Build();
        server.MapGet("/nets/far.onnx", () => Results.Bytes(bytes));
        server.MapGet("/nets/cut.onnx", () => Results.Bytes(bytes[..1000]));
        await server.StartAsync();
        var root = server.Urls.Single();

        var model = StoredModel.TryParse((await TakeInAsync($"\"{root}/nets/far.onnx\"")).Spec.Models[0])!.Value;
        Assert.Equal(("far", StoredModel.Parameter((await TakeInAsync("mine.onnx")).Spec.Models[0])), (model.Name, model.Sha256));
        var error = await Assert.ThrowsAsync<LatheException>(() => TakeInAsync($"\"{root}/nets/cut.onnx\""));
        Assert.Contains($"model: {root}/nets/cut.onnx cannot be imported: it is no sound ONNX file", error.Message);
    }

    [Fact]
    public void An_onnx_file_can_be_looked_into()
    {
        var inspection = CheckpointInspection.Of(Net("mine.onnx", seed: 3));
        Assert.Equal((215_546, 3_024_384), (inspection.Parameters, inspection.Multiplications));
        Assert.StartsWith("onnx-", inspection.Model);
        Assert.Equal("features.0", inspection.Layers[0].Name);
        Assert.Equal(JsonValueKind.Object, JsonDocument.Parse(inspection.ToJson()).RootElement.ValueKind);
    }

    private async Task<SweepPlan> PlanAsync(string model) => Beforehand.Plan(await TakeInAsync($"\"{model}\""));

    private Task<SweepDocument> TakeInAsync(string model, string stages = "  - train\n") =>
        new ImportedModels(_store, new Download(_http, _ => { }), _said.Add).TakeInAsync(
            SweepFile.Parse(Path.Combine(_folder, "sweep.yaml"), $"model: {model}\ndataset: fashion-mnist\nstages:\n{stages}", []), default);

    private string Net(string name, long seed, TensorShape? input = null, int classes = 10)
    {
        using var module = GraphModule.Create(Zoo.Build("lenet5", input ?? new(1, 28, 28), classes), seed);
        using var scope = TorchSharp.torch.NewDisposeScope();
        var path = Path.Combine(_folder, name);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        using var to = File.Create(path);
        OnnxExport.Write(to, module.Graph, module.Snapshot(), new Dictionary<string, string> { ["seed"] = seed.ToString(CultureInfo.InvariantCulture) });
        return path;
    }
}
