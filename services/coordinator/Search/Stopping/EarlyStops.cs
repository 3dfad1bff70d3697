using System.Text.Json;
using Lathe.Contracts;
using Lathe.Hosting;

namespace Lathe.Coordinator;

/// <summary>A trial as early stopping sees it.</summary>
/// <param name="State">Where it stands.</param>
/// <param name="Course">Its figures epoch by epoch, one or several of each; less is better.</param>
public sealed record TrialCourse(TrialState State, IReadOnlyList<double[]> Course);

/// <summary>How trials of a search are stopped early: read and checked.</summary>
/// <param name="Spec">As its author wrote it.</param>
/// <param name="Step">Place of the stage whose epochs count: the last one that trains.</param>
/// <param name="Epochs">Epochs of that stage.</param>
/// <param name="Terms">What trials are compared by, where it is not loss or accuracy of training.</param>
internal sealed record EarlyStops(EarlyStoppingSpec Spec, int Step, int Epochs, IReadOnlyList<EpochTerm> Terms)
{
    private const string Root = "earlyStopping";
    private const string Asha = "asha";
    private const string Median = "median";
    internal const string EpochsParameter = "epochs";
    internal const int MostReduction = 100;

    // Fewer others say nothing of a median.
    private const int LeastOthers = 3;

    private static readonly string[] Strategies = [Asha, Median];
    internal const string Loss = "loss";
    internal const string Accuracy = "accuracy";
    internal const string Objectives = "objectives";

    // What was not reported is worse than anything that was.
    private const double Unknown = double.MaxValue;

    private bool IsMedian => Spec.Strategy == Median;

    private IReadOnlyList<int> Rungs { get; } = AshaPromotion.Epochs(Math.Max(1, Spec.Grace), Math.Max(2, Spec.Reduction), Epochs);

    /// <summary>What trials are compared by after an epoch, less is better.</summary>
    public double[] Figures(ProgressPointRow epoch)
    {
        if (Terms.Count == 0) return [Spec.Metric == Accuracy ? -epoch.Accuracy : epoch.Loss];
        var metrics = epoch.Metrics is null ? [] : JsonSerializer.Deserialize<Dictionary<string, double>>(epoch.Metrics)!;
        return [.. Terms.Select(term => metrics.TryGetValue(term.Metric, out var value) ? term.IsMaximized ? -value : value : Unknown)];
    }

    /// <summary>True: a trial that has come so far is to be stopped, as others are before it.</summary>
    /// <param name="trials">All trials of the search.</param>
    /// <param name="number">The trial; it is open, and has just ended an epoch.</param>
    /// <param name="before">Epochs that it had ended when it was last looked at.</param>
    public bool IsDue(IReadOnlyList<TrialCourse> trials, int number, int before)
    {
        var course = trials[number].Course;
        if (course.Count >= Epochs) return false;
        if (IsMedian) return MedianStop.IsDue(Firsts(course), trials.Where((t, i) => i != number).Select(t => Firsts(t.Course)), Math.Max(1, Spec.Grace), LeastOthers);
        // Between two rungs nobody is compared.
        if (!Rungs.Any(rung => rung > before && rung <= course.Count)) return false;
        return Next([.. trials.Select((t, i) => i == number ? t with { State = TrialState.Stopped } : t)]) != number;
    }

    /// <summary>The stopped trial that goes on next; null: none does.</summary>
    /// <param name="trials">All trials of the search.</param>
    public int? Next(IReadOnlyList<TrialCourse> trials) => IsMedian ? null : AshaPromotion.Next([.. Rungs.Select((epochs, k) => RungOf(trials, k, epochs))], Spec.Reduction)?.Trial;

    /// <summary>Reads it, and tells what is wrong.</summary>
    /// <returns>Null where something is, or the sweep has none.</returns>
    public static EarlyStops? Read(SweepSpec spec, IReadOnlyDictionary<string, StageManifest> manifests, List<SweepProblem> problems)
    {
        if (spec.EarlyStopping is not { } stopping) return null;
        var known = problems.Count;
        if (spec.Search is null) Wrong("", "stops trials of a search, and the sweep has none; add the key search, or leave this one out");
        if (!Strategies.Contains(stopping.Strategy)) Wrong("/strategy", $"is '{stopping.Strategy}', expected {string.Join(" or ", Strategies)}{Nearest.Hint(stopping.Strategy ?? "", Strategies)}");
        if (stopping.Grace < 1) Wrong("/grace", $"is {stopping.Grace}, expected a whole number from 1 on");
        if (stopping.Reduction is < 2 or > MostReduction) Wrong("/reduction", $"is {stopping.Reduction}, expected a whole number from 2 to {MostReduction}");
        if (spec.Seeds is { Count: > 1 }) Wrong("", "compares the executions of one seed; give the sweep one seed, or leave this key out");
        var steps = (spec.Stages ?? []).Index().Where(s => s.Item?.Stage is { } name && manifests.TryGetValue(name, out var manifest) && EpochsOf(manifest) is not null).ToList();
        if (steps.Count == 0) Wrong("", "counts epochs, and no stage of the sweep has the parameter epochs");
        if (steps.Count == 0) return null;
        var (step, stage) = steps[^1];
        var terms = TermsOf(spec, manifests[stage.Stage], Wrong);
        var given = stage.Parameters.ValueKind == JsonValueKind.Object && stage.Parameters.TryGetProperty(EpochsParameter, out var value) ? value : (JsonElement?)null;
        if (given is { ValueKind: not JsonValueKind.Number } || given?.TryGetInt32(out _) == false) Wrong("", $"compares trials after the same epochs of {stage.Stage}; give its epochs one value");
        else if ((given?.GetInt32() ?? EpochsOf(manifests[stage.Stage])!.Value) is var epochs && epochs <= stopping.Grace && stopping.Grace >= 1)
            Wrong("/grace", $"is {stopping.Grace}, and {stage.Stage} has {epochs} epochs; expected less, or more epochs");
        else if (problems.Count == known) return new EarlyStops(stopping, step, epochs, terms);
        return null;

        void Wrong(string place, string message) => problems.Add(new SweepProblem($"/{Root}{place}", message));
    }

