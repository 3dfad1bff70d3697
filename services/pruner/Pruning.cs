using Lathe.Graph;
using Lathe.Graph.Sizing;
using Lathe.NN.Training;
using Lathe.Pruner.Budget;
using Lathe.Pruner.Gates;
using Lathe.Pruner.Methods;
using static TorchSharp.torch;
using Parameter = TorchSharp.Modules.Parameter;

namespace Lathe.Pruner;

/// <summary>
/// Pruning as what a stage adds to ordinary training: a method's gradient until channels are chosen, gates in the forward pass, and the
/// exact finish when the choice is made. The rest of training fine-tunes what stays.
/// </summary>
public sealed class Pruning : IDisposable
{
    private const string FinishState = "pruning.finish";
    private const string PathState = "pruning.path";
    private const string TurnsState = "pruning.turns";
    private const string SensitivityState = "pruning.sensitivity";
    private const int MostPoints = 100;
    private const int PointsBeforeTheChoice = 10;

    private readonly PruneParameters _parameters;
    private readonly IReadOnlyDictionary<string, Parameter> _weights;
    private readonly SizeModel _size;
    private readonly SizeBudget _budget;
    private readonly IReadOnlyList<GroupWidths> _widths;
    private readonly IChannelChoice _choice;
    private readonly List<SizePoint> _path = [];
    private int _closed;
    private int _reopened;

    /// <summary>Plans the pruning of a network.</summary>
    /// <param name="graph">The network.</param>
    /// <param name="weights">Its parameters, which training will move.</param>
    /// <param name="parameters">Method, targets and schedule.</param>
    /// <param name="seed">Decides the channels of the method that draws them.</param>
    /// <exception cref="Contracts.LatheException">The targets cannot be reached.</exception>
    public Pruning(NetworkGraph graph, IReadOnlyDictionary<string, Parameter> weights, PruneParameters parameters, long seed = 0)
    {
        _parameters = parameters;
        _weights = weights;
        Groups = ChannelGroups.Of(graph);
        _size = SizeModel.Of(graph, Groups);
        _widths = GroupWidths.Of(graph, Groups, parameters.ChannelMultiple);
        Reach = ReachableSizes.Of(_size, _widths);
        _budget = SizeBudget.From(parameters, Reach.DenseParameters, Reach.DenseMultiplications);
        if (Reach.Problems(_budget) is [var unreachable, ..]) throw unreachable.Fault(PruneStage.Manifest.Name);
        // Only HFP closes gates while it looks for its channels; a magnitude is never below 0.
        var threshold = parameters.Method == PruneMethod.Hfp ? parameters.Threshold : -1;
        // Scales of channels without a batch norm are for those methods alone that choose by scales.
        var ownGates = parameters.Method is PruneMethod.Hfp or PruneMethod.Slimming;
        Gates = new ChannelGates(graph, Groups, threshold, weights.Values.First().device, ownGates);
        if (parameters.Method == PruneMethod.Hfp) Gates.MeasureByLayer(weights);
        Gates.Update(weights);
        var rule = new WidthRule(_size, _budget, _widths);
        _choice = parameters.Method switch
        {
            PruneMethod.Uniform => WeightChoice.Uniform(Groups, rule),
            PruneMethod.L1 => WeightChoice.L1(Groups, rule),
            PruneMethod.Random => WeightChoice.Random(Groups, rule, seed),
            PruneMethod.Slimming => new SlimmingChoice(Gates, rule, parameters),
            _ => new HolisticChoice(Gates, new SizeLoss(_size, _budget, Reach, parameters.GlideShare), _widths, parameters),
        };
        if (_choice.ChosenAfter <= 0) Finish(weights);
        else _path.Add(PointAt(0, 0));
    }

    public ChannelGroups Groups { get; }

    public ChannelGates Gates { get; }

    public ReachableSizes Reach { get; }

    /// <summary>The exact finish, once channels are chosen.</summary>
    public FinishedGates? Finished { get; private set; }

