using Lathe.Contracts;
using Lathe.Contracts.Panels;
using Lathe.Graph;
using Lathe.Graph.Checkpoints;
using Lathe.Hosting;
using Lathe.NN.Checkpoints;
using Lathe.NN.Runtime;
using static TorchSharp.torch;

namespace AcmeNamespace;

/// <summary>Sets the smallest weights of each layer to zero.</summary>
public sealed class SampleStage : IStage<SampleParameters>
{
    // Change the version whenever the same input could give another result: results are cached by it.
    public static StageManifest Manifest { get; } = new(
        "sample-word", "1", "Sets the smallest weights of each layer to zero", StageInput.Checkpoint, StageOutput.Checkpoint, ReadsData: false, Metrics:
        [
            .. SizeMetrics.All,
            new("zeros", "zeros", "%", MetricFormat.Percent, Better.Higher, IsColumn: true, Description: "weights that are zero"),
            new("removed", "removed", Format: MetricFormat.Ratio, Better: Better.Lower, IsColumn: true, Description: "size of the change over the size of the weights"),
        ]);

    /// <summary>Refuses, before anything runs, what the schema of the parameters cannot know.</summary>
    public static IReadOnlyList<ParameterProblem> Check(SampleParameters parameters, StageCheck context)
    {
        if (context.Input is not { } input) return [];
        var layers = NetworkForms.GraphOf(input).Nodes.Where(node => node is Conv2d or Linear).Select(node => node.Name).ToList();
        return
        [
            .. parameters.Skip.Index().Where(skip => !layers.Contains(skip.Item)).Select(skip => new ParameterProblem(
                $"/skip/{skip.Index}", $"the network has no layer '{skip.Item}'; its layers are {string.Join(", ", layers)}")),
        ];
    }

    /// <summary>What leaves the stage has the layers and sizes of what entered, so the stages after it can be checked too.</summary>
    public static NetworkForm? Predict(SampleParameters parameters, StageCheck context) => context.Input;

    public StageOutcome Run(StageRun run, SampleParameters parameters)
    {
        TorchRuntime.Configure(run.Threads);
        using var checkpoint = CheckpointFile.Read(run.InputPath!);
        using var scope = NewDisposeScope();
        var changed = new Dictionary<string, Tensor>();
        var zeros = new Dictionary<string, double>();
        foreach (var (layer, name, weight) in checkpoint.Weights())
        {
            // A stage that works for long also saves what it has to run.State, so that another worker can go on from there.
            run.Stop.ThrowIfCancellationRequested();
            run.Progress.Report(new StageProgress($"layer {layer}"));
            changed[name] = parameters.Skip.Contains(layer) ? weight : WithoutSmallest(weight, parameters.Share);
            zeros[layer] = 1 - (count_nonzero(changed[name]).item<long>() / (double)weight.numel());
        }

        var weights = checkpoint.Weights().ToList();
        var metrics = new Dictionary<string, double>
        {
            ["zeros"] = weights.Sum(w => zeros[w.Layer] * w.Value.numel()) / weights.Sum(w => w.Value.numel()),
            ["removed"] = Size(weights.Select(w => w.Value - changed[w.Name])) / Size(weights.Select(w => w.Value)),
        };
        var panel = new BarChart("zeros", "Zeros in each layer", "share of weights", [.. zeros.Keys], [new BarSeries("zeros", [.. zeros.Values])]);
        var sparse = checkpoint.With(changed).After(run.Step, metrics, compresses: true);
        return new StageOutcome(run.Write(sparse.WriteTo), metrics.With(sparse), Panels: [panel]);
    }

    /// <summary>The weight with a share of its values, rounded down, set to zero.</summary>
    private static Tensor WithoutSmallest(Tensor weight, double share)
    {
        var count = (int)(share * weight.numel());
        var smallest = weight.abs().flatten().topk(count, largest: false).indexes;
        return weight.flatten().scatter(0, smallest, zeros(count)).view(weight.shape);
    }

    /// <summary>Root of the sum of squares.</summary>
    private static double Size(IEnumerable<Tensor> tensors) => Math.Sqrt(tensors.Sum(t => t.square().sum().item<float>()));
}
