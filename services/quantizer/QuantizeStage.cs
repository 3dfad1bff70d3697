using Lathe.Contracts;
using Lathe.Graph;
using Lathe.Graph.Checkpoints;
using Lathe.Hosting;
using Lathe.NN.Checkpoints;
using Lathe.NN.Data;
using Lathe.NN.Execution;
using Lathe.NN.FixedPoint;
using Lathe.NN.Runtime;
using Lathe.NN.Training;
using Lathe.Quantizer.Activations;
using Lathe.Quantizer.Methods;
using Lathe.Quantizer.Weights;
using Microsoft.Extensions.Logging;
using static TorchSharp.torch;

namespace Lathe.Quantizer;

/// <summary>Trains a network's weights into N-bit fixed-point modes.</summary>
public sealed class QuantizeStage : IStage<QuantizeParameters>
{
    // Root mean square distance from the modes, in steps, at which rounding begins to cost accuracy. The defaults end under 0.01 even in two epochs.
    private const double WeakPull = 0.05;

    public static StageManifest Manifest { get; } = new(
        "quantize", "11", "SYMOG: weights trained into N-bit fixed-point modes", StageInput.Checkpoint, StageOutput.Checkpoint, Metrics:
        [
            .. SizeMetrics.All.Select(size => size with { EachEpoch = true }),
            new("residual", "residual", Better: Better.Lower, Description: "Root mean square distance of the weights from their modes before rounding, in steps."),
            new("validationTop1Before", "validation top-1 before rounding", "%", MetricFormat.Percent, Better.Higher, Description: "Accuracy on the held-out training images before the weights are rounded.") { Split = DataSplit.Validation },
            new("validationTop1After", "validation top-1", "%", MetricFormat.Percent, Better.Higher, Description: "Accuracy on the held-out training images with rounded weights.") { Split = DataSplit.Validation, EachEpoch = true },
            new("oneMoreBitBytes", "bytes of one more bit", Format: MetricFormat.Count, Description: "With a target for bytes: what the cheapest further bit of a layer would add. It no longer fits."),
            new("movedFromTies", "moved from ties", Format: MetricFormat.Count, Description: "Biases moved so that no sum lies halfway between two whole numbers."),
        ]);

    public static IReadOnlyList<ParameterProblem> Check(QuantizeParameters parameters, StageCheck context)
    {
        var problems = new List<ParameterProblem>(WithoutNetwork(parameters));
        if (context.Input is not { } input) return problems;
        var graph = NetworkForms.GraphOf(input);
        problems.AddRange(StepSizes.Problems(graph, parameters));
        if (parameters.Bytes is { } target && problems.Count == 0 && input.Sizes.TryGetValue(NetworkForms.Bytes, out var whole)
            && BitChoice.Problem(target, whole, WithBits(input, graph, parameters, most: false).Bytes.Least) is { } unreachable)
        {
            problems.Add(unreachable);
        }

        if (parameters.Method != QuantizeMethod.Naive && TrainingLoop.BatchFault(graph, parameters.BatchSize) is { } fault)
            problems.Add(ParameterProblem.Of("batchSize", fault));
        return problems;
    }

    /// <summary>Layers and widths stay, and the parameters say how many bits each weight has, or bounds of them follow from a target for bytes.</summary>
    public static NetworkForm? Predict(QuantizeParameters parameters, StageCheck context)
    {
        if (context.Input is not { } input) return null;
        var graph = NetworkForms.GraphOf(input);
        var (bytes, bits) = WithBits(input, graph, parameters, most: false);
        if (parameters.Bytes is { } target)
        {
            var rich = WithBits(input, graph, parameters, most: true);
            (bytes, bits) = (new SizeRange(bytes.Least, rich.Bytes.Most), new SizeRange(bits.Least, rich.Bits.Most));
            if (input.Sizes.TryGetValue(NetworkForms.Bytes, out var whole)) bytes = Within(bytes, target, whole, input.IsExact ? WidestStep(graph, parameters) : double.PositiveInfinity);
        }

        return input with { Sizes = new Dictionary<string, SizeRange>(input.Sizes) { [NetworkForms.Bytes] = bytes, [NetworkForms.Bits] = bits } };
    }

