using System.Text.Encodings.Web;
using System.Text.Json;
using Lathe.Cli.Embedded;
using Lathe.Coordinator;
using Lathe.Testing;
using NJsonSchema;

namespace Lathe.Cli.Tests;

/// <summary><c>docs/sweep.schema.json</c> is made from the stages that come with Lathe, and editors read it.</summary>
public sealed class The_sweep_schema
{
    /// <summary>Set to 1, it has the test write the file instead.</summary>
    private const string RenewVariable = "LATHE_RENEW_SCHEMA";

    private static readonly JsonSerializerOptions Readable = new() { WriteIndented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
    private static readonly string Checked = Path.Combine(Checkout.Root, "docs", "sweep.schema.json");

    [Fact]
    public async Task Is_the_one_that_is_checked_in()
    {
        var schema = SweepSchema.Of(BuiltInStages.Manifests.Values).ToJsonString(Readable) + "\n";
        if (Environment.GetEnvironmentVariable(RenewVariable) == "1") await File.WriteAllTextAsync(Checked, schema, TestContext.Current.CancellationToken);
        Assert.True(
            await File.ReadAllTextAsync(Checked, TestContext.Current.CancellationToken) == schema,
            $"docs/sweep.schema.json is out of date; run this test once with {RenewVariable}=1 and look at the difference");
    }

    [Fact]
    public async Task Takes_every_sweep_file_of_the_repository()
    {
        var schema = await JsonSchema.FromFileAsync(Checked, TestContext.Current.CancellationToken);
        var files = Directory.GetFiles(Path.Combine(Checkout.Root, "examples", "sweeps"), "*.yaml").Concat(Directory.GetFiles(Path.Combine(Checkout.Root, "docs", "results", "sweeps"), "*.yaml")).ToList();
        Assert.NotEmpty(files);
        foreach (var file in files)
        {
            var faults = schema.Validate(YamlTree.Read(await File.ReadAllTextAsync(file, TestContext.Current.CancellationToken))!.ToJson()!.ToJsonString());
            Assert.True(faults.Count == 0, $"{file}: {string.Join("; ", faults.Select(f => $"{f.Path} {f.Kind}"))}");
        }
    }

    [Theory]
    [InlineData("""{ "model": "lenet5", "dataset": "mnist", "stages": [{ "train": { "epoch": 3 } }] }""")]
    [InlineData("""{ "model": "lenet5", "dataset": "mnist", "stages": ["tarin"] }""")]
    [InlineData("""{ "model": "lenet5", "dataset": "mnist", "stages": [{ "quantize": { "bits": 9 } }] }""")]
    [InlineData("""{ "model": "lenet5", "dataset": "mnist", "stages": ["train"], "search": { "strategy": "best", "objectives": [{ "minimize": "bytes" }] } }""")]
    [InlineData("""{ "model": "lenet5", "dataset": "mnist", "stages": ["train"], "limit": {} }""")]
    public async Task Refuses_what_is_wrong_whatever_else_a_file_says(string sweep) =>
        Assert.NotEmpty((await JsonSchema.FromFileAsync(Checked, TestContext.Current.CancellationToken)).Validate(sweep));

    [Theory]
    [InlineData("""{ "model": ["lenet5", "vgg7"], "dataset": "mnist", "stages": [{ "train": null }, { "prune": { "multiplications": { "uniform": [0.1, 0.8] } } }, { "quantize": { "bits": { "default": { "int": [2, 4] }, "features.0": 8 } } }, "evaluate"] }""")]
    [InlineData("""{ "model": "lenet5", "dataset": "mnist", "stages": [{ "train": { "epochs": [3, 6] } }], "search": { "strategy": "tpe", "trials": 3, "objectives": [{ "minimize": "loss" }] }, "earlyStopping": { "strategy": "asha" } }""")]
    public async Task Takes_axes_and_ranges_in_place_of_values(string sweep) =>
        Assert.Empty((await JsonSchema.FromFileAsync(Checked, TestContext.Current.CancellationToken)).Validate(sweep));
}
