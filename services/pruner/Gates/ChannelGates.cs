using Lathe.Graph;
using Lathe.NN.Runtime;
using static TorchSharp.torch;
using Parameter = TorchSharp.Modules.Parameter;

namespace Lathe.Pruner.Gates;

/// <summary>
/// The gates of one network while it trains. The scale γ of a group's batch norms decides about its channels:
/// m_c = sqrt(mean γ_{k,c}²), for HFP in the units of <see cref="MeasureByLayer"/>; g_c = 1 if m_c &gt; τ else 0. A closed gate makes its channel exactly zero
/// in the forward pass, behind the activation (<see cref="GateSources.Outputs"/>). The task's gradient passes straight through to γ, β and the filter as if
/// the channel were open, so that a closed channel can come back. Once the choice is final, closed channels have zeros in their parameters, as surgery needs them.
/// </summary>
public sealed class ChannelGates : IDisposable
{
    private readonly ChannelGroups _groups;
    private readonly GateSources _sources;
    private readonly double _threshold;
    private readonly Dictionary<string, (GatedTensor Tensor, bool IsProducer)> _gatedNodes;
    private readonly Dictionary<string, Tensor> _closing = [];
    private readonly Dictionary<string, Tensor> _closingOutputs = [];
    private readonly Dictionary<string, Parameter> _ownGates = [];
    private readonly double[][] _magnitudes;
    private readonly int[][] _sourcesPerGate;
    private readonly Dictionary<string, double> _units = [];
    private readonly double[][] _norms;
    private readonly Device _device;
    private bool[][] _live;
    private GateSensitivity? _sensitivity;

    /// <summary>Makes gates for a network.</summary>
    /// <param name="graph">Network to prune.</param>
    /// <param name="groups">Its channel groups.</param>
    /// <param name="threshold">τ.</param>
    /// <param name="device">Where the network computes; null: on the CPU.</param>
    /// <param name="ownGates">
    /// Groups without a batch norm get a gate vector of ones that is trained. Without it they have magnitude 0, and close all the same.
    /// </param>
    public ChannelGates(NetworkGraph graph, ChannelGroups groups, double threshold, Device? device = null, bool ownGates = true)
    {
        _groups = groups;
        _device = device ?? CPU;
        _threshold = threshold;
        var sources = GateSources.Of(graph, groups);
        _sources = ownGates ? sources : sources with { OwnGates = [] };
        _magnitudes = [.. groups.Groups.Select(g => new double[g.Gates.Count])];
        _live = [.. groups.Groups.Select(g => Enumerable.Repeat(true, g.Gates.Count).ToArray())];
        _norms = [.. groups.Groups.Select(g => Enumerable.Repeat(1.0, g.Gates.Count).ToArray())];
        _sourcesPerGate = [.. groups.Groups.Select(g => new int[g.Gates.Count])];
        foreach (var (group, index) in _sources.BatchNorms.SelectMany(n => n.Places).Where(p => p.Group >= 0)) _sourcesPerGate[group][index]++;
        _gatedNodes = _sources.BatchNorms.Select(t => (t, false)).Concat(_sources.MaskedProducers.Select(t => (t, true)))
            .ToDictionary(t => t.t.Node);
        foreach (var group in _sources.OwnGates)
        {
            _ownGates[OwnGateName(group)] = new Parameter(ones(groups.Groups[group].Gates.Count, device: _device));
            _sourcesPerGate[group].AsSpan().Fill(1);
        }
    }

    /// <summary>Gate vectors of groups without a batch norm, trained along with the network.</summary>
    public IReadOnlyDictionary<string, Parameter> OwnGates => _ownGates;

    /// <summary>True once <see cref="Freeze"/> has fixed the choice.</summary>
    public bool Frozen { get; private set; }

    /// <summary>True for each open gate, by group.</summary>
    public IReadOnlyList<bool[]> Live => _live;

    /// <summary>Magnitude m of each gate, by group, as of the last <see cref="Update"/>; after <see cref="MeasureByLayer"/> in its units.</summary>
    public IReadOnlyList<double[]> Magnitudes => _magnitudes;

    /// <summary>Scales that decide about a channel of this group, in the mean: by so much a pull at each of them is the weaker.</summary>
    /// <param name="group">Index of the group.</param>
    public double SourcesOf(int group) => Math.Max(1, _sourcesPerGate[group].Average());

