using Lathe.Contracts;
using Lathe.Contracts.Panels;
using Lathe.Graph;
using Lathe.Graph.Checkpoints;
using Lathe.Hosting;
using Lathe.NN.Checkpoints;
using Lathe.NN.Runtime;
using static TorchSharp.torch;

namespace Lathe.Examples.LowRank;

/// <summary>
/// Makes two smaller layers of each large one by singular value decomposition, to a budget of the whole network: W ≈ (U√S)(√S Vᵀ), of which the
/// largest singular values stay. After Denton and others, "Exploiting Linear Structure Within Convolutional Networks" (2014, arXiv 1404.0736).
/// </summary>
public sealed class LowRankStage : IStage<LowRankParameters>
{
    public static StageManifest Manifest { get; } = new(
        "lowrank", "1", "Two smaller layers for each large one, to a budget", StageInput.Checkpoint, StageOutput.Checkpoint, ReadsData: false, Metrics:
        [
            .. SizeMetrics.All,
            new("lowRankError", "rank err", Better: Better.Lower, IsColumn: true, Rank: 60, Description: "Size of what was left out, over the size of the layers' weights (root of the sum of squares)."),
            new("layersSplit", "layers split", Format: MetricFormat.Count, Description: "Layers that are two now."),
        ]);

    public static IReadOnlyList<ParameterProblem> Check(LowRankParameters parameters, StageCheck context)
    {
        if (parameters is { TargetParameters: null, Multiplications: null })
            return [new ParameterProblem("", "no budget is given; expected 'parameters', 'multiplications' or both, as a share of the network (0.5) or an absolute number (40000)")];
        return context.Input is { } input ? Problems(parameters, NetworkForms.GraphOf(input), input.IsExact) : [];
    }

    public StageOutcome Run(StageRun run, LowRankParameters parameters)
    {
        using var checkpoint = CheckpointFile.Read(run.InputPath!);
        if (checkpoint.Formats.Count > 0) throw new LatheException("lowrank: the weights of the network are fixed-point numbers, and their products would be none; put lowrank before the stage that quantizes");
        if (Check(parameters, new StageCheck("", null, HostingSettings.In("."))).Concat(Problems(parameters, checkpoint.Graph, isExact: true)).FirstOrDefault() is { } problem)
            throw problem.Fault(run.Stage);
        set_num_threads(run.Threads);
        using var scope = NewDisposeScope();
        var factors = Factor.Of(checkpoint.Graph, parameters.Skip);
        var parts = new List<(Tensor U, Tensor S, Tensor V)>();
        foreach (var factor in factors)
        {
            run.Stop.ThrowIfCancellationRequested();
            run.Progress.Report(new StageProgress("factorizing", parts.Count, factors.Count));
            // In double precision, so that what is left out is left out by choice alone.
            parts.Add(linalg.svd(checkpoint.Tensors[$"{factor.Node.Name}.weight"].reshape(factor.Out, factor.In).to(ScalarType.Float64), fullMatrices: false));
        }

        var squares = parts.ConvertAll(part => part.S.square().data<double>().ToArray());
        var ranks = Ranks.Choose(Ranks.Whole(checkpoint.Graph), factors, squares, Ranks.Budget(parameters, checkpoint.Graph));
        var (graph, tensors) = Split(checkpoint, factors, parts, ranks);

        var left = squares.Zip(ranks, (square, rank) => rank is { } r ? square.Skip(r).Sum() : 0).Sum();
        var facts = new Dictionary<string, double> { ["lowRankError"] = Math.Sqrt(left / Math.Max(squares.Sum(s => s.Sum()), double.Epsilon)), ["layersSplit"] = ranks.Count(r => r is not null) };
        var step = new LineageStep(run.Stage, run.Version, run.Parameters, run.Seed, run.Input, checkpoint.Lineage.Steps[^1].Data, ComputeSetup.Of(run.Threads, run.Device).Versions(), facts);
        var small = new Checkpoint(graph, tensors, checkpoint.Lineage.Then(step, compresses: true), checkpoint.Formats);
        var panel = new BarChart(
            "ranks", "Rank of each layer", "", [.. factors.Select(f => f.Node.Name)],
            [new BarSeries("full", [.. factors.Select(f => (double)Math.Min(f.In, f.Out))]), new BarSeries("kept", [.. factors.Zip(ranks, (f, r) => (double)(r ?? Math.Min(f.In, f.Out)))])]) { Section = "Low rank" };
        return new StageOutcome(run.Write(stream => CheckpointFile.Write(stream, small)), facts.With(graph, small.Formats), Panels: factors.Count > 0 ? [panel] : []);
    }

    private static List<ParameterProblem> Problems(LowRankParameters parameters, NetworkGraph graph, bool isExact)
    {
        var names = graph.Nodes.Select(node => node.Name).ToHashSet();
        var problems = parameters.Skip.Index().Where(skip => !names.Contains(skip.Item))
            .Select(skip => new ParameterProblem(JsonPointer.Of("skip", $"{skip.Index}"), $"the network has no layer '{skip.Item}'; those that lowrank could split are {string.Join(", ", Factor.Of(graph, []).Select(f => f.Node.Name))}")).ToList();
        if (!isExact) return problems; // widths are not known yet
        var (least, budget) = (Ranks.Least(graph, Factor.Of(graph, parameters.Skip)), Ranks.Budget(parameters, graph));
        if (least.Parameters > budget.Parameters) problems.Add(ParameterProblem.Of("parameters", OutOfReach(budget.Parameters, least.Parameters)));
        if (least.Multiplications > budget.Multiplications) problems.Add(ParameterProblem.Of("multiplications", OutOfReach(budget.Multiplications, least.Multiplications)));
        return problems;

        static string OutOfReach(double wanted, double least) => $"asks for at most {wanted:N0}, and with rank 1 in every layer that can be split {least:N0} are left; expected at least that";
    }

    private static (NetworkGraph Graph, IReadOnlyDictionary<string, Tensor> Tensors) Split(
        Checkpoint checkpoint, IReadOnlyList<Factor> factors, List<(Tensor U, Tensor S, Tensor V)> parts, int?[] ranks)
    {
        var tensors = new Dictionary<string, Tensor>(checkpoint.Tensors);
        var nodes = new List<Node>(checkpoint.Graph.Nodes);
        for (var i = 0; i < factors.Count; i++)
        {
            if (ranks[i] is not { } rank) continue;
            var (first, second) = factors[i].Split(rank, nodes.Select(node => node.Name).ToHashSet());
            nodes[nodes.IndexOf(factors[i].Node)] = second;
            nodes.Insert(nodes.IndexOf(second), first);
            var root = parts[i].S.narrow(0, 0, rank).sqrt();
            Set(first, root.unsqueeze(1) * parts[i].V.narrow(0, 0, rank));
            Set(second, parts[i].U.narrow(1, 0, rank) * root);
        }

        return (checkpoint.Graph with { Nodes = nodes }, tensors);

        void Set(Node node, Tensor matrix)
        {
            var shape = ParameterShapes.Of(node).First(p => p.Kind == ParameterKind.Weight);
            tensors[shape.Name] = matrix.to(ScalarType.Float32).reshape([.. shape.Shape]);
        }
    }
}
