using System.Globalization;
using Lathe.Contracts;
using Lathe.Hosting;

namespace Lathe.Coordinator;

/// <summary>
/// Turns a sweep into a tree of executions. Every list is an axis of the grid. Branches share the executions that they have in common. For example, three
/// pruning targets x three bit widths train once, prune three times and quantize nine times.
/// </summary>
public static class SweepPlanner
{
    /// <summary>Largest number of executions of one sweep.</summary>
    public const int MaxExecutions = 100_000;

    /// <summary>Checks a sweep and expands it.</summary>
    /// <param name="spec">The sweep as its author wrote it.</param>
    /// <param name="manifests">Stages known by name.</param>
    /// <returns>The tree, models x data sets x seeds x axes in order; or every problem found.</returns>
    public static SweepPlan Plan(SweepSpec spec, IReadOnlyDictionary<string, StageManifest> manifests)
    {
        var problems = new List<SweepProblem>();
        if (spec.Search is not null) return SweepSearch.Read(spec, manifests, problems) is { } search && problems.Count == 0 ? search.Plan() : new SweepPlan([], problems);
        var stages = Read(spec, manifests, problems);
        return problems.Count > 0 ? new SweepPlan([], problems) : new SweepPlan(Expand(spec, stages), []);
    }

    /// <summary>Every problem of a sweep, without expanding it.</summary>
    public static IReadOnlyList<SweepProblem> Problems(SweepSpec spec, IReadOnlyDictionary<string, StageManifest> manifests)
    {
        var problems = new List<SweepProblem>();
        if (spec.Search is not null) SweepSearch.Read(spec, manifests, problems);
        else Read(spec, manifests, problems);
        return problems;
    }

    private static List<Step> Read(SweepSpec spec, IReadOnlyDictionary<string, StageManifest> manifests, List<SweepProblem> problems)
    {
        CheckBranches(spec, problems);
        EarlyStops.Read(spec, manifests, problems);
        var stages = ReadStages(spec, manifests, problems);
        if (problems.Count == 0) CheckSize(spec, stages, problems);
        return stages;
    }

    private static void CheckBranches(SweepSpec spec, List<SweepProblem> problems)
    {
        if (SweepNames.Problem(spec.Name) is { } problem) problems.Add(new SweepProblem("/name", problem));
        if (spec.Models is not { Count: > 0 }) problems.Add(new SweepProblem("/models", "no model; expected one or more"));
        if (spec.Datasets is not { Count: > 0 }) problems.Add(new SweepProblem("/datasets", "no data set; expected one or more"));
        if (spec.Seeds is not { Count: > 0 }) problems.Add(new SweepProblem("/seeds", "no seed; expected one or more whole numbers"));
        if (spec.Threads is < 1 or > SweepSpec.MostThreads)
            problems.Add(new SweepProblem("/threads", $"is {spec.Threads}, expected a whole number from 1 to {SweepSpec.MostThreads}"));
        if (spec.Device is not (null or DeviceKind.Cpu or DeviceKind.Cuda))
            problems.Add(new SweepProblem("/device", $"is {spec.Device.ToString()!.ToLowerInvariant()}, expected cpu or cuda; without the key every worker computes on what it has"));
        foreach (var (stage, pool) in spec.Pool ?? new Dictionary<string, string>())
        {
            var path = $"/pool{JsonPointer.Of(stage)}";
            var own = spec.Stages?.Select(s => s?.Stage).OfType<string>().Distinct().ToList() ?? [];
            if (!own.Contains(stage)) problems.Add(new SweepProblem(path, $"is no stage of this sweep{Nearest.Hint(stage, own)}; its stages are {string.Join(", ", own)}"));
            else if (!WorkerPool.IsName(pool)) problems.Add(new SweepProblem(path, $"'{pool}' is no name of a pool; expected {WorkerPool.Expected}"));
        }

        for (var i = 0; i < (spec.Models?.Count ?? 0); i++)
        {
            if (ClosedPlaces.Model(spec.Models![i]) is { } refused) problems.Add(new SweepProblem($"/models/{i}", refused));
        }

        for (var i = 0; i < (spec.Datasets?.Count ?? 0); i++)
        {
            // The search for its files finds out whether the data set exists.
            var name = spec.Datasets![i] ?? "";
            if (!ImageSetFiles.IsName(name))
                problems.Add(new SweepProblem($"/datasets/{i}", $"'{name}' is no name of a data set; expected letters, digits, '.', '_' and '-'"));
        }
    }