    /// <summary>How much the task's loss feels each gate.</summary>
    public GateSensitivity Sensitivity => _sensitivity ??= new GateSensitivity(_groups, _sources, group => _ownGates[OwnGateName(group)]);

    /// <summary>Live channels of each group.</summary>
    public double[] LiveCounts() => [.. _live.Select(group => (double)group.Count(open => open))];

    /// <summary>
    /// Measures magnitudes by what is beside them in their layer from here on: a scale in units of its batch norm's mean |γ|, times the
    /// filter's norm in units of its layer's, as both are now. Batch norm and the layer behind it undo each other's scale, so that how
    /// large a layer's γ are tells nothing of what its channels matter, and the last block's would speak for a whole residual stage.
    /// A filter's norm, which batch norm undoes as well, tells how hard training has pulled at it.
    /// </summary>
    public void MeasureByLayer(IReadOnlyDictionary<string, Parameter> parameters)
    {
        foreach (var norm in _sources.BatchNorms)
        {
            var mean = Values(parameters[$"{norm.Node}.weight"]).Average(Math.Abs);
            _units[norm.Node] = mean > 0 ? mean : 1;
        }

        var norms = FilterNorms.Of(_groups, parameters);
        for (var g = 0; g < _norms.Length; g++)
        {
            if (norms[g].Any(norm => norm > 0)) norms[g].CopyTo(_norms[g], 0);
        }
    }

    /// <summary>Reads γ and decides anew which gates are open; once frozen it reads magnitudes only.</summary>
    /// <returns>How many gates were open and are not, and how many the other way round.</returns>
    public (int Closed, int Reopened) Update(IReadOnlyDictionary<string, Parameter> parameters)
    {
        Measure(parameters);
        if (Frozen) return (0, 0);
        var (closed, reopened) = (0, 0);
        for (var g = 0; g < _magnitudes.Length; g++)
        {
            if (!_groups.Groups[g].Prunable) continue;
            for (var c = 0; c < _magnitudes[g].Length; c++)
            {
                var isOpen = _magnitudes[g][c] > _threshold;
                if (_live[g][c] && !isOpen) closed++;
                if (!_live[g][c] && isOpen) reopened++;
                _live[g][c] = isOpen;
            }
        }

        if (closed + reopened > 0) RebuildOutputMasks();
        return (closed, reopened);
    }

    /// <summary>
    /// Lowers every magnitude by its pull, outside the optimizer: a proximal step. In the optimizer, momentum would carry a channel that has just closed on
    /// through zero and out on the other side, open again. Scale and shift of a channel shrink by the same factor, as if a gate in front of the activation
    /// faded out. They stop at half of the threshold, where the channel is closed, and not at zero: behind a ReLU the signs of a channel's values decide which
    /// pixels pass a gradient, and zeros have no sign.
    /// </summary>
    /// <param name="parameters">The network's parameters, after the optimizer's step.</param>
    /// <param name="pull">By group: how far all scales of a channel together are pulled; each takes its part.</param>
    public void Shrink(IReadOnlyDictionary<string, Parameter> parameters, ReadOnlySpan<double> pull)
    {
        if (Frozen) throw new InvalidOperationException("frozen gates are not pulled");
        Measure(parameters);
        using var _ = no_grad();
        foreach (var norm in _sources.BatchNorms)
        {
            if (Factors(norm.Places, pull) is not { } factors) continue;
            using var by = tensor(factors, device: _device);
            parameters[$"{norm.Node}.weight"].mul_(by);
            parameters[$"{norm.Node}.bias"].mul_(by);
        }

        foreach (var group in _sources.OwnGates)
        {
            if (Factors([.. Enumerable.Range(0, _magnitudes[group].Length).Select(i => (group, i))], pull) is not { } factors) continue;
            using var by = tensor(factors, device: _device);
            _ownGates[OwnGateName(group)].mul_(by);
        }
    }

    private float[]? Factors(IReadOnlyList<(int Group, int Index)> places, ReadOnlySpan<double> pull)
    {
        var least = _threshold / 2;
        var factors = new float[places.Count];
        var any = false;
        for (var c = 0; c < factors.Length; c++)
        {
            factors[c] = 1;
            var (group, index) = places[c];
            if (group < 0 || pull[group] <= 0 || _magnitudes[group][index] <= least) continue;
            var magnitude = _magnitudes[group][index];
            factors[c] = (float)(Math.Max(magnitude - (pull[group] / _sourcesPerGate[group][index]), least) / magnitude);
            any = true;
        }

        return any ? factors : null;
    }

