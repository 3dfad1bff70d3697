using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Lathe.Contracts;
using Lathe.Hosting;

namespace Lathe.Coordinator;

/// <summary>The search of a sweep, read and checked.</summary>
/// <param name="Sweep">The sweep as its author wrote it.</param>
/// <param name="Manifests">Stages by name.</param>
/// <param name="Axes">What is chosen, in the order of a point's coordinates.</param>
/// <param name="Objectives">What is to be reached.</param>
/// <param name="Constraints">What is to be kept.</param>
/// <param name="Trials">Number of trials that are computed.</param>
internal sealed record SweepSearch(
    SweepSpec Sweep, IReadOnlyDictionary<string, StageManifest> Manifests, IReadOnlyList<SearchAxis> Axes, IReadOnlyList<ObjectiveTerm> Objectives, IReadOnlyList<ConstraintTerm> Constraints, int Trials)
{
    private const string Root = "search";
    internal const int MostObjectives = 4;

    /// <summary>What no stage lets run breaks the constraints more than anything that runs.</summary>
    public const double Refused = 1e6;

    // Those of a plan: before the first results every strategy spreads its trials.
    private const int Planned = 10;

    public SearchSpace Space { get; } = new([.. Axes.Select(a => a.Range.Dimension with { Stage = a.Settings.Min(s => s.Stage ?? 0) })]) { StageCosts = [.. Sweep.Stages.Select(s => CostOf(s, Manifests))] };

    /// <summary>When trials stop before their end; null: none does.</summary>
    public EarlyStops? Stops { get; private init; }

    /// <summary>
    /// What an execution of a stage costs: its epochs. Seconds would tell more, and the same search would choose other trials on another machine. A stage without epochs costs less than any with them.
    /// </summary>
    private static double CostOf(StageSpec stage, IReadOnlyDictionary<string, StageManifest> manifests)
    {
        const double WithoutEpochs = 0.1;
        var given = stage.Parameters.ValueKind == JsonValueKind.Object && stage.Parameters.TryGetProperty(EarlyStops.EpochsParameter, out var value) ? value : (JsonElement?)null;
        double? mean = given switch
        {
            { ValueKind: JsonValueKind.Number } one => one.GetDouble(),
            { ValueKind: JsonValueKind.Array } list when list.EnumerateArray().All(v => v.ValueKind == JsonValueKind.Number) && list.GetArrayLength() > 0 => list.EnumerateArray().Average(v => v.GetDouble()),
            _ => manifests.TryGetValue(stage.Stage, out var manifest) ? EarlyStops.EpochsOf(manifest) : null,
        };
        return mean > WithoutEpochs ? mean.Value : WithoutEpochs;
    }

    public string Strategy => Sweep.Search!.Strategy;

    public long Seed => Sweep.Search!.Seed;

    public int Parallel => Math.Min(Sweep.Search!.Parallel ?? SearchSpec.DefaultParallel, Trials);

    /// <summary>The next points, each unlike all before it; fewer where the space has no others.</summary>
    public IReadOnlyList<double[]> Next(IReadOnlyList<SearchTrial> history, int count) => SearchStrategies.Next(Strategy, Space, history, Seed, count);

    /// <summary>The values that a point stands for, by name of the axis.</summary>
    public IReadOnlyDictionary<string, JsonElement> Values(IReadOnlyList<double> point) => Axes.Select((axis, d) => (axis.Name, Value: Shown(axis, point[d]))).ToDictionary(v => v.Name, v => v.Value);

    /// <summary>The executions of a point: a way through all stages for each seed.</summary>
    public SweepPlan PlanOf(IReadOnlyList<double> point)
    {
        var plan = SweepPlanner.Plan(Concrete(point), Manifests);
        return plan with { Executions = [.. plan.Executions.Select(e => e with { Varied = Varied(e.Step) })] };
    }

    private static JsonElement Shown(SearchAxis axis, double coordinate) => axis.Settings[0].Values is null
        ? axis.Range.Value(coordinate)
        : JsonSerializer.SerializeToElement(axis.Settings.Select(s => s.Values![axis.Range.Dimension.LevelOf(coordinate)]));

    /// <summary>Names of the parameters of a stage that trials differ in.</summary>
    private IReadOnlyList<string> Varied(int step) => [.. Axes.SelectMany(a => a.Settings).Where(s => s.Stage == step).Select(s => s.Steps[0]).Distinct()];

    /// <summary>The tree of the first trials.</summary>
    public SweepPlan Plan()
    {
        var executions = new List<PlannedExecution>();
        var known = new Dictionary<(int Step, int? Parent, string Model, long Seed, string Parameters), int>();
        var trials = new List<PlannedTrial>();
        foreach (var point in Next([], Math.Min(Trials, Math.Max(Planned, Parallel))))
        {
            var places = new Dictionary<int, int>();
            foreach (var execution in PlanOf(point).Executions)
            {
                int? parent = execution.Parent is { } before ? places[before] : null;
                var identity = (execution.Step, parent, execution.Model, execution.Seed, execution.Parameters.GetRawText());
                if (!known.TryGetValue(identity, out var index))
                {
                    known.Add(identity, index = executions.Count);
                    executions.Add(execution with { Index = index, Parent = parent });
                }

                places.Add(execution.Index, index);
            }

            trials.Add(new PlannedTrial(point, Values(point), [.. places.Values]));
        }

        return new SweepPlan(executions, []) { Search = new PlannedSearch(this, trials) };
    }

    /// <summary>Why a trial need not be computed: a stage refuses it, or what is predicted breaks a constraint. Null: nothing is known against it.</summary>
    /// <param name="executions">Of the trial.</param>
    /// <param name="verdict">What the stages say of them.</param>
    public (double Violation, string Reason)? Predict(IReadOnlyList<PlannedExecution> executions, SweepVerdict verdict)
    {
        foreach (var execution in executions)
        {
            if (verdict.Refused.TryGetValue(execution.Index, out var reason)) return (Refused, reason);
        }

        foreach (var constraint in Constraints)
        {
            var violation = executions.GroupBy(e => e.Seed).Max(way => Predicted(constraint, [.. way.OrderBy(e => e.Step)], verdict));
            if (violation > 0) return (violation, $"is predicted to break {constraint.Text}");
        }

        return null;
    }

    /// <summary>How far the network that is predicted breaks a constraint; 0: it may keep it.</summary>
    private static double Predicted(ConstraintTerm constraint, List<PlannedExecution> way, SweepVerdict verdict)
    {
        var makers = way.FindAll(e => e.Manifest.Output == StageOutput.Checkpoint);
        return makers.Count > 0 && constraint.Figure.Of(verdict.Forms.GetValueOrDefault(makers[^1].Index), verdict.Forms.GetValueOrDefault(makers[0].Index)) is { } size ? constraint.Violation(size) : 0;
    }

    /// <summary>The sweep of one point.</summary>
    private SweepSpec Concrete(IReadOnlyList<double> point)
    {
        var models = Sweep.Models;
        var stages = Sweep.Stages.Select(s => s.Parameters.ValueKind == JsonValueKind.Object ? JsonNode.Parse(s.Parameters.GetRawText())!.AsObject() : []).ToList();
        for (var d = 0; d < Axes.Count; d++)
        {
            var (axis, chosen) = (Axes[d], Axes[d].Range.Value(point[d]));
            foreach (var setting in axis.Settings)
            {
                if (setting.Stage is not { } stage)
                {
                    models = [chosen.GetString()!];
                    continue;
                }

                var within = stages[stage];
                foreach (var step in setting.Steps.SkipLast(1)) within = within[step]!.AsObject();
                within[setting.Steps[^1]] = JsonNode.Parse((setting.Values is { } own ? own[axis.Range.Dimension.LevelOf(point[d])] : chosen).GetRawText());
            }
        }

        return Sweep with
        {
            Search = null, EarlyStopping = null, Zip = null, Models = models, Stages = [.. Sweep.Stages.Zip(stages, (s, parameters) => new StageSpec(s.Stage, JsonSerializer.SerializeToElement(parameters)))],
        };
    }

    /// <summary>Reads the search of a sweep, and checks the whole sweep.</summary>
    /// <param name="spec">A sweep with a search.</param>
    /// <param name="manifests">Stages known by name.</param>
    /// <param name="problems">Receives the problems.</param>
    /// <returns>Null where there are some.</returns>
    public static SweepSearch? Read(SweepSpec spec, IReadOnlyDictionary<string, StageManifest> manifests, List<SweepProblem> problems)
    {
        var axes = SearchAxes.Read(spec, manifests, problems);
        var (probes, places) = SearchAxes.Probes(spec);
        // A range that is wrong has no values to check.
        if (problems.Count == 0) problems.AddRange(SweepPlanner.Problems(probes, manifests).Where(p => p.Path != "/stages" || spec.Stages is not { Count: > 0 }).Select(p => p with { Path = Written(p.Path, places) }));
        var search = spec.Search!;
        if (spec.Datasets is { Count: > 1 }) problems.Add(new SweepProblem("/datasets/1", "a search has one data set; make a sweep for each"));
        var isKnown = SearchStrategies.ByName.ContainsKey(search.Strategy ?? "");
        if (!isKnown)
            problems.Add(new SweepProblem($"/{Root}/strategy", $"'{search.Strategy}' is no strategy; expected one of {string.Join(", ", SearchStrategies.ByName.Keys)}{Nearest.Hint(search.Strategy ?? "", SearchStrategies.ByName.Keys)}"));
        if (axes.Count == 0 && problems.Count == 0) problems.Add(new SweepProblem($"/{Root}", "the stages leave nothing to choose; write a list or a range such as { uniform: [0.2, 0.8] } in place of a value"));
        if (search.Parallel < 1) problems.Add(new SweepProblem($"/{Root}/parallel", $"is {search.Parallel}, expected 1 or more"));
        var size = new SearchSpace([.. axes.Select(a => a.Range.Dimension)]).Size;
        if (isKnown) problems.AddRange(CheckTrials(spec, axes, size));
        var metrics = (spec.Stages ?? []).Where(s => s?.Stage is not null && manifests.ContainsKey(s.Stage)).SelectMany(s => manifests[s.Stage].Metrics ?? []).ToList();
        var objectives = ReadObjectives(search, metrics, problems);
        var constraints = ReadConstraints(search, metrics, problems);
        var stops = EarlyStops.Read(spec, manifests, problems);
        return problems.Count > 0 ? null : new SweepSearch(spec, manifests, axes, objectives, constraints, (int)Math.Min(search.Trials ?? SearchSpec.MostTrials, size)) { Stops = stops };
    }

    private static IEnumerable<SweepProblem> CheckTrials(SweepSpec spec, IReadOnlyList<SearchAxis> axes, double size)
    {
        var search = spec.Search!;
        const string Path = $"/{Root}/trials";
        if (search.Strategy == "grid" && axes.Index().FirstOrDefault(a => double.IsInfinity(new SearchSpace([a.Item.Range.Dimension]).Size)).Item is { } endless)
            yield return new SweepProblem($"/{Root}/strategy", $"a grid takes lists, choices and whole numbers, and {endless.Name} is a range of any numbers; choose sobol, random, tpe or nsga2");
        if (search.Strategy == "sobol" && axes.Count > SobolStrategy.MostDimensions)
            yield return new SweepProblem($"/{Root}/strategy", $"sobol chooses at most {SobolStrategy.MostDimensions} values, and the stages leave {axes.Count} to choose; take random, tpe or nsga2");
        if (search.Trials is null && search.Strategy != "grid") yield return new SweepProblem(search.Trials is null ? $"/{Root}" : Path, "the key trials is missing; expected the number of trials to compute");
        if (search.Trials is < 1 or > SearchSpec.MostTrials)
            yield return new SweepProblem(Path, string.Create(CultureInfo.InvariantCulture, $"is {search.Trials}, expected a whole number from 1 to {SearchSpec.MostTrials}"));
        if (search.Trials is null && search.Strategy == "grid" && size > SearchSpec.MostTrials && !double.IsInfinity(size))
            yield return new SweepProblem($"/{Root}", string.Create(CultureInfo.InvariantCulture, $"the grid has {size:#,0} points; expected at most {SearchSpec.MostTrials:#,0}: name the number of trials, or choose another strategy"));
        var executions = Math.Min(search.Trials ?? 0, size) * (spec.Stages?.Count ?? 0) * (spec.Seeds?.Count ?? 0);
        if (executions > SweepPlanner.MaxExecutions)
            yield return new SweepProblem(Path, string.Create(CultureInfo.InvariantCulture, $"the trials have up to {executions:#,0} executions; expected at most {SweepPlanner.MaxExecutions:#,0}"));
    }

    private static List<ObjectiveTerm> ReadObjectives(SearchSpec search, List<MetricDescriptor> metrics, List<SweepProblem> problems)
    {
        var objectives = new List<ObjectiveTerm>();
        if (search.Objectives is not { Count: > 0 and <= MostObjectives })
        {
            problems.Add(new SweepProblem(search.Objectives is null ? $"/{Root}" : $"/{Root}/objectives", $"expected 1 to {MostObjectives} objectives, for example objectives: [{{ minimize: bytes }}]"));
            return objectives;
        }

        for (var i = 0; i < search.Objectives.Count; i++)
        {
            var path = $"/{Root}/objectives/{i}";
            if (search.Objectives[i] is not { } written || (written.Maximize is null) == (written.Minimize is null))
            {
                problems.Add(new SweepProblem(path, "expected one of { maximize: METRIC } and { minimize: METRIC }"));
                continue;
            }

            var (name, isMaximized) = (written.Maximize ?? written.Minimize!, written.Maximize is not null);
            path += isMaximized ? "/maximize" : "/minimize";
            var figure = SearchFigure.Find(name, metrics, out var problem);
            if (problem is not null) problems.Add(new SweepProblem(path, problem));
            else if (figure!.Metric.Better == (isMaximized ? Better.Lower : Better.Higher))
                problems.Add(new SweepProblem(path, $"of {name} {(isMaximized ? "less" : "more")} is better; write {(isMaximized ? "minimize" : "maximize")}: {name}"));
            else if (objectives.Exists(o => o.Figure.Name == name)) problems.Add(new SweepProblem(path, $"{name} stands twice"));
            else objectives.Add(new ObjectiveTerm(figure, isMaximized));
        }

        return objectives;
    }

    private static List<ConstraintTerm> ReadConstraints(SearchSpec search, List<MetricDescriptor> metrics, List<SweepProblem> problems)
    {
        var constraints = new List<ConstraintTerm>();
        foreach (var (i, text) in (search.Constraints ?? []).Index())
        {
            if (ConstraintTerm.Read(text ?? "", metrics, out var problem) is { } constraint) constraints.Add(constraint);
            else problems.Add(new SweepProblem($"/{Root}/constraints/{i}", problem!));
        }

        return constraints;
    }

    /// <summary>The place that its author wrote, of a place in the probes.</summary>
    private static string Written(string path, IReadOnlyDictionary<string, string> places)
    {
        foreach (var (probe, written) in places)
        {
            if (path == probe || path.StartsWith(probe + "/", StringComparison.Ordinal)) return written + path[probe.Length..];
        }

        return path;
    }
}