    /// <summary>
    /// Both sizes and their targets at the end of each epoch, or of every so-many of more than a hundred; where channels are chosen in the course
    /// of training also at its start and at each tenth of the way to the choice, the last of these before the exact finish.
    /// </summary>
    public IReadOnlyList<SizePoint> Path => _path;

    /// <summary>
    /// What the cheapest closed channel would add: more than what is left under one of the targets, or it would be open. Null where nothing
    /// is closed.
    /// </summary>
    public (double Parameters, double Multiplications)? OneMoreChannel => Finished is null ? null : Next(Finished);

    /// <summary>What pruning adds to the training loop.</summary>
    /// <param name="stepped">Told after each step.</param>
    public TrainingHooks Hooks(Action<StepContext> stepped) => new()
    {
        View = Gates.View,
        Outputs = Gates.Outputs,
        ExtraParameters = Gates.OwnGates,
        AfterBackward = AfterBackward,
        AfterStep = AfterStep + stepped,
        AfterEpoch = TakePoint,
        SaveState = SaveState,
        LoadState = LoadState,
        Resumed = Resumed,
        Phase = _ => Gates.Frozen ? "fine-tuning" : "pruning",
    };

    public void Dispose() => Gates.Dispose();

    /// <summary>Share of the way to the choice done before or after this step.</summary>
    private double Done(StepContext step, bool before) =>
        (step.GlobalStep + (before ? 0 : 1)) / (_choice.ChosenAfter * _parameters.Epochs * step.StepsPerEpoch);

    private void AfterBackward(StepContext step)
    {
        if (!Gates.Frozen) _choice.AfterBackward(step);
    }

    private void AfterStep(StepContext step)
    {
        if (Gates.Frozen) return;
        _choice.AfterStep(step, Done(step, before: true));
        var (closed, reopened) = Gates.Update(step.Module.Parameters);
        _closed += closed;
        _reopened += reopened;
        var done = Done(step, before: false);
        if (Tenths(done) > Tenths(Done(step, before: true))) Take(PointAt(EpochsAfter(step), Math.Min(1, done)));
        if (done >= 1) Finish(step.Module.Parameters);

        static int Tenths(double done) => (int)(Math.Min(1, done) * PointsBeforeTheChoice);
    }

    private static double EpochsAfter(StepContext step) => (step.GlobalStep + 1.0) / step.StepsPerEpoch;

    private void Take(SizePoint point)
    {
        _path.Add(point);
        (_closed, _reopened) = (0, 0);
    }

    private void Finish(IReadOnlyDictionary<string, Parameter> weights)
    {
        var ranking = _choice.Rank(weights);
        Finished = ExactFinish.Choose(_size, _budget, _widths, ranking.Magnitudes, ranking.Open, ranking.Weights, ranking.First);
        Gates.Freeze(Finished.Live);
    }

    /// <summary>Of a long schedule some epochs only, for the path is kept in the checkpoint.</summary>
    private void TakePoint(StepContext step)
    {
        var every = (_parameters.Epochs + MostPoints - 1) / MostPoints;
        if ((step.Epoch + 1) % every == 0 || step.Epoch + 1 == _parameters.Epochs) Take(PointAt(step.Epoch + 1, Done(step, before: false)));
    }

    private SizePoint PointAt(double epoch, double done)
    {
        var (parameters, multiplications) = _size.Evaluate(Gates.LiveCounts());
        // Before the choice HFP follows a target of the moment; the others have none until they choose.
        var share = Gates.Frozen || _parameters.Method != PruneMethod.Hfp ? 1 : done;
        return new SizePoint(epoch, parameters, multiplications, At(_budget.Parameters, Reach.DenseParameters), At(_budget.Multiplications, Reach.DenseMultiplications),
            _closed, _reopened);

        double? At(double? target, double dense) =>
            target is { } final ? dense * HfpSchedule.Target(final / dense, _parameters.GlideShare, share) : null;
    }