    private void Measure(IReadOnlyDictionary<string, Parameter> parameters)
    {
        foreach (var group in _magnitudes) Array.Clear(group);
        foreach (var norm in _sources.BatchNorms) AddSquares(norm.Places, parameters[$"{norm.Node}.weight"], _units.GetValueOrDefault(norm.Node, 1));
        foreach (var group in _sources.OwnGates)
        {
            var places = Enumerable.Range(0, _magnitudes[group].Length).Select(i => (group, i)).ToArray();
            AddSquares(places, _ownGates[OwnGateName(group)], 1);
        }

        for (var g = 0; g < _magnitudes.Length; g++)
        {
            if (!_groups.Groups[g].Prunable) continue;
            for (var c = 0; c < _magnitudes[g].Length; c++)
            {
                _magnitudes[g][c] = _norms[g][c] * Math.Sqrt(_magnitudes[g][c] / Math.Max(1, _sourcesPerGate[g][c]));
            }
        }
    }

    /// <summary>Fixes the open gates for good.</summary>
    public void Freeze(IReadOnlyList<bool[]> live)
    {
        _live = [.. live.Select(group => group.ToArray())];
        Frozen = true;
        Dispose(_closingOutputs);
        RebuildMasks();
    }

    /// <summary>
    /// What the forward pass sees in place of a parameter. Once the choice is final, values of closed channels are zero, and gradients pass straight through;
    /// until then <see cref="Outputs"/> closes them.
    /// </summary>
    public Tensor View(string name, Tensor value)
    {
        var dot = name.LastIndexOf('.');
        if (dot < 0 || !_gatedNodes.TryGetValue(name[..dot], out var gated)) return value;
        var kind = name[(dot + 1)..];
        if (kind is not ("weight" or "bias")) return value;
        if (gated.IsProducer && OwnGateOf(gated.Tensor) is { } own)
        {
            // The gates scale the layer's rows; they are folded into them when the network is cut.
            return value * Broadcast(Mask(own, gated.Tensor.Node).On(value.device), value);
        }

        return Mask(value, gated.Tensor.Node);
    }

    /// <summary>What the forward pass sees in place of a node's output. Closed channels are zero; gradients pass straight through. Nothing once the choice is final.</summary>
    /// <param name="name">Name of the node.</param>
    /// <param name="value">[N, C, H, W] or [N, C].</param>
    public Tensor Outputs(string name, Tensor value)
    {
        if (!_closingOutputs.TryGetValue(name, out var closing)) return value;
        using var open = value.detach();
        using var column = closing.reshape([.. Enumerable.Range(0, (int)value.dim()).Select(d => d == 1 ? -1L : 1L)]);
        using var typed = column.to(value.dtype, value.device);
        return value.PlusProduct(open, typed);
    }

    /// <summary>Adds (penalty of a channel)·∂m/∂γ to the gradient of everything that decides about gates.</summary>
    /// <param name="parameters">The network's parameters.</param>
    /// <param name="perChannel">By group: what one more live channel adds to the loss.</param>
    public void AddGradient(IReadOnlyDictionary<string, Parameter> parameters, ReadOnlySpan<double> perChannel)
    {
        if (Frozen) throw new InvalidOperationException("frozen gates take no gradient");
        foreach (var norm in _sources.BatchNorms) AddGradient(norm.Places, parameters[$"{norm.Node}.weight"], perChannel);
        foreach (var group in _sources.OwnGates)
        {
            var places = Enumerable.Range(0, _magnitudes[group].Length).Select(i => (group, i)).ToArray();
            AddGradient(places, _ownGates[OwnGateName(group)], perChannel);
        }
    }

    /// <summary>The network's tensors as the forward pass sees them: closed channels zero, own gates folded in.</summary>
    /// <returns>Float32 tensors by name, which the caller disposes.</returns>
    public IReadOnlyDictionary<string, Tensor> Fold(IReadOnlyDictionary<string, Tensor> tensors)
    {
        using var _ = no_grad();
        return tensors.ToDictionary(t => t.Key, t => View(t.Key, t.Value).detach().clone().DetachFromDisposeScope());
    }

