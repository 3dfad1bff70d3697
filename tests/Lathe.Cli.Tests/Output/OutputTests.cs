using System.Text.Json;
using System.Text.RegularExpressions;
using Lathe.Cli.Commands;
using Lathe.Cli.Embedded;
using Lathe.Cli.Output;
using Lathe.Contracts;
using Lathe.Hosting;
using Lathe.Reports.Terminals;

namespace Lathe.Cli.Tests.Output;

public sealed class OutputTests
{
    [Fact]
    public void Results_fit_80_columns_with_shares_below_the_figures() =>
        Assert.Equal(
            [
                "way                        top-1 % points  params     mults  bits   KiB   time",
                "dense                        92.56   0.00 215,546 3,024,384 float 842.7   1:03",
                "                                            1.000     1.000        1.0x",
                "prune multiplications=0.5    91.31  -1.25  53,197   755,904     2  24.4   2:18",
                "> quantize bits=2                           0.247     0.250       34.5x",
                "prune multiplications=0.25   90.84  -1.72  53,197   755,904     2  13.4   2:18",
                "> quantize bits=2                           0.247     0.250       62.9x cached",
                "prune multiplications=0.25   91.00  -1.56  53,197   755,904     4  26.4   2:18",
                "> quantize bits=4                           0.247     0.250       32.0x",
            ],
            Results(Samples.Leaves, 80));

    [Fact]
    public void Results_use_one_line_for_the_way_where_there_is_room() =>
        Assert.Contains(Results(Samples.Leaves, 160), line => line.StartsWith("prune multiplications=0.25 > quantize bits=4     ", StringComparison.Ordinal));

    [Fact]
    public void Results_name_each_checkpoint_where_they_are_asked_to()
    {
        var lines = Results(Samples.Leaves, 80, showCheckpoints: true);
        foreach (var leaf in Samples.Leaves)
            Assert.Contains(lines, line => line.StartsWith(leaf.Stages.Last(s => s.Checkpoint is not null).Checkpoint!.Sha256[..12], StringComparison.Ordinal));
    }

    [Fact]
    public void A_way_that_is_wider_than_the_terminal_is_broken()
    {
        var digest = new string('a', 64);
        var leaves = Samples.Leaves.Select((leaf, i) => leaf with
        {
            Stages = [.. leaf.Stages.Select(s => s.Stage == "train" ? s with { Parameters = JsonSerializer.SerializeToElement(new { init = $"{i}{digest}" }) } : s)],
        }).ToList();
        var lines = Results(leaves, 80);
        Assert.All(lines, line => Assert.InRange(line.Length, 1, 80));
        Assert.Contains(lines, line => line.Contains("92.56", StringComparison.Ordinal));
    }

    [Fact]
    public void Names_in_a_long_parameter_stay_whole()
    {
        var leaves = Samples.Leaves.Select((leaf, i) => leaf with
        {
            Stages = [.. leaf.Stages.Select(s => s.Stage == "quantize" ? s with { Parameters = Samples.Json($$$"""{"bits":{"features.denseblock4.denselayer16.conv2":{{{i}}},"classifier.3":8}}""") } : s)],
        }).ToList();
        var text = string.Join('\n', Results(leaves, 80));
        foreach (var part in (string[])["features", "denseblock4", "denselayer16", "conv2: 2", "classifier", "3: 8"])
            Assert.Matches($@"\W{part}\W", text);
    }

    [Fact]
    public void Results_of_several_models_name_each_once()
    {
        var leaves = Samples.Leaves.Select((leaf, i) => leaf with
        {
            Model = i < 2 ? "lenet5" : "vgg7",
            Stages = [.. leaf.Stages.Select(s => s.Stage == "train" ? s with { Parameters = JsonSerializer.SerializeToElement(new { model = i < 2 ? "lenet5" : "vgg7" }) } : s)],
        }).ToList();
        var ways = ShownResults.Of(new SweepResults(BuiltInStages.Metrics, leaves)).Ways;
        Assert.Equal(["lenet5", "dense"], ways[0]);
        Assert.Equal("vgg7", ways[2][0]);
        Assert.DoesNotContain(ways.SelectMany(way => way), part => part.Contains("model=", StringComparison.Ordinal));
    }

