using System.Text.Json;
using System.Text.Json.Nodes;
using Lathe.Contracts;
using Lathe.Hosting;

namespace Lathe.Coordinator;

/// <summary>What a sweep file says beside the sweep itself; null: nothing, and the coordinator's default holds.</summary>
internal sealed record SweepTerms(int? Priority = null, string? Share = null, double? Weight = null, SweepLimits? Limits = null);

/// <summary>A sweep, with the place where each part was written.</summary>
/// <param name="Spec">The sweep.</param>
/// <param name="Terms">When it has its turn, and how much it may take.</param>
/// <param name="Sources">Places of its parts.</param>
/// <param name="Stages">Stages whose parameters can be checked where the sweep is read.</param>
/// <param name="IsBuiltIn">True: there are no other stages. Otherwise workers may offer some.</param>
internal sealed record SweepDocument(
    SweepSpec Spec, SweepTerms Terms, SourceMap Sources, IReadOnlyDictionary<string, StageManifest> Stages, bool IsBuiltIn)
{
    /// <summary>Problems of the sweep's own keys as one fault, with those of its stages, so that a user sees all at once.</summary>
    public LatheException Fault(IEnumerable<SweepProblem> problems) => Sources.Fault(With(problems));

    /// <summary>The same problems, as a list.</summary>
    public IReadOnlyList<SweepProblem> With(IEnumerable<SweepProblem> problems)
    {
        var own = problems.ToList();
        return [.. own, .. SweepPlanner.Problems(Spec, Stages).Where(problem => IsCertain(problem) || IsCertain(problem, own)).DistinctBy(p => (p.Path, p.Message))];
    }

    /// <summary>
    /// What is wrong with a search or with early stopping beside problems of the form. What could not be read is not judged again, and what hangs on the stages is not
    /// judged where one of them is unknown or could not be read.
    /// </summary>
    private bool IsCertain(SweepProblem problem, List<SweepProblem> own)
    {
        string[] steps = JsonPointer.Steps(problem.Path);
        return steps switch
        {
            ["earlyStopping", "strategy" or "metric" or "reduction"] or ["search", "strategy" or "parallel" or "trials"] => !own.Exists(o => IsAround(o.Path, problem.Path)),
            ["search", "objectives" or "constraints", _, ..] => HasAllStages() && !own.Exists(o => IsAround(o.Path, problem.Path)),
            ["earlyStopping"] or ["earlyStopping", "grace"] => HasAllStages() && !own.Exists(o => IsAround(o.Path, "/earlyStopping") || IsAround(o.Path, "/search")),
            _ => false,
        };

        bool HasAllStages() => Spec.Stages is { Count: > 0 } stages && stages.All(s => s?.Stage is { } name && Stages.ContainsKey(name)) && !own.Exists(o => IsAround(o.Path, "/stages"));
    }

    /// <summary>Whether one of two places lies in the other, or both are one. The whole document is around nothing: of it a key may be unknown.</summary>
    private static bool IsAround(string one, string other) =>
        one.Length > 0 && (one == other || one.StartsWith(other + "/", StringComparison.Ordinal) || other.StartsWith(one + "/", StringComparison.Ordinal));

    /// <summary>Files of weights are left out: they may not be in the store yet, where the schema wants their digest. So is a stage that could not be read.</summary>
    private bool IsCertain(SweepProblem problem) =>
        JsonPointer.Steps(problem.Path) is ["stages", _, { Length: > 0 } stage, .. var parameter]
        && (Stages.TryGetValue(stage, out var manifest)
            ? parameter is not [var name, ..] || name != ParametersSchema.Marked(manifest.ParametersSchema, WeightsFileAttribute.Keyword)
            : IsBuiltIn);
}

/// <summary>Reads the text of a sweep file and checks its form. The coordinator checks the parameters of the stages.</summary>
internal static class SweepText
{
    private const long DefaultSeed = 1;
    private const string EarlyStopping = "earlyStopping";
    private const string SearchKey = "search";
    private static readonly string[] Keys = ["name", "model", "dataset", "seed", "threads", "device", "pool", "stages", "priority", "share", "weight", "limits", "zip", "search", "earlyStopping"];
    private static readonly string[] SearchKeys = ["strategy", "trials", "seed", "objectives", "constraints", "parallel"];
    private static readonly string[] Directions = ["maximize", "minimize"];
    private static readonly string[] StoppingKeys = ["strategy", "metric", "grace", "reduction"];
    private static readonly string[] LimitKeys = ["parallel", "parallelOf", "executionSeconds", "sweepSeconds", "failures", "keepDays", "budgetBytes"];