    public void Dispose()
    {
        Dispose(_closing);
        Dispose(_closingOutputs);
        foreach (var gate in _ownGates.Values) gate.Dispose();
    }

    private static void Dispose(Dictionary<string, Tensor> masks)
    {
        foreach (var mask in masks.Values) mask.Dispose();
        masks.Clear();
    }

    private static string OwnGateName(int group) => $"gate.{group}";

    private static Tensor Broadcast(Tensor gate, Tensor value) =>
        gate.reshape([.. Enumerable.Range(0, (int)value.dim()).Select(d => d == 0 ? -1L : 1L)]);

    /// <summary>
    /// The own gate of each of a layer's channels, 1 where it has none; null where none has. A layer's channels may belong to several
    /// groups, in any order and more than once: a sum with a concatenation splits them, groups of a convolution repeat them.
    /// </summary>
    private Tensor? OwnGateOf(GatedTensor producer)
    {
        var groups = producer.Places.Select(p => p.Group).Distinct().Where(g => g >= 0 && _ownGates.ContainsKey(OwnGateName(g))).ToList();
        if (groups.Count == 0) return null;
        var starts = new Dictionary<int, long>();
        var end = 0L;
        foreach (var group in groups)
        {
            starts[group] = end;
            end += _groups.Groups[group].Gates.Count;
        }

        var all = cat([.. groups.Select(g => (Tensor)_ownGates[OwnGateName(g)]), ones(1, device: _device)]);
        return all.index_select(0, tensor([.. producer.Places.Select(p => starts.TryGetValue(p.Group, out var start) ? start + p.Index : end)], device: _device));
    }

    private Tensor Mask(Tensor value, string node) =>
        _closing.TryGetValue(node, out var closing) ? value.Plus((value * Broadcast(closing.On(value.device), value)).detach()) : value;

    private void AddSquares(IReadOnlyList<(int Group, int Index)> places, Tensor scale, double unit)
    {
        var values = Values(scale);
        for (var c = 0; c < values.Length; c++)
        {
            var (group, index) = places[c];
            if (group >= 0) _magnitudes[group][index] += values[c] / unit * (values[c] / unit);
        }
    }

    private void AddGradient(IReadOnlyList<(int Group, int Index)> places, Parameter scale, ReadOnlySpan<double> perChannel)
    {
        var values = Values(scale);
        var slope = new float[values.Length];
        for (var c = 0; c < values.Length; c++)
        {
            var (group, index) = places[c];
            if (group < 0 || _magnitudes[group][index] <= 0) continue; // it has no slope there
            // ∂m/∂γ_k = γ_k / (K·m); the sign of γ where the group has one batch norm and magnitudes have no unit.
            slope[c] = (float)(perChannel[group] * values[c] / (_sourcesPerGate[group][index] * _magnitudes[group][index]));
        }

        using var _ = no_grad();
        using var term = tensor(slope, device: scale.device);
        var gradient = scale.grad ?? throw new InvalidOperationException("a gate's scale has no gradient: backward did not reach it");
        gradient.PlusInPlace(term);
    }

    private void RebuildMasks() => Rebuild(_closing, _gatedNodes.Values.Select(gated => gated.Tensor));

    private void RebuildOutputMasks() => Rebuild(_closingOutputs, _sources.Outputs);

    /// <summary>A mask holds g − 1: 0 where open, −1 where closed. Nodes with no closed channel have none, and cost nothing.</summary>
    private void Rebuild(Dictionary<string, Tensor> masks, IEnumerable<GatedTensor> tensors)
    {
        Dispose(masks);
        foreach (var (node, places) in tensors)
        {
            var mask = new float[places.Count];
            var any = false;
            for (var c = 0; c < mask.Length; c++)
            {
                var (group, index) = places[c];
                if (group < 0 || _live[group][index]) continue;
                mask[c] = -1;
                any = true;
            }

            if (any) masks[node] = tensor(mask, device: _device).DetachFromDisposeScope();
        }
    }

    private static float[] Values(Tensor scale)
    {
        using var _ = NewDisposeScope();
        return scale.detach().cpu().data<float>().ToArray();
    }
}
