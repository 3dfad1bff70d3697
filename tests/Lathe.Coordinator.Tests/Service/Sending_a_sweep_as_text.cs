using System.Text.Json;
using Lathe.Contracts;

namespace Lathe.Coordinator.Tests;

/// <summary>A sweep as the text of a sweep file, over HTTP.</summary>
public sealed class Sending_a_sweep_as_text
{
    private const string Text = "model: tiny\ndataset: mnist\nseed: [0, 1]\nstages:\n  - make: { epochs: [1, 2] }\n  - measure\n";

    [Fact]
    public async Task It_is_checked_planned_and_submitted_like_one_of_JSON()
    {
        await using var bench = await HttpBench.StartAsync();
        var body = JsonSerializer.Serialize(new { yaml = Text, priority = 5 });

        var check = await ReadAsync<CheckAnswer>(await bench.PostAsync("/sweeps/check", body));
        Assert.Equal((0, 8, null), (check.Problems.Count, check.Executions, check.Yaml));
        Assert.Equal(("sweep", "make"), (check.Spec!.Name, check.Spec.Stages[0].Stage));
        var forecast = await ReadAsync<SweepForecast>(await bench.PostAsync("/sweeps/plan?limit=3", body));
        Assert.Equal((8, 3), (forecast.Size, forecast.Executions.Count));
        var id = await bench.SubmitAsync(body);
        Assert.Equal(SweepState.Succeeded, (await bench.EndedAsync(id)).State);

        var spec = await bench.GetAsync<SpecAnswer>($"/sweeps/{id}/spec");
        Assert.Equal((5, false, null), (spec.Priority, spec.Fresh, spec.Share));
        var again = await bench.SubmitAsync(JsonSerializer.Serialize(new { yaml = spec.Yaml }));
        Assert.All((await bench.EndedAsync(again)).Executions, e => Assert.Equal(ExecutionState.Cached, e.State));
        Assert.Equal(spec.Yaml, (await ReadAsync<CheckAnswer>(await bench.PostAsync("/sweeps/check", JsonSerializer.Serialize(new { spec = spec.Spec }, LatheJson.Options)))).Yaml);
    }

    [Theory]
    [InlineData("model: tiny\ndataset: mnist\nstages:\n  - make: { epochs: 1.5 }\n", 4, 13, "/stages/0/make/epochs")]
    [InlineData("model: tiny\ndataset: mnist\nstages:\n  - make:\n      epoch: 1\n", 5, 7, "/stages/0/make/epoch")]
    [InlineData("model: tiny\ndataset: mnist\nstages:\n  - bake\n", 4, 5, "/stages/0/bake")]
    [InlineData("model: tiny\nstages: [make]\nseeds: 1\n", 3, 1, "/seeds")]
    [InlineData("model: [tiny\n", 2, 1, "")]
    [InlineData("", 1, 1, "")]
    public async Task What_is_wrong_is_told_by_line_and_column(string yaml, int line, int column, string path)
    {
        await using var bench = await HttpBench.StartAsync(options: o => o with { StageWait = TimeSpan.FromMilliseconds(100) });
        var body = JsonSerializer.Serialize(new { yaml });

        var problems = (await ReadAsync<CheckAnswer>(await bench.PostAsync("/sweeps/check", body))).Problems;
        Assert.Contains((line, column, path), problems.Select(p => (p.Line!.Value, p.Column!.Value, p.Path)));
        Assert.Equal(problems, (await ReadAsync<SweepForecast>(await bench.PostAsync("/sweeps/plan", body))).Problems);
        Assert.Equal(problems, (await HttpBench.ProblemAsync(await bench.PostAsync("/sweeps", body), 422)).Problems);
        Assert.Empty(await bench.GetAsync<List<SweepSummary>>("/sweeps"));
    }

    [Fact]
    public async Task It_stands_in_place_of_the_JSON_and_not_beside_it()
    {
        await using var bench = await HttpBench.StartAsync();
        var problem = await HttpBench.ProblemAsync(await bench.PostAsync("/sweeps", HttpBench.Quick(more: ", \"yaml\": \"model: tiny\"")), 422);
        Assert.Equal("/yaml", Assert.Single(problem.Problems!).Path);
    }

    [Fact]
    public void A_sweep_is_written_as_text_that_reads_back_as_the_same_sweep()
    {
        var digest = new string('a', 64);
        var spec = new SweepSpec(
            "true: #1", ["lenet5", $"my net:{digest}"], ["fashion-mnist"], [1, -2], [
                new StageSpec("make", Stages.Json("""{"text": "yes: no", "number": "1e3", "null": null, "nothing": "null", "is": true, "list": [0.5, 1e-3, -4], "bits": {"conv1": 2, "a b": [1]}, "": "", "quote": "\"\\\n"}""")),
                new StageSpec("measure", Stages.Json("{}")),
            ], 2, DeviceKind.Cpu, [["make.list", "make#2.x"]],
            new SearchSpec("tpe", [new SearchObjective(Maximize: "good"), new SearchObjective(Minimize: "yes")], 50, -3, ["bytes <= 40 KiB", "good >= 0.5"], 2))
        {
            Pool = new Dictionary<string, string> { ["make"] = "gpu-large", ["measure"] = "7" },
        };

        var (document, problems) = SweepText.Read("sweep.yaml", SweepYaml.Of(spec), [], new Dictionary<string, StageManifest>());

        Assert.Empty(problems);
        Assert.Equal(JsonSerializer.SerializeToNode(spec, LatheJson.Options)!.ToJsonString(), JsonSerializer.SerializeToNode(document.Spec, LatheJson.Options)!.ToJsonString().Replace("0.001", "1e-3", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Models_and_data_sets_are_listed()
    {
        await using var bench = await HttpBench.StartAsync();
        Assert.Contains(await bench.GetAsync<List<ModelAnswer>>("/models"), m => m is { Name: "lenet5", Parameters: > 0, Multiplications: > 0 });
        Assert.True(Assert.Single(await bench.GetAsync<List<DatasetAnswer>>("/datasets"), d => d.Name == "mnist").IsHere);
    }

    private static async Task<T> ReadAsync<T>(HttpResponseMessage answer)
    {
        var text = await answer.Content.ReadAsStringAsync();
        Assert.True(answer.IsSuccessStatusCode, text);
        return JsonSerializer.Deserialize<T>(text, LatheJson.Options)!;
    }
}