    /// <summary>Reads a text.</summary>
    /// <param name="file">Where it comes from, for messages; its name is that of a sweep without one.</param>
    /// <param name="text">YAML.</param>
    /// <param name="sets">Texts of <c>--set</c> options, <c>prune.multiplications=0.25</c>.</param>
    /// <param name="stages">Stages whose parameters can be checked here, so that their problems are told together with those of the form.</param>
    /// <param name="isBuiltIn">True: there are no other stages.</param>
    /// <exception cref="LatheException">All problems, one line each with its place.</exception>
    public static SweepDocument Parse(string file, string text, IReadOnlyList<string> sets, IReadOnlyDictionary<string, StageManifest> stages, bool isBuiltIn = false)
    {
        var (document, problems) = Read(file, text, SetOption.ParseAll(sets), stages, isBuiltIn);
        return problems.Count == 0 ? document! : throw document!.Sources.Fault(problems);
    }

    /// <summary>Reads a text; what is wrong with it is told by its place in the text (<see cref="SourceMap.PlaceOf"/>).</summary>
    /// <returns>The document as far as it could be read, whose sources know the places, and everything that is wrong.</returns>
    public static (SweepDocument Document, IReadOnlyList<SweepProblem> Problems) Read(
        string file, string text, IReadOnlyList<SetOption> sets, IReadOnlyDictionary<string, StageManifest> stages, bool isBuiltIn = false)
    {
        var sources = new SourceMap(file);
        try
        {
            return YamlTree.Read(text) switch
            {
                null => Nothing(new Place(1, 1), $"is empty; expected a sweep with the keys {Words(Keys)}"),
                YamlMap map => new Reading(sources, stages, isBuiltIn).Sweep(map, Path.GetFileNameWithoutExtension(file), sets),
                var other => Nothing(other.Place, $"is {other.Describe()}, expected a sweep with the keys {Words(Keys)}"),
            };
        }
        catch (YamlProblemException problem)
        {
            return Nothing(problem.Place, problem.Message);
        }

        (SweepDocument, IReadOnlyList<SweepProblem>) Nothing(Place place, string message)
        {
            sources.Add("", place);
            return (new SweepDocument(new SweepSpec("", [], [], [], []), new SweepTerms(), sources, stages, isBuiltIn), [new SweepProblem("", message)]);
        }
    }

    private static string Words(IEnumerable<string> words) => string.Join(", ", words);

    /// <summary>One pass over a document; collects all problems instead of stopping at the first.</summary>
    private sealed class Reading(SourceMap sources, IReadOnlyDictionary<string, StageManifest> known, bool isBuiltIn)
    {
        private readonly List<SweepProblem> _problems = [];

        public (SweepDocument Document, IReadOnlyList<SweepProblem> Problems) Sweep(YamlMap map, string defaultName, IReadOnlyList<SetOption> sets)
        {
            sources.Add("", map.Place);
            foreach (var entry in map.Entries)
            {
                sources.Add(JsonPointer.Of(entry.Key), entry.Place);
                if (!Keys.Contains(entry.Key)) Wrong(JsonPointer.Of(entry.Key), $"unknown key; expected one of {Words(Keys)}{Nearest.Hint(entry.Key, Keys)}");
            }

            YamlValue? Value(string key) =>
                sets.LastOrDefault(s => s.Stage is null && s.Name == key) is { } set ? FromOption($"/{key}", set) : map.Entries.FirstOrDefault(e => e.Key == key)?.Value;

            var name = Value("name") switch
            {
                null => defaultName,
                YamlScalar { IsNull: false } scalar => scalar.Text,
                var other => WrongName(other),
            };
            var models = Names("model", Value("model"), "a model's name (lathe models shows them), an ONNX file, or a list of them");
            var datasets = Names("dataset", Value("dataset"), "a data set's name or a list of them");
            var seeds = Value("seed") is { } seed ? Seeds(seed) : [DefaultSeed];
            var threads = Value("threads") is { } count ? Threads(count) : null;
            var device = Value("device") is { } kind ? Device(kind) : null;
            var stages = Stages(Value("stages"), [.. sets.Where(s => s.Stage is not (null or SearchKey or EarlyStopping))]);
            var pool = Value("pool") is { } pools ? Pool(pools, stages) : null;
            var zip = Value("zip") is { } groups ? Zip(groups) : null;
            var search = Search(Value(SearchKey), [.. sets.Where(s => s.Stage == SearchKey)]);
            var stopping = Stopping(Value(EarlyStopping), [.. sets.Where(s => s.Stage == EarlyStopping)]);

            var terms = new SweepTerms(
                Value("priority") is { } priority ? Whole("/priority", priority, $"from {SweepLimits.LowestPriority} to {SweepLimits.HighestPriority}") : null,
                Value("share") is { } share ? Share(share) : null,
                Value("weight") is { } weight ? Number("/weight", weight, "a number above 0") : null,
                Value("limits") is { } limits ? Limits(limits) : null);
            var spec = new SweepSpec(name, models, datasets, seeds, stages, threads, device, zip, search) { EarlyStopping = stopping, Pool = pool };
            // Stages that could not be read would make those of parallelOf unknown.
            var isWhole = _problems.Count == 0;
            _problems.AddRange(SubmissionTerms.Problems(new SweepSubmission(spec, false, null, terms.Priority, terms.Share, terms.Weight, terms.Limits))
                .Where(p => isWhole || !p.Path.StartsWith("/limits/parallelOf", StringComparison.Ordinal)));
            var document = new SweepDocument(spec, terms, sources, known, isBuiltIn);
            return (document, _problems.Count == 0 ? [] : document.With(_problems));
        }