    private static List<Step> ReadStages(SweepSpec spec, IReadOnlyDictionary<string, StageManifest> manifests, List<SweepProblem> problems)
    {
        var steps = new List<Step>();
        var zipped = ZippedAxes.Read(spec, manifests, problems);
        if (spec.Stages is not { Count: > 0 })
        {
            problems.Add(new SweepProblem("/stages", "no stage; expected one or more"));
            return steps;
        }

        var hasCheckpoint = false;
        for (var i = 0; i < spec.Stages.Count; i++)
        {
            var name = spec.Stages[i]?.Stage ?? "";
            if (name.Length == 0)
            {
                problems.Add(new SweepProblem($"/stages/{i}/stage", $"no stage is named here; known are {string.Join(", ", manifests.Keys.Order(StringComparer.Ordinal))}"));
                hasCheckpoint = true;
                continue;
            }

            var path = $"/stages/{i}{JsonPointer.Of(name)}";
            if (!manifests.TryGetValue(name, out var manifest))
            {
                problems.Add(new SweepProblem(path, UnknownStage(name, manifests)));
                // The stage is unknown, but it may make the checkpoint that the next stage needs.
                hasCheckpoint = true;
                continue;
            }

            if (Misplaced(manifest, first: i == 0, hasCheckpoint) is { } misplaced) problems.Add(new SweepProblem(path, misplaced));
            hasCheckpoint |= manifest.Output == StageOutput.Checkpoint;
            // Report a problem with the list of models once, not for each stage.
            IReadOnlyList<string> models = spec.Models is { Count: > 0 } given ? [.. given.Select(m => m ?? "")] : [""];
            steps.Add(new Step(manifest, StageGrid.Read(path, manifest, spec.Stages[i].Parameters, models, [.. zipped.Where(z => z.Stage == i)], problems)));
        }

        return steps;
    }

    private static string UnknownStage(string name, IReadOnlyDictionary<string, StageManifest> manifests) =>
        manifests.Count == 0
            ? $"unknown stage '{name}': no worker has announced a stage yet; start one with 'lathe worker {name}'"
            : $"unknown stage '{name}'{Nearest.Hint(name, manifests.Keys)}; known are "
                + string.Join(", ", manifests.Keys.Order(StringComparer.Ordinal));

    private static string? Misplaced(StageManifest manifest, bool first, bool hasCheckpoint) => (manifest.Input, first) switch
    {
        (StageInput.Checkpoint, true) =>
            $"'{manifest.Name}' starts from a checkpoint and cannot be the first stage; put one that starts from a model before it, '- train' or, for weights that are trained already, '- train: {{ epochs: 0 }}'",
        (StageInput.Checkpoint, false) when !hasCheckpoint =>
            $"'{manifest.Name}' starts from a checkpoint, and no stage before it makes one",
        (StageInput.Model, false) => $"'{manifest.Name}' starts from a model and can only be the first stage; a checkpoint is trained further by a sweep whose model it is (model: its file or digest)",
        _ => null,
    };

    private static void CheckSize(SweepSpec spec, List<Step> stages, List<SweepProblem> problems)
    {
        var makers = (double)spec.Models.Distinct().Count() * spec.Datasets.Distinct().Count() * spec.Seeds.Distinct().Count();
        var total = 0.0;
        var chosen = new HashSet<int>();
        foreach (var stage in stages)
        {
            var executions = makers * stage.Grid.Count(chosen);
            total += executions;
            if (stage.Manifest.Output == StageOutput.Checkpoint) makers = executions;
        }

        if (total <= MaxExecutions) return;
        problems.Add(new SweepProblem(
            "/stages",
            string.Create(
                CultureInfo.InvariantCulture,
                $"the grid has {total:#,0} executions; expected at most {MaxExecutions:#,0}: shorten some lists, or make several sweeps of it")));
    }

