using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text.Json;
using Lathe.Contracts;
using Lathe.Contracts.Messages;

namespace Lathe.Coordinator;

/// <summary>What the stages say of a sweep before anything runs.</summary>
/// <param name="Problems">Everything that is wrong, by place; empty where the sweep can run as far as anybody knows.</param>
/// <param name="Notes">What could not be checked and why, one sentence each.</param>
public sealed record SweepVerdict(IReadOnlyList<SweepProblem> Problems, IReadOnlyList<string> Notes)
{
    /// <summary>The networks that would leave the executions, by index; one that is missing or null is unknown.</summary>
    public IReadOnlyDictionary<int, NetworkForm?> Forms { get; init; } = new Dictionary<int, NetworkForm?>();

    /// <summary>What a stage first says against an execution, by index.</summary>
    internal IReadOnlyDictionary<int, string> Refused { get; init; } = new Dictionary<int, string>();
}

/// <summary>
/// Walks over a planned sweep and asks each stage what it says to its parameters and to the network that would enter. It knows no stage: what
/// leaves one stage is what the next one gets.
/// </summary>
/// <param name="ask">Asks a stage. Throws <see cref="LatheException"/> where nobody answers.</param>
public sealed class SweepCheck(Func<CheckStage, CancellationToken, Task<StageChecked>> ask)
{
    // So that no message grows large and no answer takes long.
    private const int QuestionsAtOnce = 100;
    private const int MostKept = 2000;

    // Answers without problems. What a stage refuses may be something that the author puts right elsewhere, for example a file in the store.
    private readonly ConcurrentDictionary<string, StageForecast> _known = new(StringComparer.Ordinal);

    /// <summary>Asks about every execution, those without a parent first.</summary>
    /// <param name="spec">The sweep.</param>
    /// <param name="plan">Its tree.</param>
    /// <param name="stop">Gives up.</param>
    public async Task<SweepVerdict> RunAsync(SweepSpec spec, SweepPlan plan, CancellationToken stop = default)
    {
        var forms = new Dictionary<int, NetworkForm?>();
        var problems = new List<(SweepProblem Problem, PlannedExecution Where)>();
        var silent = new Dictionary<string, string>();
        foreach (var executions in ByDepth(plan).SelectMany(level => level.GroupBy(e => e.Manifest)))
        {
            if (silent.ContainsKey(executions.Key.Name)) continue;
            try
            {
                var asked = executions.Select(e => new Question(e, e.Parent is { } parent ? forms.GetValueOrDefault(parent) : null)).ToList();
                foreach (var (execution, forecast) in await AskAsync(executions.Key, asked, stop))
                {
                    forms[execution.Index] = forecast.Form;
                    problems.AddRange(forecast.Problems.Select(p => (new SweepProblem(execution.Places.Of(p.Pointer), p.Message), execution)));
                }
            }
            catch (LatheException unanswered)
            {
                silent.Add(executions.Key.Name, unanswered.Message);
            }
        }

        var verdict = new SweepVerdict(
            [
                .. problems.GroupBy(p => p.Problem, p => p.Where).Select(same => Named(same.Key, [.. same], spec))
                    .Distinct().OrderBy(p => p.Path, StringComparer.Ordinal),
            ],
            [.. silent.Select(s => $"{s.Key} is not checked beforehand: {s.Value}")]) 
        {
            Forms = forms, Refused = problems.GroupBy(p => p.Where.Index).ToDictionary(p => p.Key, p => $"{p.First().Where.Manifest.Name}: {p.First().Problem.Message}"),
        };
        return plan.Search is { } search ? search.Judge(verdict) : verdict;
    }

    private static IEnumerable<List<PlannedExecution>> ByDepth(SweepPlan plan)
    {
        var depths = new int[plan.Executions.Count];
        foreach (var execution in plan.Executions) depths[execution.Index] = execution.Parent is { } parent ? depths[parent] + 1 : 0;
        return plan.Executions.GroupBy(e => depths[e.Index]).OrderBy(level => level.Key).Select(level => level.ToList());
    }

    /// <summary>Forecasts of executions of one stage. What is asked twice is asked once.</summary>
    private async Task<List<(PlannedExecution Execution, StageForecast Forecast)>> AskAsync(StageManifest stage, List<Question> asked, CancellationToken stop)
    {
        if (_known.Count > MostKept) _known.Clear();
        var digests = new Dictionary<NetworkForm, string>(ReferenceEqualityComparer.Instance);
        var named = asked.ConvertAll(question => (Name: NameOf(stage, question, digests), Question: question));
        var answers = new Dictionary<string, StageForecast>();
        foreach (var name in named.Select(n => n.Name).Distinct())
        {
            if (_known.TryGetValue(name, out var known)) answers[name] = known;
        }

        foreach (var some in named.Where(n => !answers.ContainsKey(n.Name)).DistinctBy(n => n.Name).Chunk(QuestionsAtOnce))
        {
            var forecasts = (await ask(Request(stage, [.. some.Select(s => s.Question)]), stop)).Forecasts;
            if (forecasts.Count != some.Length) throw new LatheException("its worker gave another number of answers than it was asked for");
            foreach (var ((name, _), forecast) in some.Zip(forecasts))
            {
                answers[name] = forecast;
                if (forecast.Problems.Count == 0) _known[name] = forecast;
            }
        }

        return named.ConvertAll(n => (n.Question.Execution, answers[n.Name]));
    }

    private static CheckStage Request(StageManifest stage, IReadOnlyList<Question> questions)
    {
        var inputs = questions.Select(q => q.Input).OfType<NetworkForm>().Distinct(ReferenceEqualityComparer.Instance).Cast<NetworkForm>().ToList();
        return new CheckStage(
            stage.Name, stage.Version, inputs,
            [
                .. questions.Select(q => new StageQuestion(
                    q.Execution.Parameters, q.Input is { } input ? inputs.FindIndex(i => ReferenceEquals(i, input)) : null, q.Execution.Dataset)),
            ]);
    }

    private static string NameOf(StageManifest stage, Question question, Dictionary<NetworkForm, string> digests)
    {
        var form = "";
        if (question.Input is { } input && !digests.TryGetValue(input, out form))
            digests.Add(input, form = Convert.ToHexStringLower(SHA256.HashData(JsonSerializer.SerializeToUtf8Bytes(input, LatheJson.Options))));
        return string.Join('\n', stage.Name, stage.Version, question.Execution.Dataset, form, CanonicalJson.Write(question.Execution.Parameters));
    }

    /// <summary>Says which of several models and data sets it is that the sweep does not fit, where it fits others.</summary>
    private static SweepProblem Named(SweepProblem problem, List<PlannedExecution> where, SweepSpec spec)
    {
        // A problem with a model stands where that model is named.
        if (JsonPointer.Steps(problem.Path) is ["models", ..]) return problem;
        var models = where.Select(e => e.Model).Distinct().ToList();
        var datasets = where.Select(e => e.Dataset).Distinct().ToList();
        var named = new List<string>();
        if (models.Count < spec.Models.Distinct().Count()) named.Add(string.Join(", ", models.Select(StoredModel.Shown)));
        if (datasets.Count < spec.Datasets.Distinct().Count()) named.Add("on " + string.Join(", ", datasets));
        return named.Count == 0 ? problem : problem with { Message = $"{string.Join(' ', named)}: {problem.Message}" };
    }

    private sealed record Question(PlannedExecution Execution, NetworkForm? Input);
}
