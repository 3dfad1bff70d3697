using System.Runtime.InteropServices;
using Lathe.Contracts;
using Lathe.NN.Training;
using static TorchSharp.torch;

namespace Lathe.Quantizer.Weights;

/// <summary>
/// Watches weights become modes: at the end of an epoch which changed theirs and how far they are from them, and a few times the whole
/// distribution. Nothing is done within an epoch. What it has seen is part of the training state.
/// </summary>
public sealed class ModeHistory
{
    private const string Prefix = "history/";
    private const string CourseState = Prefix + "course";
    private const string EpochState = Prefix + "epochs";
    private const string BinState = Prefix + "bins";
    private const string ModeState = Prefix + "modes/";

    // One before training and eight on the way.
    private const int Snapshots = 8;

    private readonly QuantizedWeights _weights;
    private readonly int _epochs;
    private readonly string[] _names;
    private readonly sbyte[][] _modes;
    private readonly List<CoursePoint> _course = [];
    private readonly List<Snapshot> _snapshots = [];

    /// <summary>Looks at the weights as they are before training.</summary>
    /// <param name="weights">The weights.</param>
    /// <param name="epochs">Length of the schedule.</param>
    public ModeHistory(QuantizedWeights weights, int epochs)
    {
        _weights = weights;
        _epochs = epochs;
        _names = [.. weights.All.Select(w => w.Name)];
        _modes = [.. weights.All.Select(w => new sbyte[w.Weight.numel()])];
        _snapshots.Add(new Snapshot(0, [.. Look().Select(layer => layer.Bins)]));
    }

    /// <summary>Adds the watching to a method's hooks, behind whatever they do at an epoch's end.</summary>
    public TrainingHooks AddTo(TrainingHooks hooks) => hooks with
    {
        AfterEpoch = hooks.AfterEpoch + (step => TakePoint(step.Epoch + 1)),
        SaveState = () => Save().Concat(hooks.SaveState?.Invoke() ?? new Dictionary<string, Tensor>()).ToDictionary(),
        LoadState = state =>
        {
            Load(state);
            hooks.LoadState?.Invoke(state);
        },
    };

    /// <summary>What is to be kept: the course up to now, and the weights as they are.</summary>
    /// <param name="training">How training went; null: there was none.</param>
    public QuantizationRecord Record(TrainingHistory? training)
    {
        var formats = _names.Select(name => _weights.Formats[name]).ToList();
        var layers = Look().Select((statistics, i) => QuantizedLayer.Of(_names[i], formats[i], statistics)).ToList();
        return new QuantizationRecord(
            layers,
            ModeCourse.Of(_course, [.. layers.Select(l => l.Weights)], _epochs),
            WeightHistogram.Of(_snapshots, layers),
            training is null ? null : TrainingCourse.Of(training));
    }

    /// <summary>Looks at the weights at the end of an epoch.</summary>
    /// <param name="epoch">From 1, each once and in order.</param>
    public void TakePoint(int epoch)
    {
        var statistics = Look();
        if (TrainingCourse.Keeps(epoch, _epochs))
        {
            _course.Add(new CoursePoint(
                epoch,
                [.. statistics.Select((s, i) => Share(s.Changed, i))],
                [.. statistics.Select((s, i) => Math.Sqrt(s.SquaredSteps / Math.Max(1, _modes[i].Length)))]));
        }

        if (IsSnapshot(epoch)) _snapshots.Add(new Snapshot(epoch, [.. statistics.Select(s => s.Bins)]));
    }

    private double Share(long count, int layer) => count / (double)Math.Max(1, _modes[layer].Length);

    /// <summary>Eight epochs as evenly as whole ones can be, the last among them; all of fewer.</summary>
    private bool IsSnapshot(int epoch) => (long)epoch * Snapshots / _epochs > (long)(epoch - 1) * Snapshots / _epochs;

    private List<ModeStatistics> Look()
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        return [.. _weights.All.Select((w, i) => ModeStatistics.Take(
            MemoryMarshal.Cast<byte, float>(w.Weight.detach().cpu().contiguous().bytes), w.Format, _modes[i]))];
    }

    private Dictionary<string, Tensor> Save()
    {
        var state = new Dictionary<string, Tensor>
        {
            [CourseState] = tensor(_course.SelectMany(p => (double[])[p.Epoch, .. p.Changed, .. p.Residual]).ToArray()),
            [EpochState] = tensor(_snapshots.Select(s => (long)s.Epoch).ToArray()),
            [BinState] = tensor(_snapshots.SelectMany(s => s.Bins.SelectMany(b => b)).ToArray()),
        };
        for (var i = 0; i < _names.Length; i++) state[ModeState + _names[i]] = tensor(_modes[i]);
        return state;
    }

    private void Load(IReadOnlyDictionary<string, Tensor> state)
    {
        _course.Clear();
        _snapshots.Clear();
        var layers = _names.Length;
        _course.AddRange(Saved(CourseState).data<double>().ToArray().Chunk(1 + (2 * layers))
            .Select(p => new CoursePoint((int)p[0], p[1..(layers + 1)], p[(layers + 1)..])));
        var bins = Saved(BinState).data<long>().ToArray();
        int[] counts = [.. _names.Select(name => ModeStatistics.BinCount(_weights.Formats[name].Bits))];
        var epochs = Saved(EpochState).data<long>().ToArray();
        if (bins.Length != epochs.Length * counts.Sum()) throw Unfit(BinState);
        var at = 0;
        _snapshots.AddRange(epochs.Select(epoch => new Snapshot((int)epoch, [.. counts.Select(count => bins[at..(at += count)])])));
        for (var i = 0; i < layers; i++)
        {
            var modes = Saved(ModeState + _names[i]).data<sbyte>().ToArray();
            if (modes.Length != _modes[i].Length) throw Unfit(ModeState + _names[i]);
            modes.CopyTo(_modes[i], 0);
        }

        Tensor Saved(string name) => state.TryGetValue(name, out var tensor) ? tensor : throw Unfit(name);
    }

    private static LatheException Unfit(string name) => new($"The saved training state has no fitting '{name}'. Run with --fresh to start over.");
}

/// <summary>The weights of every layer at the end of an epoch.</summary>
/// <param name="Epoch">From 1.</param>
/// <param name="Changed">Share of each layer's weights whose mode is another than an epoch before.</param>
/// <param name="Residual">Root mean square of (w − Q(w))/Δ of each layer.</param>
public sealed record CoursePoint(int Epoch, double[] Changed, double[] Residual);

/// <summary>The distribution of every layer's weights at the end of an epoch; see <see cref="ModeStatistics.Bins"/>.</summary>
/// <param name="Epoch">From 1; 0 is before training.</param>
/// <param name="Bins">By layer.</param>
public sealed record Snapshot(int Epoch, long[][] Bins);
