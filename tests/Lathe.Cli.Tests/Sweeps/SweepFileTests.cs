using System.Text.Json;
using CsCheck;
using Lathe.Cli.Sweeps;
using Lathe.Contracts;
using Lathe.Coordinator;

namespace Lathe.Cli.Tests.Sweeps;

public sealed class SweepFileTests
{
    private const string Good =
        """
        name: fashion-lenet5
        model: lenet5
        dataset: fashion-mnist
        seed: 1
        stages:
          - train: { epochs: 6, learningRate: 0.1 }
          - evaluate
          - prune: { method: hfp, multiplications: [0.5, 0.25], epochs: 4 }
          - quantize:
              bits: [2, 4]
              exclude: { first: true, label: "7" }
          - evaluate:
        """;

    [Fact]
    public void A_sweep_is_read_with_scalars_lists_and_bare_stages()
    {
        var spec = Read(Good).Spec;

        Assert.Equal("fashion-lenet5", spec.Name);
        Assert.Equal(["lenet5"], spec.Models);
        Assert.Equal(["fashion-mnist"], spec.Datasets);
        Assert.Equal([1L], spec.Seeds);
        Assert.Equal(["train", "evaluate", "prune", "quantize", "evaluate"], spec.Stages.Select(s => s.Stage));
        Assert.Equal("""{"epochs":6,"learningRate":0.1}""", spec.Stages[0].Parameters.GetRawText());
        Assert.Equal("{}", spec.Stages[1].Parameters.GetRawText());
        Assert.Equal("""{"method":"hfp","multiplications":[0.5,0.25],"epochs":4}""", spec.Stages[2].Parameters.GetRawText());
        Assert.Equal("""{"bits":[2,4],"exclude":{"first":true,"label":"7"}}""", spec.Stages[3].Parameters.GetRawText());
        Assert.Equal("{}", spec.Stages[4].Parameters.GetRawText());
    }

    [Fact]
    public void Seed_threads_and_device_may_be_left_out()
    {
        var spec = Read("model: a\ndataset: b\nstages: [train]").Spec;
        Assert.Equal([1L], spec.Seeds);
        Assert.Null(spec.Threads);
        Assert.Null(spec.Device);
        Assert.Equal(2, SweepFile.Parse("sweep.yaml", "model: a\ndataset: b\nthreads: 1\nstages: [train]", ["threads=2"]).Spec.Threads);
        Assert.Equal(DeviceKind.Cpu, Read("model: a\ndataset: b\ndevice: cpu\nstages: [train]").Spec.Device);
        Assert.Equal(DeviceKind.Cuda, SweepFile.Parse("sweep.yaml", "model: a\ndataset: b\ndevice: cpu\nstages: [train]", ["device=cuda"]).Spec.Device);
    }

    /// <summary>The keys are those of a submission over HTTP, so that one may be written as the other.</summary>
    [Fact]
    public void Whatever_stands_beside_the_sweep_in_a_submission_may_be_written_in_its_file()
    {
        var written = Read(Limited(
            """
            priority: 4
            share: team
            weight: 2.5
            limits:
              parallel: 6
              parallelOf: { train: 2 }
              executionSeconds: 1800
              sweepSeconds: 86400.5
              failures: 10
              keepDays: 30
              budgetBytes: 2GiB
            """));
        var sent = JsonSerializer.Deserialize<SweepSubmission>(
            """
            {
              "spec": null, "priority": 4, "share": "team", "weight": 2.5,
              "limits": {"parallel": 6, "parallelOf": {"train": 2}, "executionSeconds": 1800, "sweepSeconds": 86400.5, "failures": 10, "keepDays": 30, "budgetBytes": 2147483648}
            }
            """,
            LatheJson.Options)!;
        Assert.Equal(Text(new SweepTerms(sent.Priority, sent.Share, sent.Weight, sent.Limits)), Text(written.Terms));
        Assert.Equal(new SweepTerms(), Read(Good).Terms);
        Assert.Equal(5, Read(Limited("priority: 2"), "priority=5").Terms.Priority);
        // A member that REST learns must be learned here too. Yaml is the text of such a file.
        Assert.Equal(["Fresh", "Limits", "Priority", "RequestId", "Share", "Spec", "Weight", "Yaml"], typeof(SweepSubmission).GetProperties().Select(p => p.Name).Order());
        Assert.Equal(["BudgetBytes", "ExecutionSeconds", "Failures", "KeepDays", "Parallel", "ParallelOf", "SweepSeconds"], typeof(SweepLimits).GetProperties().Select(p => p.Name).Order());

        static string Text(SweepTerms terms) => JsonSerializer.Serialize(terms, LatheJson.Options);
    }

