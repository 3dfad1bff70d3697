using System.ComponentModel.DataAnnotations;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using Lathe.Contracts;
using Lathe.Contracts.Panels;
using Lathe.Testing;

namespace Lathe.Hosting.Tests;

/// <summary>Manifests that cannot be served, and results that are not what the manifest says.</summary>
[Collection(BrokerTests.Name)]
public sealed class Saying_what_cannot_hold
{
    /// <summary>The Python package is held to the same words by the same table.</summary>
    public static TheoryData<string, string> Table => new(JsonNode.Parse(File.ReadAllText(Path.Combine(Checkout.Root, "tests", "unsound-manifests.json")))!.AsArray()
        .Select(row => (Made(row!.AsObject()).ToJsonString(), row["problems"]!.ToJsonString())));

    [Theory]
    [MemberData(nameof(Table))]
    public void A_manifest_is_judged_in_words(string manifest, string problems) => Assert.Equal(
        JsonSerializer.Deserialize<List<string>>(problems), ManifestCheck.Problems(JsonSerializer.Deserialize<StageManifest>(manifest, LatheJson.Options)!));

    /// <summary>What only a hostile worker would send.</summary>
    [Theory]
    [InlineData("""{ "a": { "type": "number" }, "a": { "type": "string" } }""", "two parameters are called 'a'; give one of them another name")]
    [InlineData("""{ "a": { "$ref": "http://127.0.0.1:1/schema.json" } }""", "the schema refers to another document; expected a schema that holds all of itself")]
    [InlineData("""{ "a": { "type": "array", "items": { "$ref": "/etc/passwd" } } }""", "the schema refers to another document; expected a schema that holds all of itself")]
    [InlineData("""{ "a": { "type": "string", "pattern": "(", "default": "x" } }""", "the schema cannot be used: ")]
    [InlineData("""{ "a": 3 }""", "parameter 'a' has no rule; expected a JSON Schema")]
    [InlineData("3", "the schema's properties are no object")]
    public void A_schema_that_nobody_can_use_is_refused(string properties, string problem)
    {
        var schema = JsonElement.Parse($$"""{ "type": "object", "additionalProperties": false, "properties": {{properties}} }""");
        var problems = ManifestCheck.Problems(new StageManifest("toy", "1", "Counts.", StageInput.Model, StageOutput.Checkpoint, schema, [null!]));
        Assert.StartsWith(problem, problems[0], StringComparison.Ordinal);
        Assert.StartsWith("a metric is called ''", problems[^1], StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_worker_of_such_a_stage_does_not_start_and_says_why_in_one_line()
    {
        await RefusesAsync<Plain<Backwards>, Backwards>("lathe worker plain: the manifest cannot be served: parameter 'share' has the range from 2 to 0, in which no number lies; give the smaller limit first");
        await RefusesAsync<Plain<Outside>, Outside>("lathe worker plain: the manifest cannot be served: parameter 'share' has a default that it refuses: it is 3, expected a number at least 0 and at most 1");
        await RefusesAsync<Plain<Loose>, Loose>("lathe worker plain: the manifest cannot be served: parameter 'mode' has a default that it refuses: it is the text 'loose', expected one of hard, soft");
        await RefusesAsync<Plain<Twins>, Twins>("lathe worker Plain`1: the record Twins does not describe parameters: The JSON property name for 'Lathe.Hosting.Tests.Saying_what_cannot_hold+Twins.share' collides with another property.");
        await RefusesAsync<Wrong, ToyCounting>(
            "lathe worker Wrong Name: the manifest cannot be served: the name is 'Wrong Name'; expected a lower-case letter, then lower-case letters, digits and dashes, 64 at most; the metric 'loss' is described twice; take one of the two out");
        await RefusesAsync<Nothing, ToyCounting>("lathe worker Nothing: Nothing.Manifest is null; expected new StageManifest(name, version, summary, input, output, ...)");
        await RefusesAsync<Plain<Fixed>, Fixed>("lathe worker Plain`1: the record Fixed does not describe parameters: property Share has no init, so that no sweep could set it; write { get; init; }, or put [JsonIgnore] before it where it is no parameter");
        await RefusesAsync<Plain<Calling>, Calling>("lathe worker Plain`1: the record Calling does not describe parameters: property Done has the type Action<Int32>; " + Allowed);
        await RefusesAsync<Plain<Outer>, Outer>("lathe worker Plain`1: the record Outer does not describe parameters: property Inner: property Where has the type IntPtr; " + Allowed);
        await RefusesAsync<Throws, ToyCounting>("lathe worker Throws: its manifest cannot be made: InvalidOperationException: not today");
    }

    [Fact]
    public void What_a_record_computes_from_its_parameters_is_no_parameter()
    {
        var schema = ParametersSchema.For<Doubling>();
        Assert.Equal(["ofConstructor", "share", "halves"], schema.GetProperty("properties").EnumerateObject().Select(p => p.Name));
        Assert.Equal(["part"], schema.GetProperty("properties").GetProperty("halves").GetProperty("items").GetProperty("properties").EnumerateObject().Select(p => p.Name));
        Assert.Equal("is an unknown key; known keys are ofConstructor, share, halves", Assert.Single(ParametersSchema.Validate<Doubling>(JsonElement.Parse("""{ "twice": 2 }"""))).Message);
        // Neither in what a trial hands on.
        using var folder = new TemporaryFolder();
        var record = new Doubling(7) { Share = 0.25, Halves = [new Half { Part = 3 }] };
        Assert.Empty(new StageTrial(HostingSettings.In(folder.Path)).Check<Plain<Doubling>, Doubling>(record).Problems);
        Assert.Equal((0.25, 7, 3), ParametersSchema.Read<Doubling>("plain", ParametersSchema.Write(record)) is var read ? (read.Share, read.OfConstructor, read.Halves[0].Part) : default);
    }

    [Fact]
    public async Task A_folder_that_cannot_be_written_is_told_before_work_is_taken()
    {
        using var folder = new TemporaryFolder();
        var file = Path.Combine(folder.Path, "file");
        await File.WriteAllTextAsync(file, "");
        await RefusesAsync<Measures, ToyCounting>(
            $"lathe worker measures: the folder {file}/home cannot be written (Could not find a part of the path '{file}/home'); name another one with --home or LATHE_HOME, or give this user the right to it",
            ["--broker", "amqp://127.0.0.1:1", "--home", $"{file}/home"]);
        await RefusesAsync<Measures, ToyCounting>(
            $"lathe worker measures: the folder {file}/store cannot be written (Could not find a part of the path '{file}/store'); name another one with --store or LATHE_STORE, or give this user the right to it",
            ["--broker", "amqp://127.0.0.1:1", "--home", folder.Path, "--store", $"{file}/store"]);
    }

    [Fact]
    public async Task A_worker_says_what_it_is_and_how_it_is_set()
    {
        var help = await SaysAsync("--help");
        foreach (var words in (string[])["Worker of stage measures, version 1: Measures.", "  --broker ADDRESS ", "[LATHE_HOME; default .lathe]", "  steps ", "[3]", "OTEL_EXPORTER_OTLP_ENDPOINT"]) Assert.Contains(words, help, StringComparison.Ordinal);
        Assert.StartsWith("stage measures, version 1 (Lathe ", await SaysAsync("--version"), StringComparison.Ordinal);
        await RefusesAsync<Measures, ToyCounting>(
            "lathe worker measures: unknown option '--brokr' (did you mean '--broker'?); known are --home, --store, --data, --device, --broker, --threads, --compute-slots, --pool, --drain, --health-port, --announce, --help, --version",
            ["--brokr", "x"]);

        static async Task<string> SaysAsync(string option)
        {
            var before = Console.Out;
            using var output = new StringWriter();
            Console.SetOut(output);
            try
            {
                Assert.Equal(0, await StageHost.RunAsync<Measures, ToyCounting>([option]));
            }
            finally
            {
                Console.SetOut(before);
            }

            return output.ToString();
        }
    }

    /// <summary>The Python package is held to the same words by the same table.</summary>
    [Fact]
    public void A_panel_whose_lists_do_not_fit_fails_the_stage()
    {
        using var folder = new TemporaryFolder();
        var trial = new StageTrial(HostingSettings.In(folder.Path));
        foreach (var row in JsonNode.Parse(File.ReadAllText(Path.Combine(Checkout.Root, "tests", "unsound-panels.json")))!.AsArray())
        {
            Measures.Made = new StageOutcome(new CheckpointRef(new string('a', 64), 1), new Dictionary<string, double>(), Panels: [row!["panel"].Deserialize<Panel>(LatheJson.Options)!]);
            var words = Record.Exception(() => trial.Run<Measures, ToyCounting>(new ToyCounting()))?.Message;
            Assert.Equal(row["words"] is { } expected ? $"stage measures {expected}" : null, words);
        }
    }

    [Theory]
    [InlineData("F32", "0000803F0000C07F000080FF", 2, 3)]
    [InlineData("F16", "003C007C", 1, 2)]
    [InlineData("BF16", "803F807F", 1, 2)]
    [InlineData("F64", "000000000000F03F000000000000F87F", 1, 2)]
    [InlineData("F32", "0000803FFFFF7F7F", 0, 2)]
    [InlineData("I32", "0000C07F", 0, 1)]
    public void A_checkpoint_with_values_that_are_no_finite_numbers_is_not_kept(string type, string bytes, int others, int total)
    {
        using var folder = new TemporaryFolder();
        var data = Convert.FromHexString(bytes);
        var header = System.Text.Encoding.UTF8.GetBytes($$$"""{"__metadata__":{},"whole":{"dtype":"I8","shape":[0],"data_offsets":[0,0]},"weight":{"dtype":"{{{type}}}","shape":[{{{total}}}],"data_offsets":[0,{{{data.Length}}}]}}""");
        Writes.Bytes = [.. BitConverter.GetBytes((long)header.Length), .. header, .. data];
        var trial = new StageTrial(HostingSettings.In(folder.Path));
        var words = Record.Exception(() => trial.Run<Writes, ToyCounting>(new ToyCounting()))?.Message;
        Assert.Equal(
            others == 0 ? null : $"stage writes wrote a checkpoint whose tensor 'weight' has {others} of {total} values that are NaN or infinite; expected finite numbers: see what the stage divides by, or its learning rate",
            words);
        Assert.Equal(others == 0 ? 1 : 0, Directory.GetFiles(trial.Checkpoints.Place, "*.safetensors", SearchOption.AllDirectories).Length);
    }

    [Theory]
    [InlineData("losss", 1.0, "stage measures measured 'losss', which its manifest does not declare (did you mean 'loss'?): add it to the metrics of the manifest, or leave it out of the result; declared are loss, lossDense")]
    [InlineData("loss", double.NaN, "stage measures measured 'loss' as NaN; expected a finite number: leave the metric out where there is none")]
    [InlineData("loss", double.NegativeInfinity, "stage measures measured 'loss' as minus infinity; expected a finite number: leave the metric out where there is none")]
    public void A_figure_that_the_manifest_does_not_declare_or_that_is_none_fails_the_stage(string name, double value, string words)
    {
        using var folder = new TemporaryFolder();
        Measures.Made = new StageOutcome(new CheckpointRef(new string('a', 64), 1), new Dictionary<string, double> { [name] = value });
        Assert.Equal(words, Assert.Throws<LatheException>(() => new StageTrial(HostingSettings.In(folder.Path)).Run<Measures, ToyCounting>(new ToyCounting())).Message);
    }

    [Fact]
    public void A_figure_that_is_declared_may_be_missing_and_one_beside_it_needs_no_descriptor_of_its_own()
    {
        using var folder = new TemporaryFolder();
        foreach (var figures in (Dictionary<string, double>[])[[], new() { ["loss"] = 1 }, new() { ["lossDense"] = 2 }])
        {
            Measures.Made = new StageOutcome(new CheckpointRef(new string('a', 64), 1), figures);
            Assert.Equal(figures, new StageTrial(HostingSettings.In(folder.Path)).Run<Measures, ToyCounting>(new ToyCounting()).Metrics);
        }
    }

    [Fact]
    public void What_cannot_be_kept_of_a_result_is_named()
    {
        using var folder = new TemporaryFolder();
        var (reference, figures) = (new CheckpointRef(new string('a', 64), 1), new Dictionary<string, double>());
        foreach (var (made, words) in ((StageOutcome?, string)[])
        [
            (null, "stage measures returned null; expected an outcome"),
            (new(new CheckpointRef("hello", 5), figures), "stage measures left 'hello' as its checkpoint, which is no digest; expected what run.Write returned, or its input where it only measures"),
            (new(null!, figures), "stage measures left no checkpoint; expected the one that it wrote, or its input where it only measures"),
            (new(reference, null!), "stage measures left no metrics; expected a dictionary, which may be empty"),
            (new(reference, figures, Panels: [new BarChart("bars", "Bars", "", ["a"], [new BarSeries("b", [double.NaN])])]), "stage measures made the panel 'bars' with a value that is no finite number; leave such points out"),
        ])
        {
            Measures.Made = made!;
            Assert.Equal(words, Assert.Throws<LatheException>(() => new StageTrial(HostingSettings.In(folder.Path)).Run<Measures, ToyCounting>(new ToyCounting())).Message);
        }
    }

    private static JsonObject Made(JsonObject row)
    {
        var manifest = JsonNode.Parse("""
            { "name": "toy", "version": "1", "summary": "Counts.", "input": "checkpoint", "output": "checkpoint", "readsData": false, "metrics": [{ "name": "loss", "title": "loss" }],
              "parametersSchema": { "type": "object", "additionalProperties": false, "properties": { "steps": { "type": "integer", "minimum": 1, "default": 3 } } } }
            """)!.AsObject();
        foreach (var (key, value) in row["change"]?.AsObject() ?? []) manifest[key] = value?.DeepClone();
        if (row["metrics"] is { } metrics) manifest["metrics"] = metrics.DeepClone();
        if (row["properties"] is { } properties) manifest["parametersSchema"]!["properties"] = properties.DeepClone();
        return manifest;
    }

    private const string Allowed = "expected a number, true or false, a text, an enumeration, a list or a dictionary of these, or a record of such properties; [JsonIgnore] leaves a property out";

    private static async Task RefusesAsync<TStage, TParameters>(string line, params string[][] calls)
        where TStage : class, IStage<TParameters>, new()
    {
        foreach (var args in calls is [] ? [["--announce", "--broker", "amqp://127.0.0.1:1"], ["--broker", "amqp://127.0.0.1:1"]] : calls)
        {
            var before = Console.Error;
            using var errors = new StringWriter();
            Console.SetError(errors);
            try
            {
                Assert.Equal(2, await StageHost.RunAsync<TStage, TParameters>(args));
            }
            finally
            {
                Console.SetError(before);
            }

            Assert.Equal(line, errors.ToString().TrimEnd());
        }
    }

    private sealed record Backwards
    {
        [Range(2.0, 0.0)]
        public double Share { get; init; } = 1;
    }

    private sealed record Outside
    {
        [Range(0.0, 1.0)]
        public double Share { get; init; } = 3;
    }

    private sealed record Loose
    {
        [AllowedValues("hard", "soft")]
        public string Mode { get; init; } = "loose";
    }

    private sealed record Fixed
    {
        public double Share { get; } = 0.5;
    }

    private sealed record Calling
    {
        public Action<int>? Done { get; init; }
    }

    private sealed record Outer(IReadOnlyList<Place> Inner);

    private sealed record Place
    {
        [JsonIgnore]
        public Action? Ignored { get; init; }

        [JsonPropertyName("place")]
        public nint Where { get; init; }
    }

    private sealed record Doubling(int OfConstructor = 1)
    {
        public double Share { get; init; } = 0.5;

        public double Twice => 2 * Share;

        public IReadOnlyList<Half> Halves { get; init; } = [];
    }

    private sealed record Half
    {
        public int Part { get; init; }

        public int Whole => 2 * Part;
    }

    private sealed record Twins
    {
        public double Share { get; init; }

        [JsonPropertyName("share")]
        public double Other { get; init; }
    }

    private sealed class Plain<TParameters> : IStage<TParameters>
    {
        public static StageManifest Manifest => new("plain", "1", "Does nothing.", StageInput.Model, StageOutput.Checkpoint);

        public StageOutcome Run(StageRun run, TParameters parameters) => throw new NotSupportedException();
    }

    private sealed class Wrong : IStage<ToyCounting>
    {
        public static StageManifest Manifest => new("Wrong Name", "1", "Does nothing.", StageInput.Model, StageOutput.Checkpoint, Metrics: [new("loss", "loss"), new("loss", "again")]);

        public StageOutcome Run(StageRun run, ToyCounting parameters) => throw new NotSupportedException();
    }

    private sealed class Nothing : IStage<ToyCounting>
    {
        public static StageManifest Manifest => null!;

        public StageOutcome Run(StageRun run, ToyCounting parameters) => throw new NotSupportedException();
    }

    private sealed class Writes : IStage<ToyCounting>
    {
        public static byte[] Bytes { get; set; } = [];

        public static StageManifest Manifest => new("writes", "1", "Writes.", StageInput.Model, StageOutput.Checkpoint, ReadsData: false);

        public StageOutcome Run(StageRun run, ToyCounting parameters) => new(run.Write(stream => stream.Write(Bytes)), new Dictionary<string, double>());
    }

    private sealed class Throws : IStage<ToyCounting>
    {
        public static StageManifest Manifest => throw new InvalidOperationException("not today");

        public StageOutcome Run(StageRun run, ToyCounting parameters) => throw new NotSupportedException();
    }

    private sealed class Measures : IStage<ToyCounting>
    {
        public static StageOutcome Made { get; set; } = null!;

        public static StageManifest Manifest => new("measures", "1", "Measures.", StageInput.Model, StageOutput.Checkpoint, Metrics: [new("loss", "loss", DenseName: "lossDense")], ReadsData: false);

        public StageOutcome Run(StageRun run, ToyCounting parameters) => Made;
    }
}