        private string WrongName(YamlValue value)
        {
            Wrong("/name", $"is {value.Describe()}, expected a name");
            return "";
        }

        private int? Whole(string pointer, YamlValue value, string range)
        {
            if (value is YamlScalar scalar && scalar.ToJson() is JsonValue json && json.TryGetValue<long>(out var number) && number == (int)number) return (int)number;
            Wrong(pointer, $"is {value.Describe()}, expected a whole number {range}");
            return null;
        }

        private double? Number(string pointer, YamlValue value, string expected)
        {
            if (value is YamlScalar scalar && scalar.ToJson() is JsonValue json && json.GetValueKind() == JsonValueKind.Number) return json.Deserialize<double>();
            Wrong(pointer, $"is {value.Describe()}, expected {expected}");
            return null;
        }

        private List<IReadOnlyList<string>> Zip(YamlValue value)
        {
            const string Expected = "a list of groups, each a list of axes that advance together: [[prune.multiplications, quantize.bits]]";
            Locate("/zip", value);
            var groups = new List<IReadOnlyList<string>>();
            if (value is not YamlList list) Wrong("/zip", $"is {value.Describe()}, expected {Expected}");
            else
            {
                foreach (var (i, group) in list.Items.Index())
                {
                    if (group is not YamlList names) Wrong($"/zip/{i}", $"is {group.Describe()}, expected {Expected}");
                    else groups.Add([.. names.Items.Select((name, n) => Text($"/zip/{i}/{n}", name, "STAGE.PARAMETER") ?? "")]);
                }
            }

            return groups;
        }

        private string? Text(string pointer, YamlValue value, string expected)
        {
            if (value is YamlScalar { IsNull: false } scalar) return scalar.Text;
            Wrong(pointer, $"is {value.Describe()}, expected {expected}");
            return null;
        }

        private SearchSpec? Search(YamlValue? value, IReadOnlyList<SetOption> sets)
        {
            if (value is null && sets.Count == 0) return null;
            if (Members(SearchKey, SearchKeys, value, sets, "{ strategy: tpe, trials: 50, objectives: [{ minimize: bytes }] }") is not { } of) return null;
            return new SearchSpec(
                of("strategy") is { } strategy ? Text($"/{SearchKey}/strategy", strategy, "a strategy") ?? "" : "",
                of("objectives") is { } objectives ? Objectives(objectives) : null!,
                of("trials") is { } trials ? Whole($"/{SearchKey}/trials", trials, "from 1 on") : null,
                of("seed") is { } seed ? Whole($"/{SearchKey}/seed", seed, "of any size") ?? DefaultSeed : DefaultSeed,
                of("constraints") is { } constraints ? Constraints(constraints) : null,
                of("parallel") is { } parallel ? Whole($"/{SearchKey}/parallel", parallel, "from 1 on") : null);
        }

