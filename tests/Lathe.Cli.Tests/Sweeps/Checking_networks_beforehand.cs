using Lathe.Cli.Sweeps;
using Lathe.Contracts;

namespace Lathe.Cli.Tests.Sweeps;

public sealed class Checking_networks_beforehand : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("lathe-test-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task Targets_of_a_later_pruning_are_refused_where_they_are_written()
    {
        var faults = await FaultsAsync("model: lenet5", "  - prune: { multiplications: 0.5 }\n  - prune: { multiplications: [100, 0.5, 3000000000, 0.00001] }");
        Assert.Equal(3, faults.Length);
        Assert.StartsWith("s.yaml:6:32: stages[2].prune.multiplications[0]: 100 (0.00006613 of the at most 1,512,192 that", faults[0]);
        Assert.StartsWith("s.yaml:6:42: stages[2].prune.multiplications[2]: 3,000,000,000 (1,984 of", faults[1]);
        Assert.StartsWith("s.yaml:6:54: stages[2].prune.multiplications[3]: 15.12 (0.00001 of", faults[2]);
    }

    [Fact]
    public async Task A_third_pruning_and_a_second_quantization_have_places_of_their_own()
    {
        var faults = await FaultsAsync(
            "model: lenet5",
            """
              - prune: { multiplications: 0.5 }
              - quantize: { exclude: classifier.3 }
              - prune: { multiplications: 0.5 }
              - quantize: { exclude: fc }
              - prune: { parameters: 10 }
            """);
        Assert.Equal(2, faults.Length);
        Assert.StartsWith("s.yaml:8:17: stages[4].quantize.exclude: the network has no layer 'fc'", faults[0]);
        Assert.StartsWith("s.yaml:9:14: stages[5].prune.parameters: 10 (0.00004876 of the at most 205,068 that", faults[1]);
    }

    [Fact]
    public async Task Behind_targets_that_cannot_be_reached_no_further_ones_are_named()
    {
        var faults = await FaultsAsync("model: lenet5", "  - prune: { multiplications: 0.001 }\n  - prune: { multiplications: 0.5 }\n  - quantize: { exclude: fc }");
        Assert.Equal(2, faults.Length);
        Assert.StartsWith("s.yaml:5:14: stages[1].prune.multiplications: ", faults[0]);
        Assert.StartsWith("s.yaml:7:17: stages[3].quantize.exclude: ", faults[1]);
    }

    [Fact]
    public async Task Of_several_models_and_data_sets_those_are_named_that_do_not_fit()
    {
        var faults = await FaultsAsync("model: [lenet5, lenet5@0.5]", "  - prune: { multiplications: 0.02 }\n  - quantize: { exclude: fc }");
        Assert.Equal(2, faults.Length);
        Assert.StartsWith("s.yaml:5:14: stages[1].prune.multiplications: lenet5@0.5: 16,696.32 (0.02 of 834,816) cannot be reached", faults[0]);
        Assert.StartsWith("s.yaml:6:17: stages[2].quantize.exclude: the network has no layer 'fc'", faults[1]);

        var larger = Assert.Single(await FaultsAsync("model: [lenet5, lenet5@0.5]", "  - prune: { multiplications: 3500000 }", "[fashion-mnist, cifar-10]"), fault => fault.Contains("3,024,384", StringComparison.Ordinal));
        Assert.StartsWith("s.yaml:5:14: stages[1].prune.multiplications: lenet5 on fashion-mnist: 3,500,000 (1.1573 of 3,024,384)", larger);
    }

    [Fact]
    public async Task Batches_of_one_image_are_refused_before_anything_trains_where_a_batch_norm_would_see_one_value()
    {
        // What does not train may have batches of any size.
        var faults = await FaultsAsync(
            "model: lenet5",
            """
              - prune: { multiplications: 0.5, batchSize: [1, 2] }
              - quantize: { method: naive, batchSize: 1 }
              - quantize: { batchSize: 1 }
            """);
        Assert.Equal(2, faults.Length);
        Assert.StartsWith("s.yaml:5:48: stages[1].prune.batchSize[0]: batches of one image give batch norm '", faults[0]);
        Assert.StartsWith("s.yaml:7:17: stages[3].quantize.batchSize: batches of one image give batch norm '", faults[1]);
    }

    [Fact]
    public async Task Schedules_that_run_backwards_and_a_quantization_of_nothing_are_refused_before_anything_trains()
    {
        var faults = await FaultsAsync("model: lenet5", "  - quantize: { pullEnd: [10, 1e-9] }\n  - quantize: { exclude: '*' }");
        Assert.Equal(2, faults.Length);
        Assert.StartsWith("s.yaml:5:31: stages[1].quantize.pullEnd[1]: is 1E-09 where pullStart is 1E-06, and it rises from there", faults[0]);
        Assert.StartsWith("s.yaml:6:17: stages[2].quantize.exclude: '*' leaves no layer to quantize", faults[1]);
    }

    private async Task<string[]> FaultsAsync(string model, string stages, string dataset = "fashion-mnist")
    {
        var sweep = SweepFile.Parse("s.yaml", $"{model}\ndataset: {dataset}\nstages:\n  - train\n{stages}\n", []);
        return (await Assert.ThrowsAsync<LatheException>(() => Beforehand.CheckAsync(sweep, _folder))).Message.Split('\n');
    }
}