    /// <summary>What trials are compared by after each epoch of a stage; none: loss or accuracy of training.</summary>
    private static List<EpochTerm> TermsOf(SweepSpec spec, StageManifest stage, Action<string, string> wrong)
    {
        var metric = spec.EarlyStopping!.Metric ?? "";
        if (metric is Loss or Accuracy) return [];
        var reported = (stage.Metrics ?? []).Where(m => m is { EachEpoch: true, Split: not DataSplit.Test }).ToList();
        string[] words = [Loss, Accuracy, Objectives, .. reported.Where(m => m.Better != Better.Neither).Select(m => m.Name)];
        if (metric != Objectives)
        {
            if (reported.Find(m => m.Name == metric && m.Better != Better.Neither) is { } known) return [new EpochTerm(known.Name, known.Better == Better.Higher)];
            wrong("/metric", $"is '{metric}'{Nearest.Hint(metric, words)}; after each epoch {stage.Name} reports {string.Join(", ", words.Where(w => w != Objectives))}, and {Objectives} compares by all objectives at once");
            return [];
        }

        if (spec.EarlyStopping.Strategy == Median) wrong("/metric", $"is '{Objectives}', and the median rule compares one figure; name one, or take the strategy {Asha}");
        var objectives = spec.Search?.Objectives?.Where(o => o is not null).Select(o => (Name: o.Maximize ?? o.Minimize ?? "", IsMaximized: o.Maximize is not null)).ToList() ?? [];
        foreach (var (name, _) in objectives.Where(o => !reported.Exists(m => m.Name == o.Name)))
            wrong("/metric", $"is '{Objectives}', and {stage.Name} does not report '{name}' after each epoch; it reports {string.Join(", ", words.Where(w => w != Objectives))}");
        return objectives.ConvertAll(o => new EpochTerm(o.Name, o.IsMaximized));
    }

    /// <summary>Epochs of a stage that says nothing of them; null: it has none.</summary>
    internal static int? EpochsOf(StageManifest manifest) =>
        manifest.Output == StageOutput.Checkpoint && manifest.ParametersSchema is { ValueKind: JsonValueKind.Object } schema && schema.TryGetProperty("properties", out var properties)
        && properties.TryGetProperty(EpochsParameter, out var epochs) && epochs.TryGetProperty("default", out var usual) && usual.TryGetInt32(out var count) ? count : null;

    /// <summary>Trials that have come to a rung. All that are not stopped there have left it: they go on, have ended, or failed.</summary>
    private Rung RungOf(IReadOnlyList<TrialCourse> trials, int k, int epochs)
    {
        var reached = trials.Index().Where(t => t.Item.Course.Count >= epochs).ToList();
        var next = k + 1 < Rungs.Count ? Rungs[k + 1] : int.MaxValue;
        return new Rung(
            Places(reached.ConvertAll(t => (t.Index, t.Item.Course[epochs - 1]))),
            reached.Where(t => t.Item.State != TrialState.Stopped || t.Item.Course.Count >= next).Select(t => t.Index).ToHashSet());
    }

    private static List<double> Firsts(IReadOnlyList<double[]> course) => [.. course.Select(epoch => epoch[0])];

    /// <summary>One number for each trial, less is better: its figure, or of several its place by front and crowding.</summary>
    private static Dictionary<int, double> Places(List<(int Trial, double[] Figures)> reached) => reached.TrueForAll(t => t.Figures.Length == 1)
        ? reached.ToDictionary(t => t.Trial, t => t.Figures[0])
        : ParetoSort.Order(reached.ConvertAll(t => new SearchTrial([], TrialState.Done, t.Figures))).Index().ToDictionary(place => reached[place.Item.Trial].Trial, place => (double)place.Index);
}

/// <summary>A figure that trials are compared by after an epoch.</summary>
/// <param name="Metric">Name of the stage's metric.</param>
/// <param name="IsMaximized">True: more is better.</param>
internal sealed record EpochTerm(string Metric, bool IsMaximized);