        private EarlyStoppingSpec? Stopping(YamlValue? value, IReadOnlyList<SetOption> sets)
        {
            if (value is null && sets.Count == 0) return null;
            if (Members(EarlyStopping, StoppingKeys, value, sets, "{ strategy: asha, metric: loss, grace: 1, reduction: 3 }") is not { } of) return null;
            var stopping = new EarlyStoppingSpec(of("strategy") is { } strategy ? Text($"/{EarlyStopping}/strategy", strategy, "asha or median") ?? "" : "");
            if (of("metric") is { } metric && Text($"/{EarlyStopping}/metric", metric, "loss or accuracy") is { } name) stopping = stopping with { Metric = name };
            if (of("grace") is { } grace && Whole($"/{EarlyStopping}/grace", grace, "from 1 on") is { } epochs) stopping = stopping with { Grace = epochs };
            if (of("reduction") is { } reduction && Whole($"/{EarlyStopping}/reduction", reduction, "from 2 on") is { } share) stopping = stopping with { Reduction = share };
            return stopping;
        }

        /// <summary>Gives the members of a key that has members by their names; null where it has none. Options go before what the file says.</summary>
        private Func<string, YamlValue?>? Members(string key, string[] known, YamlValue? value, IReadOnlyList<SetOption> sets, string expected)
        {
            if (value is not (null or YamlMap))
            {
                Wrong($"/{key}", $"is {value.Describe()}, expected {expected}, with the keys {Words(known)}");
                return null;
            }

            var map = value as YamlMap;
            if (map is not null) Locate($"/{key}", map);
            foreach (var name in (map?.Entries.Select(e => e.Key) ?? []).Concat(sets.Select(s => s.Name)).Except(known).ToList())
            {
                if (sets.LastOrDefault(s => s.Name == name) is { } set) sources.AddOption(JsonPointer.Of(key, name), set.Text);
                Wrong(JsonPointer.Of(key, name), $"unknown key; expected one of {Words(known)}{Nearest.Hint(name, known)}");
            }

            return name => sets.LastOrDefault(s => s.Name == name) is { } set ? FromOption(JsonPointer.Of(key, name), set) : map?.Entries.FirstOrDefault(e => e.Key == name)?.Value;
        }

        private List<SearchObjective> Objectives(YamlValue value)
        {
            const string Expected = "{ maximize: METRIC } or { minimize: METRIC }";
            var objectives = new List<SearchObjective>();
            if (value is not YamlList list) Wrong($"/{SearchKey}/objectives", $"is {value.Describe()}, expected a list of {Expected}");
            else
            {
                foreach (var (i, item) in list.Items.Index())
                {
                    var path = $"/{SearchKey}/objectives/{i}";
                    if (item is YamlMap { Entries: [{ Key: "maximize" or "minimize" } only] } && Text($"{path}/{only.Key}", only.Value, "a metric") is { } metric)
                        objectives.Add(only.Key == "maximize" ? new SearchObjective(Maximize: metric) : new SearchObjective(Minimize: metric));
                    else if (item is YamlMap { Entries: [{ Value: YamlScalar { IsNull: false } } other] } && !Directions.Contains(other.Key))
                        Wrong(path, $"has the key {other.Key}, expected {Expected}{Nearest.Hint(other.Key, Directions)}");
                    else if (item is not YamlMap { Entries: [{ Key: "maximize" or "minimize" }] }) Wrong(path, $"is {item.Describe()}, expected {Expected}");
                }
            }

            return objectives;
        }

        private List<string> Constraints(YamlValue value)
        {
            const string Expected = "a list of texts such as \"bytes <= 40 KiB\"";
            if (value is YamlList list) return [.. list.Items.Select((item, i) => Text($"/{SearchKey}/constraints/{i}", item, "a text such as \"bytes <= 40 KiB\"") ?? "")];
            Wrong($"/{SearchKey}/constraints", $"is {value.Describe()}, expected {Expected}");
            return [];
        }

        private string? Share(YamlValue value)
        {
            if (value is YamlScalar { IsNull: false } scalar) return scalar.Text;
            Wrong("/share", $"is {value.Describe()}, expected a name");
            return null;
        }