    private static List<PlannedExecution> Expand(SweepSpec spec, List<Step> stages)
    {
        var tree = new TreeBuilder(spec, stages);
        foreach (var model in spec.Models.Distinct())
        {
            foreach (var dataset in spec.Datasets.Distinct())
            {
                foreach (var seed in spec.Seeds.Distinct()) tree.AddBranch(new Branch(model, dataset, seed));
            }
        }

        return tree.Finish();
    }

    private sealed record Step(StageManifest Manifest, StageGrid Grid);

    private sealed record Branch(string Model, string Dataset, long Seed);

    /// <summary>Grows the tree depth first, so that the executions of one branch are next to each other.</summary>
    private sealed class TreeBuilder(SweepSpec spec, List<Step> stages)
    {
        private readonly List<PlannedExecution> _executions = [];
        private static readonly IReadOnlyDictionary<int, int> NothingChosen = new Dictionary<int, int>();

        private readonly Dictionary<(int Step, string Model, string Zipped), IReadOnlyList<GridPoint>> _points = [];
        private readonly Dictionary<(Branch Branch, int? Parent, string Stage, string Parameters), int> _known = [];

        public void AddBranch(Branch branch) => Grow(branch, 0, null, NothingChosen);

        public List<PlannedExecution> Finish()
        {
            var varied = _executions
                .GroupBy(e => (e.Parent, e.Manifest.Name))
                .ToDictionary(siblings => siblings.Key, siblings => Differing([.. siblings]));
            return [.. _executions.Select(e => e with { Varied = varied[(e.Parent, e.Manifest.Name)] })];
        }

        /// <param name="branch">Model, data set and seed.</param>
        /// <param name="step">Place in the sweep's list of stages.</param>
        /// <param name="maker">Index of the execution whose checkpoint this step starts from.</param>
        /// <param name="zipped">What earlier steps have chosen of the axes that advance together.</param>
        private void Grow(Branch branch, int step, int? maker, IReadOnlyDictionary<int, int> zipped)
        {
            if (step == stages.Count) return;
            var makesCheckpoint = stages[step].Manifest.Output == StageOutput.Checkpoint;
            foreach (var point in PointsOf(step, branch.Model, zipped))
            {
                var index = Add(branch, step, maker, point);
                // A stage that measures has chosen for what follows only where it has a group's first axis.
                if (makesCheckpoint || point.Zipped.Count > zipped.Count) Grow(branch, step + 1, makesCheckpoint ? index : maker, point.Zipped);
            }

            if (!makesCheckpoint && !stages[step].Grid.Chooses(zipped)) Grow(branch, step + 1, maker, zipped);
        }

        private int Add(Branch branch, int step, int? parent, GridPoint point)
        {
            var manifest = stages[step].Manifest;
            var identity = (branch, parent, manifest.Name, CanonicalJson.Write(point.Parameters));
            if (_known.TryGetValue(identity, out var index)) return index;
            index = _executions.Count;
            _known.Add(identity, index);
            _executions.Add(new PlannedExecution(index, parent, manifest, branch.Model, branch.Dataset, branch.Seed, point.Parameters, point.Places, [], step));
            return index;
        }

        private IReadOnlyList<GridPoint> PointsOf(int step, string model, IReadOnlyDictionary<int, int> zipped)
        {
            var key = (step, stages[step].Grid.TakesModel ? model : "", string.Join(',', zipped.Select(z => $"{z.Key}:{z.Value}")));
            if (!_points.TryGetValue(key, out var points)) _points.Add(key, points = stages[step].Grid.Points(spec.Models, IndexOf(model), zipped));
            return points;
        }

        private int IndexOf(string model) => spec.Models.TakeWhile(m => m != model).Count();
    }

    /// <summary>Names of the parameters that are not the same in all, in the order of the first. The branch has the model's name.</summary>
    private static List<string> Differing(List<PlannedExecution> siblings)
    {
        if (siblings.Count < 2) return [];
        var model = ParametersSchema.Marked(siblings[0].Manifest.ParametersSchema, SweepModelAttribute.Keyword);
        return
        [
            .. siblings
                .SelectMany(s => s.Parameters.EnumerateObject().Select(p => p.Name))
                .Distinct()
                .Where(name => name != model
                    && siblings.Select(s => s.Parameters.TryGetProperty(name, out var value) ? CanonicalJson.Write(value) : "").Distinct().Count() > 1),
        ];
    }
}