    [Fact]
    public void A_result_that_failed_says_so_instead_of_figures()
    {
        var failed = Samples.Leaves[1] with { State = ExecutionState.Skipped };
        Assert.Matches(@"^prune multiplications=0\.5 +skipped +- +- +- +- +- +2:18$", Results([Samples.Leaves[0], failed, Samples.Leaves[2]], 80)[3]);
    }

    [Fact]
    public void Results_of_a_wide_terminal_have_more_columns() =>
        Assert.Matches("^way +top-1 % +points +params +mults +bits +KiB +peak KiB +time$", Results(Samples.Leaves, 160)[0]);

    private static string[] Results(IReadOnlyList<LeafResult> leaves, int width, bool showCheckpoints = false) =>
        Samples.Draw(ResultText.Of(ShownResults.Of(new SweepResults(BuiltInStages.Metrics, leaves)), width, showCheckpoints), width);

    [Fact]
    public void A_sweep_is_drawn_as_a_tree_with_a_line_for_each_execution() =>
        Assert.Equal(
            [
                "stage                         state      epoch    loss  acc %   img/s  left",
                "train                         cached",
                "├ evaluate                    done 0:02         0.2500  92.56",
                "├ prune multiplications=0.5   done 0:40",
                "│ ├ quantize bits=2           training   3.4/6  0.3123  89.12  12,345  0:28",
                "│ │ └ evaluate                waiting",
                "│ └ quantize bits=4           queued",
                "│   └ evaluate                waiting",
                "└ prune multiplications=0.25  failed",
                "  └ evaluate                  skipped",
                "4 of 9 finished, 1 failed, 2:10 so far",
            ],
            Samples.Draw(ExecutionTable.Render(Samples.Running, Samples.Start.AddSeconds(130)), 80));

    [Theory]
    [InlineData(80)]
    [InlineData(160)]
    public void Heads_stay_whole_beside_long_names(int width)
    {
        var far = "features.denseblock4.denselayer16.conv2=4, classifier.3=8";
        var running = Samples.Running with
        {
            Executions = [.. Samples.Running.Executions.Select(e => e.Stage == "quantize" ? e with { Parameters = Samples.Json($$"""{"bits":"{{far}} {{e.Index}}"}""") } : e)],
        };
        var tree = Samples.Draw(ExecutionTable.Render(running, Samples.Start.AddSeconds(130), width: width), width);
        Assert.Matches("^stage +state +epoch +loss +acc % +img/s +left$", tree[0]);
        Assert.Equal(11, tree.Length);
        Assert.Matches("^│ ├ quantize .*8 3 +training +3.4/6 +0.3123 +89.12 +12,345 +0:28$", tree[4]);

        var summary = new SweepSummary(Guid.Parse("0e5e10ee-2bde-7000-8000-000000000000"), new string('n', 300), SweepState.Interrupted, Samples.Start, null, 1234, 4287, 1200, 1100);
        var list = Samples.Draw(SweepList.Render([summary, summary with { Name = "short" }], Samples.Start.AddDays(3), width), width);
        Assert.Matches("^id +name +state +finished +running +failed +prio(rity)? +submitted$", list[0]);
        Assert.Equal(3, list.Length);
        Assert.Matches("^0e5e10ee-2bde +n+… +interrupted +1234/4287 +1,200 +1,100 +3 +2026-01-0", list[1]);
        Assert.All(tree.Concat(list), line => Assert.InRange(line.Length, 1, width));
    }

