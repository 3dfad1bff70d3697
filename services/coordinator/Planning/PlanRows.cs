using System.Text.Json;
using Lathe.Contracts;

namespace Lathe.Coordinator;

/// <summary>The rows of a plan: what nodes share is recorded once.</summary>
internal sealed record PlanRows(IReadOnlyList<PointRow> Points, IReadOnlyList<BranchRow> Branches, IReadOnlyList<NodeRow> Nodes, IReadOnlyList<StepCountRow> Steps)
{
    /// <summary>The row of a point.</summary>
    /// <param name="sweep">Its sweep.</param>
    /// <param name="number">Its number there.</param>
    /// <param name="execution">An execution of it.</param>
    public static PointRow PointOf(Guid sweep, int number, PlannedExecution execution) => new()
    {
        SweepId = sweep,
        Number = number,
        Step = execution.Step,
        Stage = execution.Manifest.Name,
        Version = execution.Manifest.Version,
        OnlyMeasures = execution.Manifest.Output == StageOutput.Metrics,
        ReadsData = execution.Manifest.ReadsData,
        Parameters = execution.Parameters.GetRawText(),
        Varied = JsonSerializer.Serialize(execution.Varied),
    };

    /// <summary>Rows of a new sweep whose search adds everything else: the branches and the stages.</summary>
    /// <param name="sweep">Its id.</param>
    /// <param name="search">The search.</param>
    /// <param name="data">Data sets that its stages read; null: the fingerprint comes later.</param>
    public static PlanRows Of(Guid sweep, SweepSearch search, IReadOnlyDictionary<string, DataRef?> data)
    {
        var spec = search.Sweep;
        var branches =
            from model in spec.Models.Distinct()
            from dataset in spec.Datasets.Distinct()
            from seed in spec.Seeds.Distinct()
            select (model, dataset, seed);
        return new PlanRows(
            [],
            [
                .. branches.Select((b, i) => new BranchRow
                {
                    SweepId = sweep, Number = i, Model = b.model, Dataset = b.dataset, Fingerprint = data.TryGetValue(b.dataset, out var read) ? read?.Fingerprint : "", Seed = b.seed,
                }),
            ],
            [],
            [.. spec.Stages.Select((s, i) => new StepCountRow { SweepId = sweep, Step = i, Stage = s.Stage, Version = search.Manifests[s.Stage].Version, Pool = spec.Pool?.GetValueOrDefault(s.Stage) })]);
    }

    /// <summary>Rows of a new sweep.</summary>
    /// <param name="sweep">Its id.</param>
    /// <param name="plan">The tree.</param>
    /// <param name="data">Data sets that its stages read; null: the fingerprint comes later.</param>
    /// <param name="pools">Pools of workers, by stage; null: none.</param>
    public static PlanRows Of(Guid sweep, SweepPlan plan, IReadOnlyDictionary<string, DataRef?> data, IReadOnlyDictionary<string, string>? pools)
    {
        var points = new Dictionary<(int, string, string), PointRow>();
        var branches = new Dictionary<(string, string, long), BranchRow>();
        var parents = plan.Executions.Select(e => e.Parent).OfType<int>().ToHashSet();
        var nodes = new List<NodeRow>(plan.Executions.Count);
        foreach (var execution in plan.Executions)
        {
            var varied = string.Join('\n', execution.Varied);
            var identity = (execution.Step, execution.Parameters.GetRawText(), varied);
            if (!points.TryGetValue(identity, out var point))
            {
                points.Add(identity, point = PointOf(sweep, points.Count, execution));
            }

            if (!branches.TryGetValue((execution.Model, execution.Dataset, execution.Seed), out var branch))
            {
                branches.Add((execution.Model, execution.Dataset, execution.Seed), branch = new BranchRow
                {
                    SweepId = sweep,
                    Number = branches.Count,
                    Model = execution.Model,
                    Dataset = execution.Dataset,
                    Fingerprint = data.TryGetValue(execution.Dataset, out var read) ? read?.Fingerprint : "",
                    Seed = execution.Seed,
                });
            }

            nodes.Add(new NodeRow
            {
                SweepId = sweep,
                Index = execution.Index,
                Parent = execution.Parent,
                Branch = branch.Number,
                Point = point.Number,
                IsLeaf = !parents.Contains(execution.Index),
            });
        }

        var steps = plan.Executions.GroupBy(e => e.Step).OrderBy(g => g.Key).Select(g => new StepCountRow
        {
            SweepId = sweep,
            Step = g.Key,
            Stage = g.First().Manifest.Name,
            Version = g.First().Manifest.Version,
            Pool = pools?.GetValueOrDefault(g.First().Manifest.Name),
            Waiting = g.Count(),
        });
        return new PlanRows([.. points.Values], [.. branches.Values], nodes, [.. steps]);
    }
}