/// <summary>One of the first trials of a search.</summary>
/// <param name="Point">Its coordinates.</param>
/// <param name="Values">What they stand for, by name of the axis.</param>
/// <param name="Executions">Indices of its executions in the plan.</param>
internal sealed record PlannedTrial(double[] Point, IReadOnlyDictionary<string, JsonElement> Values, IReadOnlyList<int> Executions);

/// <summary>A search with its first trials.</summary>
/// <param name="Search">The search.</param>
/// <param name="Trials">In their order.</param>
internal sealed record PlannedSearch(SweepSearch Search, IReadOnlyList<PlannedTrial> Trials)
{
    /// <summary>The search for people, with what is predicted of its first trials.</summary>
    public SearchForecast Forecast(SweepPlan plan, SweepVerdict verdict) => new(
        Search.Strategy, Search.Trials, Search.Parallel, [.. Search.Axes.Select(a => new AxisForecast(a.Name, a.Written()))],
        [.. Trials.Select(t => new TrialForecast(t.Values, t.Executions, Search.Predict([.. t.Executions.Select(e => plan.Executions[e])], verdict)?.Reason))]);

    /// <summary>What stages say against single trials does not stand against the search, unless it is all of them.</summary>
    public SweepVerdict Judge(SweepVerdict verdict)
    {
        var refused = Trials.Where(t => t.Executions.Any(verdict.Refused.ContainsKey)).ToList();
        if (refused.Count == 0 || refused.Count == Trials.Count) return verdict;
        var why = refused[0].Executions.Where(verdict.Refused.ContainsKey).Select(e => verdict.Refused[e]).First();
        return verdict with { Problems = [], Notes = [.. verdict.Notes, $"stages refuse {refused.Count} of the first {Trials.Count} trials; such trials are left out. The first: {why}"] };
    }
}
