using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using System.Diagnostics;
using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using Lathe.Contracts;
using Lathe.Contracts.Panels;
using Lathe.Coordinator;
using Lathe.Graph;
using Lathe.Graph.Checkpoints;
using Lathe.Hosting;
using Lathe.NN.Checkpoints;
using Lathe.NN.Runtime;
using Lathe.Testing;
using Lathe.Trainer;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Hosting;
using static TorchSharp.torch;

namespace Lathe.Cli.Tests.Commands;

public sealed record NoiseParameters
{
    [Description("Size of the noise, in standard deviations of the layer's weights.")]
    [Range(0.0, 1.0)]
    public double Amount { get; init; } = 0.01;

    [Description("Name of the layer that gets it.")]
    public required string Layer { get; init; }
}

public sealed class NoiseStage : IStage<NoiseParameters>
{
    public static StageManifest Manifest { get; } = new(
        "noise", "1", "Adds noise to a layer", StageInput.Checkpoint, StageOutput.Checkpoint, ReadsData: false, Metrics:
        [
            .. SizeMetrics.All,
            new("deviation", "deviation", Better: Better.Lower, IsColumn: true, Description: "Standard deviation of the noise."),
            new("largest", "largest", Description: "Largest change of a weight."),
        ]);

    public static IReadOnlyList<ParameterProblem> Check(NoiseParameters parameters, StageCheck context)
    {
        if (context.Input is not { } input) return [];
        var layers = NetworkForms.GraphOf(input).Nodes.Where(node => node is Conv2d or Linear).Select(node => node.Name).ToList();
        return layers.Contains(parameters.Layer)
            ? []
            : [ParameterProblem.Of("layer", $"the network has no layer '{parameters.Layer}'; its layers are {string.Join(", ", layers)}")];
    }

    public static NetworkForm? Predict(NoiseParameters parameters, StageCheck context) => context.Input;

    public StageOutcome Run(StageRun run, NoiseParameters parameters)
    {
        using var checkpoint = CheckpointFile.Read(run.InputPath!);
        using var scope = NewDisposeScope();
        var weight = checkpoint.Tensors[$"{parameters.Layer}.weight"];
        var deviation = parameters.Amount * weight.std().item<float>();
        var noise = randn(weight.shape, generator: new Generator((ulong)run.Seed)).Times(deviation);
        var metrics = new Dictionary<string, double> { ["deviation"] = deviation, ["largest"] = noise.abs().max().item<float>() };

        var changed = new Dictionary<string, Tensor> { [$"{parameters.Layer}.weight"] = weight.Plus(noise) };
        var noisy = checkpoint.With(changed).After(run.Step, metrics, compresses: false);
        var panel = new BarChart("change", "Change of a weight", "", [parameters.Layer], [new BarSeries("deviation", [deviation]), new BarSeries("largest", [metrics["largest"]])]);
        return new StageOutcome(run.Write(noisy.WriteTo), metrics.With(noisy), Panels: [panel]);
    }
}

