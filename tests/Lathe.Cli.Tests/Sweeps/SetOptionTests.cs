using Lathe.Contracts;
using Lathe.Coordinator;

namespace Lathe.Cli.Tests.Sweeps;

public sealed class SetOptionTests
{
    private const string Sweep =
        """
        model: lenet5
        dataset: fashion-mnist
        seed: 1
        stages:
          - train: { epochs: 6 }
          - evaluate
          - prune: { multiplications: [0.5, 0.25] }
          - evaluate: { batchSize: 10 }
        """;

    [Fact]
    public void A_value_replaces_the_one_in_the_file_and_may_be_a_list()
    {
        var spec = SweepFileTests.Read(Sweep, "prune.multiplications=0.1", "train.epochs=[1, 2]", "train.method=sgd").Spec;

        Assert.Equal("""{"multiplications":0.1}""", spec.Stages[2].Parameters.GetRawText());
        Assert.Equal("""{"epochs":[1,2],"method":"sgd"}""", spec.Stages[0].Parameters.GetRawText());
    }

    [Fact]
    public void A_value_is_set_in_every_stage_of_that_name()
    {
        var spec = SweepFileTests.Read(Sweep, "evaluate.batchSize=5").Spec;

        Assert.Equal("""{"batchSize":5}""", spec.Stages[1].Parameters.GetRawText());
        Assert.Equal("""{"batchSize":5}""", spec.Stages[3].Parameters.GetRawText());
    }

    [Fact]
    public void Keys_of_the_sweep_can_be_set_and_the_last_wins()
    {
        var spec = SweepFileTests.Read(Sweep, "seed=2", "seed=[3, 4]", "model=vgg8", "dataset=mnist", "name=mine").Spec;

        Assert.Equal([3L, 4L], spec.Seeds);
        Assert.Equal(["vgg8"], spec.Models);
        Assert.Equal(["mnist"], spec.Datasets);
        Assert.Equal("mine", spec.Name);
    }

    [Theory]
    [InlineData("prnue.multiplications=0.1", "--set prnue.multiplications=0.1: the sweep has no stage prnue; it has train, evaluate, prune (did you mean 'prune'?)")]
    [InlineData("seeds=2", "--set seeds=2: seeds is no key that can be set; expected stage.parameter=value, for example --set prune.multiplications=0.25, search.KEY=value, or seed=, model=, dataset=, threads=, device=, name= (did you mean 'seed'?)")]
    [InlineData("train.epochs", "--set train.epochs: has no \"=\"; expected stage.parameter=value, for example --set prune.multiplications=0.25, search.KEY=value, or seed=, model=, dataset=, threads=, device=, name=")]
    [InlineData("a.b.c=1", "--set a.b.c=1: expected stage.parameter=value, for example --set prune.multiplications=0.25, search.KEY=value, or seed=, model=, dataset=, threads=, device=, name=")]
    [InlineData("train.epochs=", "--set train.epochs=: has no value after \"=\"")]
    [InlineData("device=gpu", "--set device=gpu: is gpu, expected cpu or cuda; without the key every worker computes on what it has")]
    [InlineData("seed=x", "--set seed=x: is x, expected a whole number or a list of them")]
    [InlineData("seed=[1, x]", "--set seed=[1, x]: is x, expected a whole number or a list of them")]
    public void A_fault_names_the_option(string set, string message) =>
        Assert.Equal(message, Assert.Throws<LatheException>(() => SweepFileTests.Read(Sweep, set)).Message);

    [Fact]
    public void A_value_that_is_no_YAML_names_the_option() =>
        Assert.StartsWith("--set train.epochs=[1: the value is not valid YAML: ",
            Assert.Throws<LatheException>(() => SweepFileTests.Read(Sweep, "train.epochs=[1")).Message);

    [Fact]
    public void A_problem_that_the_coordinator_finds_names_the_option_that_wrote_it()
    {
        var sources = SweepFileTests.Read(Sweep, "prune.multiplications=[1.5]").Sources;

        Assert.Equal("--set prune.multiplications=[1.5]: is 1.5, expected at most 1", sources.Line("/stages/2/prune/multiplications/0", "is 1.5, expected at most 1"));
        Assert.StartsWith("sweep.yaml:5:14: stages[0].train.epochs: ", sources.Line("/stages/0/train/epochs", "x"));
    }
}