    [Fact]
    public void A_misspelt_stage_is_told_with_everything_else_where_no_worker_can_offer_it()
    {
        const string Yaml = "model: a\ndataset: b\nseed: x\nstages:\n  - train\n  - prunee: { multiplications: 0.5 }";
        Assert.Equal(
            ["sweep.yaml:3:1: seed: is x", "sweep.yaml:6:5: stages[1].prunee: unknown stage 'prunee' (did you mean 'prune'?)"],
            Assert.Throws<LatheException>(() => SweepFile.Parse("sweep.yaml", Yaml, [], isBuiltIn: true)).Message.Split('\n').Select(line => line[..line.IndexOfAny([';', ','])]));
        Assert.DoesNotContain("prunee", Assert.Throws<LatheException>(() => Read(Yaml)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Models_data_sets_and_seeds_may_be_axes()
    {
        var spec = Read("model: [lenet5, vgg8]\ndataset: [mnist, fashion-mnist]\nseed: [1, 2]\nstages: [train]").Spec;

        Assert.Equal(["lenet5", "vgg8"], spec.Models);
        Assert.Equal(["mnist", "fashion-mnist"], spec.Datasets);
        Assert.Equal([1L, 2L], spec.Seeds);
    }

    [Fact]
    public void A_sweep_without_a_name_is_called_after_its_file() =>
        Assert.Equal("sweep", Read("model: a\ndataset: b\nseed: 1\nstages: [train]").Spec.Name);

    [Theory]
    [InlineData("1e-3", "0.001")]
    [InlineData(".5", "0.5")]
    [InlineData("+7", "7")]
    [InlineData("true", "true")]
    [InlineData("~", "null")]
    [InlineData("yes", "\"yes\"")]
    [InlineData("'2'", "\"2\"")]
    [InlineData(".nan", "\".nan\"")]
    [InlineData("99999999999999999999", "1E+20")]
    public void Scalars_are_read_by_the_core_schema(string yaml, string json) =>
        Assert.Equal($$"""{"value":{{json}}}""", Read($"model: a\ndataset: b\nseed: 1\nstages:\n  - train: {{ value: {yaml} }}").Spec.Stages[0].Parameters.GetRawText());

    public static TheoryData<string, string> BadFiles => new()
    {
        { "", "sweep.yaml:1:1: is empty; expected a sweep with the keys name, model, dataset, seed, threads, device, pool, stages, priority, share, weight, limits, zip, search, earlyStopping" },
        { "# only a comment\n", "sweep.yaml:1:1: is empty; expected a sweep with the keys name, model, dataset, seed, threads, device, pool, stages, priority, share, weight, limits, zip, search, earlyStopping" },
        { "- train\n", "sweep.yaml:1:1: is a list, expected a sweep with the keys name, model, dataset, seed, threads, device, pool, stages, priority, share, weight, limits, zip, search, earlyStopping" },
        { "hello", "sweep.yaml:1:1: is hello, expected a sweep with the keys name, model, dataset, seed, threads, device, pool, stages, priority, share, weight, limits, zip, search, earlyStopping" },
        { With("  modle: lenet5"), "sweep.yaml:5:3: modle: unknown key; expected one of name, model, dataset, seed, threads, device, pool, stages, priority, share, weight, limits, zip, search, earlyStopping (did you mean 'model'?)" },
        { With("  zebra: 1"), "sweep.yaml:5:3: zebra: unknown key; expected one of name, model, dataset, seed, threads, device, pool, stages, priority, share, weight, limits, zip, search, earlyStopping" },
        { "model: a\ndataset: b\nstages:\n  - prune: { parameters: 1,000,000 }", "sweep.yaml:4:28: 000: a number is written without commas (1000000, 1e6)" },
        { With("  seed: 2"), "sweep.yaml:5:3: seed: stands twice; the first is in line 3. Keep one of them" },
        { "model: a\ndataset: b\nseed: 1\nstages:\n  - train: { epochs: 1,\n      epochs: 2 }",
            "sweep.yaml:6:7: epochs: stands twice; the first is in line 5. Keep one of them" },
        { "model: a\ndataset: b\nseed: 1\nstages:\n\t- train", "sweep.yaml:5:1: a tab stands in the indentation; YAML takes only spaces there" },
        { "model: a\ndataset: b\nseed: 1\n", "sweep.yaml:1:1: the key stages is missing; expected a list of stages, each \"- name\" or \"- name: { parameter: value }\"" },
        { "dataset: b\nseed: 1\nstages: [train]", "sweep.yaml:1:1: the key model is missing; expected a model's name (lathe models shows them), an ONNX file, or a list of them" },
        { "model: a\ndataset: b\nthreads: [1, 2]\nstages: [train]", "sweep.yaml:3:1: threads: is a list, expected a whole number: the CPU threads of each computation" },
        { "model: a\ndataset: b\nthreads: 1.5\nstages: [train]", "sweep.yaml:3:1: threads: is 1.5, expected a whole number: the CPU threads of each computation" },
        { "model: a\ndataset: b\npool: [large]\nstages: [train]", "sweep.yaml:3:1: pool: is a list, expected the name of a pool of workers, or one for each stage: { train: gpu-large }" },
        { "model: a\ndataset: b\npool:\n  train: [large]\nstages: [train]", "sweep.yaml:4:3: pool.train: is a list, expected the name of a pool of workers" },
        { "model: a\ndataset: b\ndevice: gpu\nstages: [train]", "sweep.yaml:3:1: device: is gpu, expected cpu or cuda; without the key every worker computes on what it has" },
        { "model: a\ndataset: b\nstages: [train]\ndevice: auto", "sweep.yaml:4:1: device: is auto, expected cpu or cuda; without the key every worker computes on what it has" },
        { "model: a\ndataset: b\ndevice: [cpu, cuda]\nstages: [train]", "sweep.yaml:3:1: device: is a list, expected cpu or cuda; without the key every worker computes on what it has" },
        { "model: 5\ndataset: b\nseed: 1\nstages: [train]", "sweep.yaml:1:1: model: is 5, expected a model's name (lathe models shows them), an ONNX file, or a list of them" },
        { "model: a\ndataset: { b: 1 }\nseed: 1\nstages: [train]", "sweep.yaml:2:1: dataset: is a mapping, expected a data set's name or a list of them" },
        { "model: a\ndataset: []\nseed: 1\nstages: [train]", "sweep.yaml:2:1: dataset: is an empty list, expected a data set's name or a list of them" },
        { "model: a\ndataset: b\nseed: 1.5\nstages: [train]", "sweep.yaml:3:1: seed: is 1.5, expected a whole number or a list of them" },
        { "model: a\ndataset: b\nseed: [1, two]\nstages: [train]", "sweep.yaml:3:11: seed[1]: is two, expected a whole number or a list of them" },
        { "model: a\ndataset: b\nseed: [1, 1]\nstages: [train]", "sweep.yaml:3:11: seed[1]: 1 stands twice in the list" },
        { "model: a\ndataset: b\nseed: 1\nstages: train", "sweep.yaml:4:1: stages: is train, expected a list of stages, each \"- name\" or \"- name: { parameter: value }\"" },
        { "model: a\ndataset: b\nseed: 1\nstages: []", "sweep.yaml:4:1: stages: is an empty list, expected a list of stages, each \"- name\" or \"- name: { parameter: value }\"" },
        { "model: a\ndataset: b\nseed: 1\nstages:\n  - [train]", "sweep.yaml:5:5: stages[0]: is a list, expected a stage: \"- name\" or \"- name: { parameter: value }\"" },
        { "model: a\ndataset: b\nseed: 1\nstages:\n  - train: 6", "sweep.yaml:5:5: stages[0].train: is 6, expected the stage's parameters: { parameter: value }" },
        { "model: a\ndataset: b\nseed: 1\nstages:\n  - train:\n    epochs: 6",
            "sweep.yaml:5:5: stages[0]: holds train and epochs, expected one stage; begin each with \"- \" and indent its parameters" },
        { "model: *a\n", "sweep.yaml:1:8: *a: aliases are not read here; write the value out" },
        { "model: a\n---\nmodel: b\n", "sweep.yaml:2:1: a second document begins here; expected one document in the file" },
        { Limited("limits: { parallel: 0 }"), "sweep.yaml:4:11: limits.parallel: is 0, expected 1 or more" },
        { Limited("limits: { parallel: two }"), "sweep.yaml:4:11: limits.parallel: is two, expected a whole number from 1 on" },
        { Limited("limits:\n  failures: 3\n  executionSeconds: 30m"), "sweep.yaml:6:3: limits.executionSeconds: is 30m, expected a number of seconds above 0" },
        { Limited("limits:\n  sweepSeconds: -1"), "sweep.yaml:5:3: limits.sweepSeconds: is -1, expected a number of seconds from 1 to 3155760000" },
        { Limited("limits: { failures: 1.5 }"), "sweep.yaml:4:11: limits.failures: is 1.5, expected a whole number from 1 on" },
        { Limited("limits: { failure: 1 }"), "sweep.yaml:4:11: limits.failure: unknown key; expected one of parallel, parallelOf, executionSeconds, sweepSeconds, failures, keepDays, budgetBytes (did you mean 'failures'?)" },
        { Limited("limits: { parallelOf: 2 }"), "sweep.yaml:4:11: limits.parallelOf: is 2, expected a number for each stage: { train: 2 }" },
        { Limited("limits: { parallelOf: { train: x } }"), "sweep.yaml:4:25: limits.parallelOf.train: is x, expected a whole number from 1 on" },
        { Limited("limits: { parallelOf: { tran: 2 } }"), "sweep.yaml:4:25: limits.parallelOf.tran: the sweep has no stage 'tran'" },
        { Limited("limits: 4"), "sweep.yaml:4:1: limits: is 4, expected limits: { parallel: 4 }, with the keys parallel, parallelOf, executionSeconds, sweepSeconds, failures, keepDays, budgetBytes" },
        { Limited("priority: 9"), "sweep.yaml:4:1: priority: is 9, expected a whole number from 1 to 5" },
        { Limited("priority: high"), "sweep.yaml:4:1: priority: is high, expected a whole number from 1 to 5" },
        { Limited("weight: 0"), "sweep.yaml:4:1: weight: is 0, expected a number above 0, from 0.000001 to 1000000" },
        { Limited("share: [a]"), "sweep.yaml:4:1: share: is a list, expected a name" },
        { "name: [a]\nmodel: a\ndataset: b\nseed: 1\nstages: [train]", "sweep.yaml:1:1: name: is a list, expected a name" },
    };

    [Theory]
    [MemberData(nameof(BadFiles))]
    public void A_fault_of_the_file_is_named_with_its_place(string yaml, string message) =>
        Assert.Equal(message, Assert.Throws<LatheException>(() => Read(yaml)).Message);

    [Theory]
    [InlineData("model: [a\ndataset: b", "sweep.yaml:1:8:")]
    [InlineData("model: \"a\n", "sweep.yaml:")]
    [InlineData("model: a\n  dataset: b", "sweep.yaml:2:")]
    [InlineData("model: {a: b", "sweep.yaml:2:")]
    [InlineData("model: @x", "sweep.yaml:1:8:")]
    public void A_syntax_fault_is_named_with_its_place(string yaml, string beginning)
    {
        var message = Assert.Throws<LatheException>(() => Read(yaml)).Message;
        Assert.StartsWith(beginning, message);
        Assert.Contains("is not valid YAML: ", message);
    }

    [Fact]
    public void Several_faults_are_told_at_once()
    {
        var message = Assert.Throws<LatheException>(() => Read("modle: a\nseed: x\nstages: [train]")).Message;
        Assert.Equal(
            ["sweep.yaml:1:1: modle: unknown key", "sweep.yaml:1:1: the key model is missing", "sweep.yaml:1:1: the key dataset is missing", "sweep.yaml:2:1: seed: is x"],
            message.Split('\n').Select(line => line[..line.IndexOfAny([';', ','])]));
    }

    /// <summary>Whoever mends the sweep's own keys has not to learn in a second run that a stage is wrong as well.</summary>
    [Fact]
    public void Faults_of_stages_are_told_with_those_of_the_sweep_in_the_order_of_lines()
    {
        var message = Assert.Throws<LatheException>(() => SweepFile.Parse(
            "sweep.yaml",
            "seed: x\nmodel: a\nstages:\n  - train: { epochs: -1, init: weights.pt }\n  - 5:\n      a: 1\n  - [prune]\n  - quantize:\n      bits: [2, 99]\n      epochs: -1\ndataset: b\nthreads: x",
            ["prune.epochs=1", "quantize.epochs=-3"])).Message;
        Assert.Equal(
            [
                "sweep.yaml:1:1: seed: is x", "sweep.yaml:4:14: stages[0].train.epochs: is -1", "sweep.yaml:7:5: stages[2]: is a list",
                "sweep.yaml:9:17: stages[3].quantize.bits[1]: is 99", "sweep.yaml:12:1: threads: is x", "--set quantize.epochs=-3: is -3",
            ],
            message.Split('\n').Select(line => line[..line.IndexOf(',', line.IndexOf(": is", StringComparison.Ordinal))]));
    }

    [Fact]
    public void No_text_whatever_ends_in_anything_but_a_message()
    {
        string[] texts = ["model", "stages", ": ", ":", "- ", "\n", "\n  ", "[", "]", "{", "}", "\"", "'", "a", "1", ", ", "&x", "*x", "|", ">", "#", "?", "!", "%", "@", "\t", "---\n", "\r\n", "~", "ü"];
        var pieces = Gen.Int[0, texts.Length - 1].Select(i => texts[i]);
        pieces.Array[0, 30].Sample(parts =>
        {
            try
            {
                Read(string.Concat(parts));
            }
            catch (LatheException problem)
            {
                return problem.Message.StartsWith("sweep.yaml:", StringComparison.Ordinal);
            }

            return true;
        }, iter: 20_000);
    }

    [Fact]
    public void Endless_nesting_is_refused_and_not_followed() =>
        Assert.Contains("is nested more than 32 deep", Assert.Throws<LatheException>(() => Read(new string('[', 100_000))).Message);

    [Fact]
    public void A_problem_that_the_coordinator_finds_is_told_at_its_place()
    {
        var sources = Read(Good).Sources;

        Assert.Equal("sweep.yaml:8:27: stages[2].prune.multiplications: is 1.5, expected at most 1",
            sources.Line("/stages/2/prune/multiplications", "is 1.5, expected at most 1"));
        Assert.Equal("sweep.yaml:8:50: stages[2].prune.multiplications[1]: is 1.5, expected at most 1",
            sources.Line("/stages/2/prune/multiplications/1", "is 1.5, expected at most 1"));
        Assert.Equal("sweep.yaml:10:7: stages[3].quantize.bits: wrong", sources.Line("/stages/3/quantize/bits", "wrong"));
        Assert.EndsWith("stages[3].quantize.bits.default: is 1", sources.Line("/stages/3/quantize/bits/default", "is 1"), StringComparison.Ordinal);
        Assert.EndsWith("stages[3].quantize.bits.a/b: is 1", sources.Line("/stages/3/quantize/bits/a~1b", "is 1"), StringComparison.Ordinal);
        Assert.Equal("sweep.yaml:7:5: stages[1].evaluate.split: is missing", sources.Line("/stages/1/evaluate/split", "is missing"));
        Assert.Equal("sweep.yaml:2:1: model: unknown", sources.Line("/models/0", "unknown"));
        Assert.Equal("sweep.yaml:3:1: dataset: unknown", sources.Line("/datasets/0", "unknown"));
        Assert.Equal("sweep.yaml:1:12: model[1]: unknown", Read("model: [a, b]\ndataset: c\nseed: 1\nstages: [train]").Sources.Line("/models/1", "unknown"));
    }

    [Fact]
    public void Files_that_are_none_are_refused_without_a_stack_trace()
    {
        var folder = Directory.CreateTempSubdirectory("lathe-test-").FullName;
        try
        {
            Assert.StartsWith($"{folder}: is a folder", Assert.Throws<LatheException>(() => SweepFile.Read(folder, [])).Message);
            var missing = Path.Combine(folder, "none.yaml");
            Assert.StartsWith($"{missing}: no such file", Assert.Throws<LatheException>(() => SweepFile.Read(missing, [])).Message);
            var binary = Path.Combine(folder, "binary.yaml");
            File.WriteAllBytes(binary, [0x00, 0xff, 0xc3, 0x28]);
            Assert.StartsWith($"{binary}: is not UTF-8 text", Assert.Throws<LatheException>(() => SweepFile.Read(binary, [])).Message);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    internal static SweepDocument Read(string yaml, params string[] sets) => SweepFile.Parse("sweep.yaml", yaml, sets);

    /// <summary>A good sweep and what stands beside it, from line 4 on.</summary>
    private static string Limited(string terms) => "model: a\ndataset: b\nstages: [train]\n" + terms;

    /// <summary>A good sweep, indented by two, with one more line at its end.</summary>
    private static string With(string line) => "  model: a\n  dataset: b\n  seed: 1\n  stages: [train]\n" + line;

}