    private (double Parameters, double Multiplications)? Next(FinishedGates finished)
    {
        double[] open = [.. finished.Live.Select(group => (double)group.Count(live => live))];
        var now = _size.Evaluate(open);
        (double Parameters, double Multiplications)? least = null;
        var leastShare = double.PositiveInfinity;
        for (var g = 0; g < open.Length; g++)
        {
            if (_widths[g].Above((int)open[g]) is not { } wider) continue;
            double[] more = [.. open];
            more[g] = wider;
            var after = _size.Evaluate(more);
            var (parameters, multiplications) = (after.Parameters - now.Parameters, after.Multiplications - now.Multiplications);
            // By how much of what may be had it goes over a target at most.
            var share = Math.Max(Share(after.Parameters, _budget.Parameters), Share(after.Multiplications, _budget.Multiplications));
            if (share < leastShare) (least, leastShare) = ((parameters, multiplications), share);
        }

        return least;

        static double Share(double size, double? target) => target is { } most ? size / most : 0;
    }

    private IReadOnlyDictionary<string, Tensor> SaveState()
    {
        var state = new Dictionary<string, Tensor>
        {
            [PathState] = tensor(_path.SelectMany(p => (double[])[p.Epoch, p.Parameters, p.Multiplications, p.TargetParameters ?? 0, p.TargetMultiplications ?? 0, p.Closed, p.Reopened]).ToArray()),
            [TurnsState] = tensor(new[] { _closed, _reopened }),
            [SensitivityState] = tensor(Gates.Sensitivity.Save()),
        };
        if (Finished is null) return state;
        state[FinishState] = tensor(new[] { Finished.Parameters, Finished.Multiplications, Finished.Closed, Finished.Reopened });
        for (var g = 0; g < Finished.Live.Count; g++) state[$"pruning.live.{g}"] = tensor(Finished.Live[g]);
        return state;
    }

    private void Resumed()
    {
        if (!Gates.Frozen) Gates.Update(_weights);
    }

    private void LoadState(IReadOnlyDictionary<string, Tensor> state)
    {
        _path.Clear();
        var points = state.TryGetValue(PathState, out var path) ? path.data<double>().ToArray() : [];
        foreach (var p in points.Chunk(7))
            _path.Add(new SizePoint(p[0], p[1], p[2], p[3] > 0 ? p[3] : null, p[4] > 0 ? p[4] : null, (int)p[5], (int)p[6]));
        if (state.TryGetValue(TurnsState, out var turns) && turns.data<int>().ToArray() is [var closed, var reopened])
            (_closed, _reopened) = (closed, reopened);
        if (state.TryGetValue(SensitivityState, out var sensitivity)) Gates.Sensitivity.Restore(sensitivity.data<double>().ToArray());
        if (!state.TryGetValue(FinishState, out var finish)) return;
        var numbers = finish.data<long>().ToArray();
        var live = Enumerable.Range(0, Groups.Groups.Count).Select(g => state[$"pruning.live.{g}"].data<bool>().ToArray()).ToArray();
        Finished = new FinishedGates(live, numbers[0], numbers[1], (int)numbers[2], (int)numbers[3]);
        Gates.Freeze(live);
    }
}

/// <summary>Sizes at one moment.</summary>
/// <param name="Epoch">Epochs trained.</param>
/// <param name="Parameters">That the open gates leave.</param>
/// <param name="Multiplications">That the open gates leave.</param>
/// <param name="TargetParameters">Target of the moment; null: free.</param>
/// <param name="TargetMultiplications">Target of the moment; null: free.</param>
/// <param name="Closed">Gates that training closed since the point before; one that came back and went again counts twice.</param>
/// <param name="Reopened">Gates that training opened again since then. What the exact finish closes and opens is not in either.</param>
public sealed record SizePoint(
    double Epoch, double Parameters, double Multiplications, double? TargetParameters, double? TargetMultiplications, int Closed = 0, int Reopened = 0);