    /// <summary>Bytes and mean bits where each layer whose bits are chosen has the fewest, or the most.</summary>
    private static (SizeRange Bytes, SizeRange Bits) WithBits(NetworkForm input, NetworkGraph graph, QuantizeParameters parameters, bool most)
    {
        // Float layers keep their floats, whatever formats the network that enters has.
        var bits = StepSizes.BitsByLayer(graph, parameters);
        return (StoredBytes.Of(input, Bits), StoredBytes.MeanBits(input, Bits));

        int? Bits(string layer) => !bits.TryGetValue(layer, out var fewest) ? null : most && BitChoice.IsFree(layer, parameters) ? BitChoice.Most : fewest;
    }

    /// <summary>Bytes at or under a target: less than one more bit of the widest layer under it, or all that there can be.</summary>
    private static SizeRange Within(SizeRange bytes, ByteTarget target, SizeRange whole, double step)
    {
        var most = Math.Min(bytes.Most, Math.Floor(target.Of(whole.Most)));
        return new SizeRange(Math.Min(most, Math.Max(bytes.Least, Math.Min(bytes.Most, Math.Floor(target.Of(whole.Least)) - step + 1))), most);
    }

    /// <summary>What one more bit of a layer adds at most.</summary>
    private static double WidestStep(NetworkGraph graph, QuantizeParameters parameters) => ParameterShapes.Of(graph)
        .Where(t => t.Kind == ParameterKind.Weight && BitChoice.IsFree(t.Node, parameters)).Select(t => (t.Values + 7) / 8).DefaultIfEmpty(0).Max();

    public StageOutcome Run(StageRun run, QuantizeParameters parameters)
    {
        if (WithoutNetwork(parameters).FirstOrDefault() is { } problem) throw problem.Fault(Manifest.Name);
        var compute = ComputeSetup.Of(run.Threads, run.Device, parameters.Precision);
        if (compute.Warning is { } warning) run.Logger.LogWarning("{Warning}", warning);
        using var input = CheckpointFile.Read(run.InputPath!);
        var data = DataSets.Open(run.Data.Name, run.DataPlace, new ImageOptions(input.Graph.Input.Height));
        var (train, validation) = data.Train.Validation(parameters.Validation, run.Seed);
        var bits = BitChoice.Of(input, train, run.Seed, parameters, compute.Device);
        var formats = StepSizes.Choose(input.Tensors, bits.ByLayer);
        using var checkpoint = parameters.FitFilters ? input with { Tensors = FilterScales.Fit(input.Graph, input.Tensors, formats) } : input;
        var graph = Calibration.Quantized(checkpoint, formats, train, run.Seed, parameters, compute.Device);
        using var module = GraphModule.FromTensors(graph, checkpoint.Tensors, compute.Device);
        var weights = new QuantizedWeights(module.Parameters, formats);

        var history = new ModeHistory(weights, parameters.Epochs);
        TrainingHistory? training = null;
        var hooks = QuantizationMethods.Hooks(weights, checkpoint.Tensors, parameters);
        if (hooks is not null)
        {
            using var distillation = Distillation.By(
                checkpoint.Graph, checkpoint.Tensors, parameters.Distill, parameters.DistillTemperature, compute.Precision, compute.Device);
            hooks = hooks with
            {
                Phase = _ => "quantizing",
                TaskLoss = distillation is null ? null : distillation.Loss,
                AfterStep = hooks.AfterStep + (_ => run.CountImages(parameters.BatchSize)),
                Measure = step => Measured(step.Module, validation, weights, parameters, run.Stop),
            };
            hooks = history.AddTo(hooks);
            if (parameters.Bytes is not null) hooks = KeptBits.AddTo(hooks, weights);
            training = TrainingLoop.Run(module, train, parameters.Recipe(data.UsualAugmentation, compute.Precision), run.Seed, hooks, run.State, run.Progress, run.Stop);
        }

        var facts = new Dictionary<string, double> { ["residual"] = weights.Residual() };
        if (bits.OneMoreBit is { } more) facts["oneMoreBitBytes"] = more;
        if (validation.Count > 0) facts["validationTop1Before"] = Evaluation.Run(module, validation, parameters.BatchSize, hooks?.View, stop: run.Stop).Top1;
        var record = history.Record(training);
        weights.Round();
        if (graph.Nodes.Any(node => node is Quantize)) facts["movedFromTies"] = RoundingTies.Avoid(graph, Tensors(module), weights.Formats);
        if (validation.Count > 0) facts["validationTop1After"] = Evaluation.Run(module, validation, parameters.BatchSize, stop: run.Stop).Top1;

        if (parameters.Method is QuantizeMethod.Symog or QuantizeMethod.Sgm && facts["residual"] > WeakPull)
        {
            run.Logger.LogWarning(
                "the pull was too weak: weights were still {Residual:0.###} steps from their modes when it ended, and the rounding moved them so far. More epochs or a larger pullEnd bring them there",
                facts["residual"]);
        }

        if (data.DamageReport is { } damage) run.Logger.LogWarning("{Damage}", damage);
        var step = new LineageStep(
            run.Stage, run.Version, run.Parameters, run.Seed, run.Input, run.Data, compute.Versions(), facts, record.ToJson());
        using var quantized = new Checkpoint(graph, module.Snapshot(), checkpoint.Lineage.Then(step, compresses: true), weights.Formats);
        return new StageOutcome(run.Write(stream => CheckpointFile.Write(stream, quantized)), facts.With(quantized.Graph, quantized.Formats), Panels: QuantizePanels.Of(step));
    }