        private SweepLimits? Limits(YamlValue value)
        {
            if (value is not YamlMap map)
            {
                Wrong("/limits", $"is {value.Describe()}, expected limits: {{ parallel: 4 }}, with the keys {Words(LimitKeys)}");
                return null;
            }

            Locate("/limits", map);
            foreach (var key in map.Entries.Select(e => e.Key).Except(LimitKeys))
                Wrong(JsonPointer.Of("limits", key), $"unknown key; expected one of {Words(LimitKeys)}{Nearest.Hint(key, LimitKeys)}");
            return new SweepLimits(Count("parallel"), Of("parallelOf") is { } stages ? ParallelOf(stages) : null, Seconds("executionSeconds"), Seconds("sweepSeconds"), Count("failures"),
                Of("keepDays") is { } days ? Whole("/limits/keepDays", days, "of days from 0 on") : null, Of("budgetBytes") is { } budget ? Bytes(budget) : null);

            long? Bytes(YamlValue budget)
            {
                try
                {
                    return ByteSize.Parse(budget is YamlScalar scalar ? scalar.Text : "", "budgetBytes");
                }
                catch (LatheException)
                {
                    Wrong("/limits/budgetBytes", $"is {budget.Describe()}, expected {ByteSize.Expected}");
                    return null;
                }
            }

            YamlValue? Of(string key) => map.Entries.FirstOrDefault(e => e.Key == key)?.Value;
            int? Count(string key) => Of(key) is { } count ? Whole($"/limits/{key}", count, "from 1 on") : null;
            double? Seconds(string key) => Of(key) is { } seconds ? Number($"/limits/{key}", seconds, "a number of seconds above 0") : null;
        }

        private Dictionary<string, int>? ParallelOf(YamlValue value)
        {
            if (value is not YamlMap map)
            {
                Wrong("/limits/parallelOf", $"is {value.Describe()}, expected a number for each stage: {{ train: 2 }}");
                return null;
            }

            return map.Entries.ToDictionary(e => e.Key, e => Whole(JsonPointer.Of("limits", "parallelOf", e.Key), e.Value, "from 1 on") ?? 1);
        }

        private YamlValue FromOption(string pointer, SetOption set)
        {
            sources.AddOption(pointer, set.Text);
            return set.Value;
        }

        private List<string> Names(string key, YamlValue? value, string expected)
        {
            if (value is null) Wrong("", $"the key {key} is missing; expected {expected}");
            return Axis(key, value, expected, item => item is YamlScalar { IsNull: false } scalar && scalar.ToJson()!.GetValueKind() == JsonValueKind.String ? scalar.Text : null);
        }

        private int? Threads(YamlValue value)
        {
            // The planner checks the number of threads.
            if (value is YamlScalar scalar && scalar.ToJson() is JsonValue json && json.TryGetValue<long>(out var number) && number == (int)number) return (int)number;
            Wrong("/threads", $"is {value.Describe()}, expected a whole number: the CPU threads of each computation");
            return null;
        }

        private DeviceKind? Device(YamlValue value)
        {
            if (value is YamlScalar { Text: "cpu" }) return DeviceKind.Cpu;
            if (value is YamlScalar { Text: "cuda" }) return DeviceKind.Cuda;
            Wrong("/device", $"is {value.Describe()}, expected cpu or cuda; without the key every worker computes on what it has");
            return null;
        }

        /// <summary>One name stands for all stages of the sweep. The planner checks names and stages.</summary>
        private Dictionary<string, string>? Pool(YamlValue value, IReadOnlyList<StageSpec> stages)
        {
            const string Expected = "the name of a pool of workers, or one for each stage: { train: gpu-large }";
            if (value is YamlScalar { IsNull: false } one) return stages.Select(s => s.Stage).Where(s => s is not null).Distinct().ToDictionary(s => s, _ => one.Text);
            if (value is not YamlMap map)
            {
                Wrong("/pool", $"is {value.Describe()}, expected {Expected}");
                return null;
            }

            var pools = new Dictionary<string, string>();
            foreach (var entry in map.Entries)
            {
                var pointer = $"/pool{JsonPointer.Of(entry.Key)}";
                sources.Add(pointer, entry.Place);
                if (entry.Value is YamlScalar { IsNull: false } name) pools[entry.Key] = name.Text;
                else Wrong(pointer, $"is {entry.Value.Describe()}, expected the name of a pool of workers");
            }

            return pools;
        }

        private List<long> Seeds(YamlValue value) =>
            Axis<long?>("seed", value, "a whole number or a list of them",
                item => item is YamlScalar scalar && scalar.ToJson() is JsonValue json && json.TryGetValue<long>(out var number) ? number : null)
                .ConvertAll(s => s!.Value);

        private List<T> Axis<T>(string key, YamlValue? value, string expected, Func<YamlValue, T?> read)
        {
            var taken = new List<T>();
            if (value is null) return taken;
            if (value is YamlList { Items.Count: 0 }) Wrong($"/{key}", $"is an empty list, expected {expected}");
            var items = value is YamlList list ? list.Items : [value];
            for (var i = 0; i < items.Count; i++)
            {
                var pointer = value is YamlList ? $"/{key}/{i}" : $"/{key}";
                if (value is YamlList) sources.Add(pointer, items[i].Place);
                if (read(items[i]) is not { } one) Wrong(pointer, $"is {items[i].Describe()}, expected {expected}");
                else if (taken.Contains(one)) Wrong(pointer, $"{items[i].Describe()} stands twice in the list");
                else taken.Add(one);
            }

            return taken;
        }

