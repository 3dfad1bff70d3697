using System.Net;
using System.Security.Cryptography;
using Lathe.Cli.Data;
using Lathe.Cli.Sweeps;
using Lathe.Cli.Tests.Sweeps;
using Lathe.Contracts;
using Lathe.Coordinator;
using Lathe.Graph.Models;
using Lathe.Hosting;
using Lathe.NN.Checkpoints;
using Lathe.NN.Execution;
using Lathe.NN.Runtime;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Lathe.Cli.Tests.Data;

public sealed class InitialWeightsTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("lathe-test-").FullName;
    private readonly HttpClient _http = new();
    private readonly CheckpointStore _store;

    public InitialWeightsTests()
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
    public async Task A_file_becomes_the_digest_of_its_content_and_fits_its_network()
    {
        var file = Weights("lenet5", "weights.safetensors");
        var sweep = await TakeInAsync($"  - train: {{ init: {file} }}");
        var digest = sweep.Spec.Stages[0].Parameters.GetProperty("init").GetString()!;
        Assert.Equal(digest, Convert.ToHexStringLower(SHA256.HashData(await File.ReadAllBytesAsync(_store.PathOf(_store.Find(digest))))));
        await Beforehand.CheckAsync(sweep, Path.Combine(_folder, "store"));

        // The digest itself is taken too, as a client without the file would send it; and a list is an axis.
        var again = await TakeInAsync($"  - train: {{ init: [{digest}, \"\"] }}");
        Assert.Equal([digest, ""], again.Spec.Stages[0].Parameters.GetProperty("init").EnumerateArray().Select(e => e.GetString()));
        Assert.Equal(2, Beforehand.Plan(again).Executions.Count);
    }

    [Fact]
    public async Task Weights_of_another_network_are_refused_before_anything_trains()
    {
        var file = Weights("lenet5@0.5", "weights.safetensors");
        var sweep = await TakeInAsync($"  - train: {{ init: {file} }}");
        var error = await Assert.ThrowsAsync<LatheException>(() => Beforehand.CheckAsync(sweep, Path.Combine(_folder, "store")));
        Assert.StartsWith("sweep.yaml:4:14: stages[0].train.init: ", error.Message);
        Assert.Contains("does not hold the weights of 'lenet5': features.0.weight is [8, 1, 5, 5] and should be [16, 1, 5, 5]", error.Message);
    }

    [Fact]
    public async Task What_is_not_there_or_no_weights_is_refused_with_its_place()
    {
        var error = await Assert.ThrowsAsync<LatheException>(() => TakeInAsync("  - train: { init: nowhere.safetensors }"));
        Assert.StartsWith("sweep.yaml:4:14: stages[0].train.init: there is no file nowhere.safetensors", error.Message);

        var garbage = Path.Combine(_folder, "garbage.safetensors");
        await File.WriteAllTextAsync(garbage, "no weights in here");
        error = await Assert.ThrowsAsync<LatheException>(() => TakeInAsync($"  - train: {{ init: {garbage} }}"));
        Assert.StartsWith($"sweep.yaml:4:14: stages[0].train.init: {garbage} ", error.Message);
        Assert.False(Directory.Exists(_store.Place) && Directory.EnumerateFiles(_store.Place, "*.safetensors", SearchOption.AllDirectories).Any());
    }

    [Fact]
    public async Task An_address_is_downloaded()
    {
        var bytes = await File.ReadAllBytesAsync(Weights("lenet5", "weights.safetensors"));
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        await using var server = builder.Build();
        server.MapGet("/weights", () => Results.Bytes(bytes));
        await server.StartAsync();
        var root = server.Urls.Single();

        var sweep = await TakeInAsync($"  - train: {{ init: \"{root}/weights\" }}");
        Assert.Equal(64, sweep.Spec.Stages[0].Parameters.GetProperty("init").GetString()!.Length);
        var error = await Assert.ThrowsAsync<LatheException>(() => TakeInAsync($"  - train: {{ init: \"{root}/nothing\" }}"));
        Assert.Contains($"{root}/nothing cannot be had: ", error.Message);
        Assert.Contains($"{(int)HttpStatusCode.NotFound}", error.Message);
    }

    private Task<SweepDocument> TakeInAsync(string stages) => new InitialWeights(_store, new Download(_http, _ => { })).TakeInAsync(
        SweepFile.Parse("sweep.yaml", $"model: lenet5\ndataset: fashion-mnist\nstages:\n{stages}\n", []), default);

    private string Weights(string model, string name)
    {
        using var module = GraphModule.Create(Zoo.Build(model, new(1, 28, 28), 10), seed: 3);
        using var scope = TorchSharp.torch.NewDisposeScope();
        var path = Path.Combine(_folder, name);
        using var to = File.Create(path);
        SafeTensorsFile.Write(to, module.Snapshot(), new Dictionary<string, string>());
        return path;
    }
}