/// <summary>The stage of docs/stages.md, as its author would start it: a worker of its own on a broker, of which nobody else knows anything.</summary>
public sealed class A_stage_from_outside(RabbitMqBroker broker) : IClassFixture<RabbitMqBroker>, IAsyncDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("lathe-test-").FullName;
    private readonly List<IHost> _workers = [];
    private WebApplication? _coordinator;

    private string Url => _coordinator!.Urls.First();

    [Fact]
    public void Is_written_as_the_guide_says()
    {
        var blocks = File.ReadAllText(Path.Combine(Checkout.Root, "docs/stages.md")).Split("```csharp\n").Skip(1).Select(block => block.Split("```")[0]);
        Assert.Contains(blocks.First().Trim(), File.ReadAllText(Path.Combine(Checkout.Root, "tests/Lathe.Cli.Tests/Commands/A_stage_from_outside.cs")));
    }

    [Fact]
    public async Task Refuses_a_bad_sweep_over_REST_and_in_the_terminal_before_anything_runs()
    {
        await StartAsync();
        using var http = new HttpClient { BaseAddress = new Uri(Url) };
        var posted = await http.PostAsync("/sweeps", new StringContent(
            """
            {"spec": {"name": "bad", "models": ["lenet5"], "datasets": ["mnist"], "seeds": [1], "stages": [
              {"stage": "train", "parameters": {"epochs": 0}}, {"stage": "noise", "parameters": {"layer": ["features.0", "fc"]}}]}}
            """,
            System.Text.Encoding.UTF8,
            "application/json"));

        Assert.Equal(HttpStatusCode.UnprocessableEntity, posted.StatusCode);
        var problem = Assert.Single((await posted.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("problems").EnumerateArray());
        Assert.Equal("/stages/1/noise/layer/1", problem.GetProperty("path").GetString());
        Assert.StartsWith("the network has no layer 'fc'; its layers are features.0, ", problem.GetProperty("message").GetString());

        var (code, _, errors) = await SubmitAsync("  - train: { epochs: 0 }\n  - noise: { layer: [features.0, fc], amount: 0.5 }\n");
        Assert.Equal(2, code);
        Assert.StartsWith("s.yaml:5:34: stages[1].noise.layer[1]: the network has no layer 'fc'; ", errors);

        (code, _, errors) = await SubmitAsync("  - train: { epochs: 0 }\n  - noise: { layer: features.0, amount: 2 }\n");
        Assert.Equal(2, code);
        Assert.StartsWith("s.yaml:5:33: stages[1].noise.amount: is 2, expected a number at least 0 and at most 1", errors);
        Assert.Equal("[]", await http.GetStringAsync("/sweeps"));
    }

    /// <summary>TorchSharp catches what libtorch throws, but not in this function.</summary>
    [Fact]
    public void With_shapes_that_do_not_fit_has_failed_and_the_process_lives()
    {
        var error = Assert.Throws<NativeException>(() => new StageTrial(HostingSettings.In(_folder)).Run<Misfit, NoiseParameters>(new NoiseParameters { Layer = "a" }));
        Assert.StartsWith("mat1 and mat2 shapes cannot be multiplied (2x3 and 2x3)", error.Message);
        Assert.Contains("Misfit.Run", error.StackTrace);
    }

    [Fact]
    public async Task Is_asked_by_a_plan_with_the_broker_as_by_a_run()
    {
        await StartAsync();
        var (code, _, errors) = await RunAsync("plan", "  - train: { epochs: 0 }\n  - noise: { layer: [features.0, fc], amount: 0.5 }\n", "--broker", broker.Address);
        Assert.Equal(2, code);
        Assert.StartsWith("s.yaml:5:34: stages[1].noise.layer[1]: the network has no layer 'fc'; ", errors);

        (code, var output, errors) = await RunAsync("plan", "  - train: { epochs: 0 }\n  - noise: { layer: features.0, amount: 0.5 }\n", "--broker", broker.Address);
        Assert.True(code == 0, errors);
        Assert.Contains("noise", output);

        (code, _, errors) = await RunAsync("plan", "  - train: { epochs: 0 }\n  - nois: { layer: features.0 }\n", "--broker", broker.Address);
        Assert.Equal(2, code);
        Assert.Contains("unknown stage 'nois' (did you mean 'noise'?)", errors);
    }

    [Fact]
    public async Task Has_columns_and_panels_of_its_own_and_needs_no_data_where_it_runs()
    {
        await StartAsync();

        var (code, output, errors) = await SubmitAsync("  - train: { epochs: 0 }\n  - noise: { layer: features.0, amount: 0.5 }\n", "--wait", "--json", "-");

        Assert.True(code == 0, errors);
        var row = JsonElement.Parse(output)[0];
        Assert.True(row.GetProperty("deviation").GetDouble() > 0);
        Assert.Equal(1, row.GetProperty("parametersRatio").GetDouble());
        using var http = new HttpClient { BaseAddress = new Uri(Url) };
        var results = (await http.GetFromJsonAsync<SweepResults>("/sweeps/s/results?details=true", LatheJson.Options))!;
        Assert.Equal(["parameters", "multiplications", "bits", "bytes", "deviation"], results.Metrics.Where(m => m.IsColumn).Select(m => m.Name));
        var panel = Assert.IsType<BarChart>(Assert.Single(results.Leaves[0].Stages[^1].Panels!));
        Assert.Equal(("change", row.GetProperty("largest").GetDouble()), (panel.Id, panel.Series[1].Values[0]));
        Assert.Null((await http.GetFromJsonAsync<SweepResults>("/sweeps/s/results", LatheJson.Options))!.Leaves[0].Stages[^1].Panels);
    }

    [Fact]
    public async Task That_nobody_runs_any_more_is_left_unchecked_and_the_submission_says_so()
    {
        await StartAsync();
        await _workers[^1].StopAsync();

        var (code, output, errors) = await SubmitAsync("  - train: { epochs: 0 }\n  - noise: { layer: fc }\n");

        Assert.True(code == 0, errors);
        Assert.True(Guid.TryParse(output.Trim(), out _), output);
        Assert.Contains("note: noise is not checked beforehand: no worker of stage noise version 1 is up", errors);
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var worker in _workers)
        {
            await worker.StopAsync();
            worker.Dispose();
        }

        if (_coordinator is not null)
        {
            await _coordinator.StopAsync();
            await _coordinator.DisposeAsync();
        }

        Microsoft.Data.Sqlite.SqliteConnection.ClearAllPools();
        Directory.Delete(_folder, recursive: true);
    }

    private sealed class Misfit : IStage<NoiseParameters>
    {
        public static StageManifest Manifest => new("misfit", "1", "Multiplies what does not fit.", StageInput.Model, StageOutput.Checkpoint, ReadsData: false);

        public StageOutcome Run(StageRun run, NoiseParameters parameters) => throw new InvalidOperationException($"no shape {zeros(2, 3).matmul(zeros(2, 3)).shape.Length} was expected");
    }

    /// <summary>A coordinator, a worker that trains, and the worker from outside, whose data folder is empty.</summary>
    private async Task StartAsync()
    {
        var settings = HostingSettings.In(_folder) with { Broker = BrokerAddress.Parse(broker.Address), SlotFolder = Path.Combine(_folder, "slots"), Threads = 1 };
        BarImages.Write(Path.Combine(_folder, "data", "mnist"), train: 200, test: 100);
        Directory.CreateDirectory(Path.Combine(_folder, "nothing"));
        _coordinator = CoordinatorHost.Build(settings, DatabaseAddress.In(_folder), "http://127.0.0.1:0", new CoordinatorOptions { StageWait = TimeSpan.FromSeconds(30) });
        await _coordinator.StartAsync();
        _workers.Add(StageHost.Build<TrainStage, TrainParameters>(settings));
        _workers.Add(StageHost.Build<NoiseStage, NoiseParameters>(settings with { Data = Path.Combine(_folder, "nothing") }));
        foreach (var worker in _workers) await worker.StartAsync();
    }

    private Task<(int Code, string Output, string Errors)> SubmitAsync(string stages, params string[] options) => RunAsync("submit", stages, ["--coordinator", Url, .. options]);

    private async Task<(int Code, string Output, string Errors)> RunAsync(string command, string stages, params string[] options)
    {
        await File.WriteAllTextAsync(Path.Combine(_folder, "s.yaml"), $"model: lenet5\ndataset: mnist\nstages:\n{stages}");
        var start = new ProcessStartInfo("dotnet", [typeof(Lathe.Cli.Output.ResultsJson).Assembly.Location, command, "s.yaml", "--home", _folder, .. options])
        {
            WorkingDirectory = _folder,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        foreach (var name in start.Environment.Keys.Where(k => k.StartsWith("LATHE_", StringComparison.Ordinal) && k != "LATHE_TEST_RUN").ToList()) start.Environment.Remove(name);
        using var process = Process.Start(start)!;
        var (output, errors) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        using var limit = new CancellationTokenSource(TimeSpan.FromMinutes(3));
        await process.WaitForExitAsync(limit.Token);
        return (process.ExitCode, await output, await errors);
    }
}