    /// <summary>Size and held-out accuracy of the network as it would be if it were rounded now. Its weights stay as they are.</summary>
    private static IReadOnlyDictionary<string, double> Measured(GraphModule module, Split validation, QuantizedWeights weights, QuantizeParameters parameters, CancellationToken stop)
    {
        var facts = new Dictionary<string, double>();
        if (validation.Count > 0)
        {
            var rounded = weights.Formats.Keys.ToDictionary(name => name, name => weights.Quantized(name, module.Parameters[name])!);
            facts["validationTop1After"] = Evaluation.Run(module, validation, parameters.BatchSize, (name, value) => rounded.GetValueOrDefault(name) ?? value, stop: stop).Top1;
        }

        return facts.With(module.Graph, weights.Formats);
    }

    /// <summary>
    /// What is wrong whatever the network: bits that say nothing of most layers, and schedules that run backwards. What the method does not use may
    /// be anything.
    /// </summary>
    private static IEnumerable<ParameterProblem> WithoutNetwork(QuantizeParameters parameters)
    {
        if (parameters.Bits.Default == 0) yield return ParameterProblem.Of("bits", $"lacks '{LayerBits.DefaultKey}', for the layers that no pattern names");
        if (parameters.Method == QuantizeMethod.Naive) yield break;
        if (parameters.FinalLearningRate > parameters.LearningRate)
            yield return Backwards("finalLearningRate", parameters.FinalLearningRate, "learningRate", parameters.LearningRate, "falls", "at most");
        if (parameters.Method is not (QuantizeMethod.Symog or QuantizeMethod.Sgm)) yield break;
        if (parameters.PullEnd < parameters.PullStart) yield return Backwards("pullEnd", parameters.PullEnd, "pullStart", parameters.PullStart, "rises", "at least");
        if (parameters.Method == QuantizeMethod.Sgm && parameters.SigmaEnd > parameters.SigmaStart)
            yield return Backwards("sigmaEnd", parameters.SigmaEnd, "sigmaStart", parameters.SigmaStart, "falls", "at most");

        static ParameterProblem Backwards(string name, double value, string start, double from, string goes, string bound) =>
            ParameterProblem.Of(name, $"is {value} where {start} is {from}, and it {goes} from there; expected {bound} {from}, or another {start}");
    }

    private static Dictionary<string, Tensor> Tensors(GraphModule module) =>
        module.Parameters.Select(p => KeyValuePair.Create(p.Key, (Tensor)p.Value)).Concat(module.Buffers).ToDictionary();
}