        private List<StageSpec> Stages(YamlValue? value, IReadOnlyList<SetOption> sets)
        {
            const string Expected = "a list of stages, each \"- name\" or \"- name: { parameter: value }\"";
            var stages = new List<StageSpec>();
            if (value is null) Wrong("", $"the key stages is missing; expected {Expected}");
            else if (value is not YamlList { Items.Count: > 0 } list) Wrong("/stages", $"is {(value is YamlList ? "an empty list" : value.Describe())}, expected {Expected}");
            else
            {
                for (var i = 0; i < list.Items.Count; i++)
                {
                    sources.Add($"/stages/{i}", list.Items[i].Place);
                    // A stage that cannot be read keeps its place, so that the others keep their numbers.
                    stages.Add(Stage(i, list.Items[i], sets) ?? new StageSpec("", JsonSerializer.SerializeToElement(new JsonObject())));
                }

                // Only if all stages could be read: otherwise a stage that could not be read would be reported as unknown here.
                if (_problems.Count == 0) RefuseUnknownStages(stages, sets);
            }

            return stages;
        }

        private StageSpec? Stage(int index, YamlValue item, IReadOnlyList<SetOption> sets)
        {
            var at = $"/stages/{index}";
            switch (item)
            {
                case YamlScalar { IsNull: false } word:
                    return With(index, word.Text, [], sets);
                case YamlMap { Entries: [var entry] }:
                    return Stage(index, entry, sets);
                case YamlMap { Entries: [var first, var second, ..] }:
                    Wrong(at, $"holds {first.Key} and {second.Key}, expected one stage; begin each with \"- \" and indent its parameters");
                    return null;
                default:
                    Wrong(at, $"is {item.Describe()}, expected a stage: \"- name\" or \"- name: {{ parameter: value }}\"");
                    return null;
            }
        }

        private StageSpec? Stage(int index, YamlEntry entry, IReadOnlyList<SetOption> sets)
        {
            var pointer = JsonPointer.Of("stages", $"{index}", entry.Key);
            sources.Add(pointer, entry.Place);
            switch (entry.Value)
            {
                case YamlScalar { IsNull: true }:
                    return With(index, entry.Key, [], sets);
                case YamlMap parameters:
                    Locate(pointer, parameters);
                    return With(index, entry.Key, (JsonObject)parameters.ToJson(), sets);
                default:
                    Wrong(pointer, $"is {entry.Value.Describe()}, expected the stage's parameters: {{ parameter: value }}");
                    return null;
            }
        }

        private StageSpec With(int index, string stage, JsonObject parameters, IReadOnlyList<SetOption> sets)
        {
            foreach (var set in sets.Where(s => s.Stage == stage))
            {
                parameters[set.Name] = set.Value.ToJson();
                sources.AddOption(JsonPointer.Of("stages", $"{index}", stage, set.Name), set.Text);
            }

            return new StageSpec(stage, JsonSerializer.SerializeToElement(parameters));
        }

        private void RefuseUnknownStages(List<StageSpec> stages, IReadOnlyList<SetOption> sets)
        {
            var names = stages.Select(s => s.Stage).Distinct().ToList();
            foreach (var set in sets.Where(s => !names.Contains(s.Stage!)))
            {
                var pointer = JsonPointer.Of("set", set.Text);
                sources.AddOption(pointer, set.Text);
                Wrong(pointer, $"the sweep has no stage {set.Stage}; it has {Words(names)}{Nearest.Hint(set.Stage!, names)}");
            }
        }

        private void Locate(string pointer, YamlValue value)
        {
            if (value is YamlMap map)
            {
                foreach (var entry in map.Entries)
                {
                    var below = pointer + JsonPointer.Of(entry.Key);
                    sources.Add(below, entry.Place);
                    Locate(below, entry.Value);
                }
            }
            else if (value is YamlList list)
            {
                for (var i = 0; i < list.Items.Count; i++)
                {
                    sources.Add($"{pointer}/{i}", list.Items[i].Place);
                    Locate($"{pointer}/{i}", list.Items[i]);
                }
            }
        }

        private void Wrong(string pointer, string message) => _problems.Add(new SweepProblem(pointer, message));
    }
}