    [Fact]
    public void Dead_letters_take_two_lines_each_at_most()
    {
        List<DeadLetter> letters =
        [
            new("0123456789ab", "lathe.coordinator", "it cannot be read: it has a value of another type than expected, at $.message.metrics and more that is long", Samples.Start, "", 12),
            new("ba9876543210", "stage.train.3", "nobody here reads messages of type Boiled\u001b[2J", Samples.Start, "", 12),
        ];
        var narrow = DeadLettersCommand.Lines(letters, 80).ToList();
        Assert.Equal(5, narrow.Count);
        Assert.Matches("^id +since +queue$", narrow[0].TrimEnd());
        Assert.StartsWith("  it cannot be read: it has a value of another type than expected", narrow[2]);
        Assert.DoesNotContain(narrow, line => line.Any(char.IsControl) || line.Length > 80);
        var wide = DeadLettersCommand.Lines([letters[0] with { Type = "StageFailed" }, letters[1]], 160).ToList();
        Assert.Equal(3, wide.Count);
        Assert.Matches("^id +since +queue +message +reason$", wide[0]);
        Assert.Matches(@"^ba9876543210 .* stage\.train\.3 +nobody here reads messages of type Boiled", wide[2]);
    }

    [Fact]
    public void A_sweep_that_is_over_says_how_long_it_took() =>
        Assert.Equal("4 of 9 finished, 1 failed, in 2:00", ExecutionTable.Summary(Samples.Running with { FinishedAt = Samples.Start.AddSeconds(120) }, Samples.Start.AddDays(1)));

    [Fact]
    public void A_terminal_too_low_for_all_shows_what_matters_and_counts_the_rest()
    {
        var lines = Samples.Draw(ExecutionTable.Render(Samples.Running, Samples.Start.AddSeconds(130), 8), 80);
        Assert.Equal(
            [
                "stage                        state      epoch    loss  acc %   img/s  left",
                "train                        cached",
                "├ prune multiplications=0.5  done 0:40",
                "│ ├ quantize bits=2          training   3.4/6  0.3123  89.12  12,345  0:28",
                "... and 6 more",
                "4 of 9 finished, 1 failed, 2:10 so far",
            ],
            lines);
    }

    [Fact]
    public void The_time_left_is_told_once_every_stage_to_come_has_been_seen()
    {
        Assert.Null(ExecutionTable.SecondsLeft(Samples.Running.Executions));
        Assert.Equal(28 + 2 + 30 + 2, ExecutionTable.SecondsLeft([
            .. Samples.Running.Executions.Take(7),
            Samples.Execution(9, 0, "quantize", "{}", ExecutionState.Completed, seconds: 30)]));
    }

    [Fact]
    public void What_goes_on_side_by_side_takes_half_the_time()
    {
        var done = Samples.Execution(9, 0, "quantize", "{}", ExecutionState.Completed, seconds: 30);
        var running = Samples.Running.Executions[3];
        var waiting = Samples.Running.Executions[5];
        Assert.Equal((28 + 28 + 30) / 2.0, ExecutionTable.SecondsLeft([done, running, running, waiting]));
        // Never less than what the longest still needs.
        Assert.Equal(90, ExecutionTable.SecondsLeft([done, running, running with { Progress = running.Progress! with { SecondsLeft = 90 } }]));
    }

