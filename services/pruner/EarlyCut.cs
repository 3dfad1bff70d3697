using Lathe.Graph;
using Lathe.NN.Data;
using Lathe.NN.Execution;
using Lathe.NN.FixedPoint;
using Lathe.NN.Training;
using static TorchSharp.torch;

namespace Lathe.Pruner;

/// <summary>
/// Cuts closed channels out as soon as they are chosen, with the proof that nothing changed, so that fine-tuning computes with what stays
/// and with nothing else.
/// </summary>
/// <param name="gated">The network that is pruned; not changed.</param>
/// <param name="pruning">Its gates.</param>
/// <param name="images">Training images, the first of which the proof is made on.</param>
internal sealed class EarlyCut(GraphModule gated, Pruning pruning, Split images) : IDisposable
{
    private const int ProofImages = 256;
    private const string ProofState = "pruning.proof";

    private bool[] _live = [];

    /// <summary>The smaller network; null until channels are chosen.</summary>
    public GraphModule? Module { get; private set; }

    /// <summary>Measured when the network was cut; null until then.</summary>
    public SurgeryProof? Proof { get; private set; }

    /// <summary>Adds the cut to what pruning adds to training.</summary>
    public TrainingHooks Around(TrainingHooks hooks) => hooks with
    {
        View = (name, value) => Module is null ? hooks.View!(name, value) : value,
        Outputs = (name, value) => Module is null ? hooks.Outputs!(name, value) : value,
        Cut = Take,
        SaveState = () =>
        {
            var state = hooks.SaveState!();
            return Proof is null
                ? state
                : new Dictionary<string, Tensor>(state) { [ProofState] = tensor(new[] { Proof.Images, Proof.LogitDifference, Proof.Agreement }) };
        },
        LoadState = state =>
        {
            hooks.LoadState!(state);
            if (state.TryGetValue(ProofState, out var proof) && proof.data<double>().ToArray() is [var count, var difference, var agreement])
                Proof = new SurgeryProof((int)count, difference, agreement);
        },
    };

    public void Dispose() => Module?.Dispose();

    private CutNetwork? Take()
    {
        if (Module is not null || !pruning.Gates.Frozen) return null;
        _live = LiveGates();
        using var scope = NewDisposeScope();
        var trained = gated.Snapshot();
        var folded = pruning.Gates.Fold(trained);
        var (graph, tensors) = TensorSurgery.Cut(gated.Graph, folded, pruning.Groups, _live);
        Module = GraphModule.FromTensors(graph, tensors, gated.Device);
        // A training that goes on has made its proof before it was interrupted, and its weights are not back yet.
        Proof ??= Prove(folded, graph, tensors);
        foreach (var tensor in trained.Values.Concat(folded.Values).Concat(tensors.Values)) tensor.Dispose();
        return new CutNetwork(Module, tensors => TensorSurgery.Keep(gated.Graph, tensors, pruning.Groups, _live));
    }

    /// <summary>
    /// Compared without the rounding of activations, which would make a whole step of a difference in the last bit of a sum: what surgery may
    /// get wrong lies in the layers.
    /// </summary>
    private SurgeryProof Prove(IReadOnlyDictionary<string, Tensor> folded, NetworkGraph graph, IReadOnlyDictionary<string, Tensor> tensors)
    {
        using var closed = GraphModule.FromTensors(ActivationPoints.Remove(gated.Graph), folded, gated.Device);
        using var cut = GraphModule.FromTensors(ActivationPoints.Remove(graph), tensors, gated.Device);
        using var batch = BatchLoader.InOrder(images, ProofImages).First();
        return SurgeryProof.Compare(closed, cut, batch.Images);
    }

    private bool[] LiveGates()
    {
        var live = new bool[pruning.Groups.Gates.Count];
        Array.Fill(live, true);
        foreach (var group in pruning.Groups.Groups.Where(g => g.Prunable))
        {
            for (var i = 0; i < group.Gates.Count; i++) live[group.Gates[i]] = pruning.Gates.Live[group.Index][i];
        }

        return live;
    }
}
