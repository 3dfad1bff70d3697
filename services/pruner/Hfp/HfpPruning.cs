using Lathe.NN.Sizing;
using Lathe.NN.Graphs;
using Lathe.NN.Training;
using static TorchSharp.torch;
using Parameter = TorchSharp.Modules.Parameter;

namespace Lathe.Pruner.Hfp;

/// <summary>
/// HFP as what a stage adds to ordinary training: a gradient term after each backward pass, gates in the forward pass, the exact
/// finish at the end of the pruning part. After Enderich, Timm, Burgard, "Holistic Filter Pruning for Efficient Deep Neural Networks"
/// (WACV 2021, arXiv 2009.08169); schedule and exact finish are ours.
/// </summary>
public sealed class HfpPruning : IDisposable
{
    private readonly PruneParameters _parameters;
    private readonly IReadOnlyDictionary<string, Parameter> _weights;
    private readonly SizeModel _size;
    private readonly SizeBudget _budget;
    private readonly SizeLoss _loss;
    private readonly IReadOnlyList<GroupWidths> _widths;

    /// <summary>Plans the pruning of a network.</summary>
    /// <param name="graph">The network.</param>
    /// <param name="weights">Its parameters, which training will move.</param>
    /// <param name="parameters">Targets and schedule.</param>
    /// <exception cref="Contracts.LatheException">The targets cannot be reached.</exception>
    public HfpPruning(NetworkGraph graph, IReadOnlyDictionary<string, Parameter> weights, PruneParameters parameters)
    {
        _parameters = parameters;
        _weights = weights;
        Groups = ChannelGroups.Of(graph);
        _size = SizeModel.Of(graph, Groups);
        _widths = Widths(Groups, parameters);
        Reach = ReachableSizes.Of(_size, _widths);
        _budget = SizeBudget.From(parameters, Reach.DenseParameters, Reach.DenseMultiplications);
        Reach.Check(_budget);
        _loss = new SizeLoss(_size, _budget, Reach, parameters.GlideShare);
        Gates = new HfpGates(graph, Groups, parameters.Threshold, weights.Values.First().device);
        Gates.Update(weights);
    }

    public ChannelGroups Groups { get; }

    public HfpGates Gates { get; }

    public ReachableSizes Reach { get; }

    /// <summary>The exact finish, once the pruning part is over.</summary>
    public FinishedGates? Finished { get; private set; }

    /// <summary>Refuses targets that no choice of channels meets, before anything trains.</summary>
    /// <exception cref="Contracts.LatheException">A target is missing or out of reach; the message has the reachable range.</exception>
    public static void CheckTargets(NetworkGraph graph, PruneParameters parameters)
    {
        var groups = ChannelGroups.Of(graph);
        var reach = ReachableSizes.Of(SizeModel.Of(graph, groups), Widths(groups, parameters));
        reach.Check(SizeBudget.From(parameters, reach.DenseParameters, reach.DenseMultiplications));
    }

    /// <summary>What HFP adds to the training loop.</summary>
    /// <param name="stepped">Told after each step.</param>
    public TrainingHooks Hooks(Action<StepContext> stepped) => new()
    {
        View = Gates.View,
        ExtraParameters = Gates.OwnGates,
        AfterBackward = AfterBackward,
        AfterStep = AfterStep + stepped,
        SaveState = SaveState,
        LoadState = LoadState,
        Phase = _ => Gates.Frozen ? "fine-tuning" : "pruning",
    };

    public void Dispose() => Gates.Dispose();

    private static IReadOnlyList<GroupWidths> Widths(ChannelGroups groups, PruneParameters parameters) =>
        [.. groups.Groups.Select(g => new GroupWidths(g.Gates.Count, parameters.ChannelMultiple, g.Prunable))];

    /// <summary>Share of the pruning part done before or after this step.</summary>
    private double Done(StepContext step, bool before) =>
        (step.GlobalStep + (before ? 0 : 1)) / (_parameters.PruningShare * _parameters.Epochs * step.StepsPerEpoch);

    private void AfterBackward(StepContext step)
    {
        if (Gates.Frozen) return;
        var t = Done(step, before: true);
        var point = _loss.At(Gates.LiveCounts(), HfpSchedule.SizeWeight(_parameters.SizeWeight, t), t);
        if (point.Pulls) Gates.AddGradient(step.Module.Parameters, point.Gradient);
    }

    private void AfterStep(StepContext step)
    {
        if (Gates.Frozen) return;
        if (Done(step, before: false) >= 1) Finish(step.Module.Parameters);
        else Gates.Update(step.Module.Parameters);
    }

    private void Finish(IReadOnlyDictionary<string, Parameter> parameters)
    {
        Gates.Update(parameters);
        Finished = ExactFinish.Choose(_size, _budget, _widths, Gates.Magnitudes, _parameters.Threshold);
        Gates.Freeze(Finished.Live);
    }

    private const string FinishState = "hfp.finish";

    private IReadOnlyDictionary<string, Tensor> SaveState()
    {
        var state = new Dictionary<string, Tensor>();
        if (Finished is null) return state;
        state[FinishState] = tensor(new[] { Finished.Parameters, Finished.Multiplications, Finished.Closed, Finished.Reopened });
        for (var g = 0; g < Finished.Live.Count; g++) state[$"hfp.live.{g}"] = tensor(Finished.Live[g]);
        return state;
    }

    private void LoadState(IReadOnlyDictionary<string, Tensor> state)
    {
        if (!state.TryGetValue(FinishState, out var finish))
        {
            Gates.Update(_weights);
            return;
        }

        var numbers = finish.data<long>().ToArray();
        var live = Enumerable.Range(0, Groups.Groups.Count).Select(g => state[$"hfp.live.{g}"].data<bool>().ToArray()).ToArray();
        Finished = new FinishedGates(live, numbers[0], numbers[1], (int)numbers[2], (int)numbers[3]);
        Gates.Freeze(live);
    }
}