    [Fact]
    public void A_log_gets_a_line_for_each_change_and_each_epoch_only()
    {
        var lines = new List<string>();
        var progress = new ProgressLines(lines.Add);
        var now = Samples.Start.AddSeconds(130);
        var running = Samples.Running.Executions[3];
        progress.Show(Samples.Running, now);
        progress.Show(Samples.Running, now.AddSeconds(1));
        Show(2, running with { Progress = running.Progress! with { Epoch = 4.02, LastEpoch = new EpochFigures(4, 0.3, 0.9) } });
        // The last report before the end may be the first about the last epoch.
        Show(30, running with { State = ExecutionState.Completed, Seconds = 50, Progress = running.Progress! with { LastEpoch = new EpochFigures(6, 0.2, 0.95) } });

        Assert.Equal(
            [
                "[2:10] train: cached",
                "[2:10] evaluate: done in 0:02, top-1 92.56%",
                "[2:10] prune multiplications=0.5: done in 0:40",
                "[2:10] prune multiplications=0.5 > quantize bits=2: started",
                "[2:10] prune multiplications=0.5 > quantize bits=2: epoch 3/6, loss 0.4568, accuracy 87.65%, 12,345 images/s, 0:28 left",
                "[2:10] prune multiplications=0.25: failed: the target is too small",
                "[2:10] prune multiplications=0.25 > evaluate: skipped",
                "[2:12] prune multiplications=0.5 > quantize bits=2: epoch 4/6, loss 0.3000, accuracy 90.00%, 12,345 images/s, 0:28 left",
                "[2:40] prune multiplications=0.5 > quantize bits=2: epoch 6/6, loss 0.2000, accuracy 95.00%, 12,345 images/s",
                "[2:40] prune multiplications=0.5 > quantize bits=2: done in 0:50",
            ],
            lines);

        void Show(int seconds, ExecutionStatus execution) => progress.Show(
            Samples.Running with { Executions = [.. Samples.Running.Executions.Select(e => e.Index == execution.Index ? execution : e)] }, now.AddSeconds(seconds));
    }

    [Fact]
    public void A_log_says_started_once_an_execution_computes()
    {
        var lines = new List<string>();
        var progress = new ProgressLines(lines.Add);
        var seconds = 0;
        foreach (var phase in (string?[])[null, StageProgress.Taken, StageProgress.WaitingForCpu, StageProgress.WaitingForCpu, "starting", "training"])
        {
            var execution = Samples.Execution(0, null, "train", "{}", ExecutionState.Running, progress: phase is null ? null : new StageProgress(phase));
            progress.Show(Samples.Running with { Executions = [execution] }, Samples.Start.AddSeconds(seconds++));
        }

        Assert.Equal(["[0:02] train: waiting for CPU, which other computations on its machine use", "[0:04] train: started"], lines);
    }

    [Fact]
    public void The_JSON_of_results_has_exactly_the_promised_names()
    {
        var json = JsonDocument.Parse(ResultsJson.Text(Samples.Leaves)).RootElement;

        Assert.Equal(4, json.GetArrayLength());
        Assert.Equal(
            ["model", "dataset", "seed", "state", "top1", "top1Dense", "loss", "parameters", "parametersRatio", "multiplications", "multiplicationsRatio", "bits", "bytes", "stages"],
            json[0].EnumerateObject().Select(p => p.Name));
        Assert.Equal(
            ["stage", "parameters", "key", "checkpoint", "seconds", "cached", "metrics", "onlyMeasures"],
            json[0].GetProperty("stages")[0].EnumerateObject().Select(p => p.Name));
        Assert.Equal(["sha256", "bytes"], json[0].GetProperty("stages")[0].GetProperty("checkpoint").EnumerateObject().Select(p => p.Name));
        Assert.Equal(JsonValueKind.Null, json[0].GetProperty("bits").ValueKind);
        Assert.Equal(2, json[1].GetProperty("bits").GetDouble());
        Assert.True(json[2].GetProperty("stages")[0].GetProperty("cached").GetBoolean());
    }

    [Theory]
    [InlineData(0.6, "0:01")]
    [InlineData(59.6, "1:00")]
    [InlineData(3600, "1:00:00")]
    [InlineData(-3, "0:00")]
    public void Times_are_minutes_and_seconds(double seconds, string text) => Assert.Equal(text, Figures.Time(seconds));

    [Theory]
    [InlineData(9_999_999, "9,999,999")]
    [InlineData(11_689_512, "11.7M")]
    [InlineData(15_470_264_320, "15.5G")]
    public void Large_counts_are_shortened(double count, string text) => Assert.Equal(text, Figures.Count(count));
}
