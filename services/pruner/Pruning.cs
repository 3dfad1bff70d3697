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
    private const string BitsState = "pruning.bits";
    private const int MostPoints = 100;

    // Numbers of a point in the saved state, before those of other costs.
    private const int PointValues = 7;
    private const int PointsBeforeTheChoice = 10;

    private readonly PruneParameters _parameters;
    private readonly IReadOnlyDictionary<string, Parameter> _weights;
    private readonly NetworkCosts _costs;
    private readonly SizeBudget _budget;
    private readonly IReadOnlyList<GroupWidths> _widths;
    private readonly IChannelChoice _choice;
    private readonly IReadOnlyList<string> _freeLayers;
    private readonly Func<IReadOnlyList<string>, IReadOnlyList<IReadOnlyList<double>>>? _bitLosses;
    private readonly List<SizePoint> _path = [];
    private int _closed;
    private int _reopened;

    /// <summary>Plans the pruning of a network.</summary>
    /// <param name="graph">The network.</param>
    /// <param name="weights">Its parameters, which training will move.</param>
    /// <param name="parameters">Method, targets and schedule.</param>
    /// <param name="seed">Decides the channels of the method that draws them.</param>
    /// <param name="bitLosses">
    /// For free bits: by how much the loss rises when the weights of some layers are rounded, by layer and by bits from <see cref="PlannedBits.Least"/> up. Asked for when the choice is made.
    /// </param>
    /// <exception cref="Contracts.LatheException">The targets cannot be reached.</exception>
    public Pruning(
        NetworkGraph graph, IReadOnlyDictionary<string, Parameter> weights, PruneParameters parameters, long seed = 0,
        Func<IReadOnlyList<string>, IReadOnlyList<IReadOnlyList<double>>>? bitLosses = null)
    {
        _parameters = parameters;
        _weights = weights;
        Groups = ChannelGroups.Of(graph);
        _costs = new NetworkCosts(graph, Groups);
        _widths = GroupWidths.Of(graph, Groups, parameters.ChannelMultiple);
        _freeLayers = _costs.FreeLayers(parameters);
        _bitLosses = bitLosses;
        Reach = ReachableSizes.Of(_costs.Size, _widths, _costs.Others(parameters), _freeLayers.Count);
        _budget = SizeBudget.From(parameters, _costs, Reach);
        if (Reach.Problems(_budget) is [var unreachable, ..]) throw unreachable.Fault(PruneStage.Manifest.Name);
        // Only HFP closes gates while it looks for its channels; a magnitude is never below 0.
        var threshold = parameters.Method == PruneMethod.Hfp ? parameters.Threshold : -1;
        // Scales of channels without a batch norm are for those methods alone that choose by scales.
        var ownGates = parameters.Method is PruneMethod.Hfp or PruneMethod.Slimming;
        Gates = new ChannelGates(graph, Groups, threshold, weights.Values.First().device, ownGates);
        if (parameters.Method == PruneMethod.Hfp) Gates.MeasureByLayer(weights);
        Gates.Update(weights);
        var rule = new WidthRule(_budget, _widths);
        _choice = parameters.Method switch
        {
            PruneMethod.Uniform => WeightChoice.Uniform(Groups, rule),
            PruneMethod.L1 => WeightChoice.L1(Groups, rule),
            PruneMethod.Random => WeightChoice.Random(Groups, rule, seed),
            PruneMethod.Slimming => new SlimmingChoice(Gates, rule, parameters),
            _ => new HolisticChoice(Gates, new SizeLoss(SizeBudget.From(parameters, _costs, Reach, leastBits: true), parameters.GlideShare), _widths, parameters),
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
    /// What the cheapest closed channel would add to each cost that is known, by name: more than what is left under one of the targets, or it would be open. Null where nothing
    /// is closed.
    /// </summary>
    public IReadOnlyDictionary<string, double>? OneMoreChannel => Finished is null ? null : Next(Finished);

    /// <summary>The costs beside parameters and multiplications that have a target, once channels are chosen; by name, with the dense network's.</summary>
    public IReadOnlyDictionary<string, (double Now, double Dense)> Others => Finished is null
        ? new Dictionary<string, (double, double)>()
        : _budget.Others.ToDictionary(target => target.Name, target => (target.Cost.Of([.. Open(Finished), .. Bits]), target.Dense));

    /// <summary>Bits of the layers whose bits are free: the most until channels are chosen, then the chosen ones; by name.</summary>
    public IReadOnlyDictionary<string, int> FreeBits => _freeLayers.Zip(Bits, (layer, bits) => (layer, bits)).ToDictionary(l => l.layer, l => (int)l.bits);

    private IEnumerable<double> Bits => Finished?.Bits.Select(bits => (double)bits) ?? _freeLayers.Select(_ => (double)PlannedBits.Most);

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
        // A channel's magnitude is the mean square of a batch's slope; times half of the batch's size it is what the loss rises by.
        var losses = _freeLayers.Count == 0 ? null
            : _bitLosses!(_freeLayers).Select(layer => (IReadOnlyList<double>)[.. layer.Select(loss => loss * 2 / _parameters.BatchSize)]).ToList();
        Finished = ExactFinish.Choose(_costs.Size, _budget, _widths, ranking.Magnitudes, ranking.Open, ranking.Weights, ranking.First, losses);
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
        var live = Gates.LiveCounts();
        var (parameters, multiplications) = _costs.Size.Evaluate(live);
        // Before the choice HFP follows a target of the moment; the others have none until they choose.
        var share = Gates.Frozen || _parameters.Method != PruneMethod.Hfp ? 1 : done;
        var targets = _budget.Targets.ToDictionary(target => target.Name, target => target.Dense * HfpSchedule.Target(target.Share, _parameters.GlideShare, share));
        return new SizePoint(
            epoch, parameters, multiplications, At(CostNames.Parameters), At(CostNames.Multiplications), _closed, _reopened,
            _budget.Others.Any() ? _budget.Others.ToDictionary(target => target.Name, target => new CostPoint(target.Cost.Of([.. live, .. Bits]), targets[target.Name])) : null);

        double? At(string name) => targets.TryGetValue(name, out var target) ? target : null;
    }

    private static double[] Open(FinishedGates finished) => [.. finished.Live.Select(group => (double)group.Count(live => live))];

    private Dictionary<string, double>? Next(FinishedGates finished)
    {
        double[] open = [.. Open(finished), .. finished.Bits];
        var now = Known(open);
        Dictionary<string, double>? least = null;
        var leastShare = double.PositiveInfinity;
        for (var g = 0; g < _widths.Count; g++)
        {
            if (_widths[g].Above((int)open[g]) is not { } wider) continue;
            double[] more = [.. open];
            more[g] = wider;
            // By how much of what may be had it goes over a target at most.
            var share = _budget.Targets.Max(target => target.Cost.Of(more) / target.Most);
            if (share < leastShare) (least, leastShare) = (Known(more).ToDictionary(cost => cost.Key, cost => cost.Value - now[cost.Key]), share);
        }

        return least;

        Dictionary<string, double> Known(double[] at)
        {
            var (parameters, multiplications) = _costs.Size.Evaluate(at.AsSpan(0, _widths.Count));
            var known = _budget.Others.ToDictionary(target => target.Name, target => target.Cost.Of(at));
            (known[CostNames.Parameters], known[CostNames.Multiplications]) = (parameters, multiplications);
            return known;
        }
    }

    private IReadOnlyDictionary<string, Tensor> SaveState()
    {
        var state = new Dictionary<string, Tensor>
        {
            [PathState] = tensor(_path.SelectMany(p => (double[])[p.Epoch, p.Parameters, p.Multiplications, p.TargetParameters ?? 0, p.TargetMultiplications ?? 0, p.Closed, p.Reopened, .. _budget.Others.SelectMany(target => (double[])[p.Others![target.Name].Value, p.Others[target.Name].Target])]).ToArray()),
            [TurnsState] = tensor(new[] { _closed, _reopened }),
            [SensitivityState] = tensor(Gates.Sensitivity.Save()),
        };
        if (Finished is null) return state;
        state[FinishState] = tensor(new[] { Finished.Parameters, Finished.Multiplications, Finished.Closed, Finished.Reopened });
        if (Finished.Bits.Count > 0) state[BitsState] = tensor(Finished.Bits.ToArray());
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
        var others = _budget.Others.Select(target => target.Name).ToList();
        foreach (var p in points.Chunk(PointValues + (2 * others.Count)))
        {
            _path.Add(new SizePoint(
                p[0], p[1], p[2], p[3] > 0 ? p[3] : null, p[4] > 0 ? p[4] : null, (int)p[5], (int)p[6],
                others.Count == 0 ? null : others.Select((name, i) => (name, new CostPoint(p[PointValues + (2 * i)], p[PointValues + (2 * i) + 1]))).ToDictionary(o => o.name, o => o.Item2)));
        }

        if (state.TryGetValue(TurnsState, out var turns) && turns.data<int>().ToArray() is [var closed, var reopened])
            (_closed, _reopened) = (closed, reopened);
        if (state.TryGetValue(SensitivityState, out var sensitivity)) Gates.Sensitivity.Restore(sensitivity.data<double>().ToArray());
        if (!state.TryGetValue(FinishState, out var finish)) return;
        var numbers = finish.data<long>().ToArray();
        var live = Enumerable.Range(0, Groups.Groups.Count).Select(g => state[$"pruning.live.{g}"].data<bool>().ToArray()).ToArray();
        int[] bits = state.TryGetValue(BitsState, out var kept) ? kept.data<int>().ToArray() : [];
        Finished = new FinishedGates(live, numbers[0], numbers[1], (int)numbers[2], (int)numbers[3], bits);
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
/// <param name="Others">Other costs that have a target, by name; null: none.</param>
public sealed record SizePoint(
    double Epoch, double Parameters, double Multiplications, double? TargetParameters, double? TargetMultiplications, int Closed = 0, int Reopened = 0,
    IReadOnlyDictionary<string, CostPoint>? Others = null);

/// <summary>A cost at one moment.</summary>
/// <param name="Value">That the open gates leave.</param>
/// <param name="Target">Target of the moment.</param>
public sealed record CostPoint(double Value, double Target);
