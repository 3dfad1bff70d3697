using Lathe.Conformance.Cases;
using Lathe.Contracts;
using Lathe.Contracts.Messages;
using Lathe.Graph;

namespace Lathe.Conformance.Checks;

/// <summary>What a stage says to parameters before anything runs, and to bad ones that come all the same.</summary>
internal static class Questions
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10); // a coordinator's

    public static IReadOnlyList<StageCheckOf> All { get; } =
    [
        new("answers", "answers a question about good parameters: one forecast each, without problems", AnswersAsync),
        new("refuses", "refuses what its schema forbids, with a JSON pointer to it", RefusesAsync),
        new("fails", "ends what it cannot run as failed, and says what is to blame", FailsAsync),
    ];

    /// <summary>Asks about parameters.</summary>
    /// <exception cref="RefutedException">No answer comes in time, or it does not have a forecast for each question.</exception>
    public static async Task<IReadOnlyList<StageForecast>> AskAsync(Runs runs, IReadOnlyList<System.Text.Json.JsonElement> parameters, CancellationToken stop)
    {
        var manifest = (await runs.AnnouncedAsync(stop)).Manifest;
        var graph = await runs.GraphAsync(null, stop);
        var inputs = graph is null ? [] : (NetworkForm[])[NetworkForms.Of(graph)];
        var question = new CheckStage(
            manifest.Name, manifest.Version, inputs, [.. parameters.Select(p => new StageQuestion(p, graph is null ? null : 0, runs.Options.Dataset))]);
        var answer = await runs.Seat.AskAsync(question, Patience, stop) ?? throw new RefutedException($"no answer came within {Patience.TotalSeconds:0} s");
        return answer.Forecasts.Count == parameters.Count && answer.Forecasts.All(f => f?.Problems is not null)
            ? answer.Forecasts
            : throw new RefutedException($"{parameters.Count} questions got {answer.Forecasts.Count} whole forecasts");
    }

    private static async Task<string> AnswersAsync(Runs runs, CancellationToken stop)
    {
        var good = await runs.ParametersAsync(isLong: false, stop);
        foreach (var forecast in await AskAsync(runs, [good, good], stop))
        {
            if (forecast.Problems is [var first, ..]) throw new NotAskedException($"the stage refuses the parameters of the runs: {first.Pointer} {first.Message}. Give others with --parameters");
            if (forecast.Form is { } form) GraphOf(form);
        }

        return "";
    }

    private static void GraphOf(NetworkForm form)
    {
        try
        {
            NetworkForms.GraphOf(form);
        }
        catch (LatheException e)
        {
            throw new RefutedException($"it predicts a network that is none: {e.Message}");
        }
    }

    private static async Task<string> RefusesAsync(Runs runs, CancellationToken stop)
    {
        var cases = await BadAsync(runs, stop);
        var forecasts = await AskAsync(runs, [.. cases.Select(c => c.Parameters)], stop);
        var accepted = cases.Zip(forecasts).Where(pair => !pair.Second.Problems.Any(pair.First.IsNamedBy)).Select(pair => pair.First).ToList();
        return accepted.Count == 0 ? $"{cases.Count} cases" : throw new RefutedException(
            $"of {cases.Count} cases it does not refuse {accepted.Count} with a pointer to the parameter: {string.Join(", ", accepted.Take(3).Select(a => $"{a.Words} ({a.Pointer})"))}");
    }

    private static async Task<string> FailsAsync(Runs runs, CancellationToken stop)
    {
        var bad = (await BadAsync(runs, stop))[0];
        var failed = await FailedAsync(runs, await runs.CommandAsync(bad.Parameters, null, stop), bad.Words, stop);
        if (failed.Kind != FailureKind.Permanent) throw new RefutedException($"{bad.Words} failed as {failed.Kind}, expected permanent: another try ends in the same way");
        if (!failed.Message.Contains(BadParameters.Stranger, StringComparison.Ordinal)) throw new RefutedException($"{bad.Words} failed, and the message does not name it: {failed.Message}");
        if ((await runs.AnnouncedAsync(stop)).Manifest.Input != StageInput.Checkpoint) return "";

        var command = await runs.CommandAsync(await runs.ParametersAsync(isLong: false, stop), null, stop);
        var gone = new CheckpointRef(Convert.ToHexStringLower(System.Security.Cryptography.RandomNumberGenerator.GetBytes(32)), 1000);
        failed = await FailedAsync(runs, command with { Input = gone, Key = gone.Sha256 }, "an input that is not in the store", stop);
        return failed.Kind == FailureKind.InputLost ? "" : throw new RefutedException($"an input that is not in the store failed as {failed.Kind}, expected inputLost, so that it is computed again");
    }

    private static async Task<StageFailed> FailedAsync(Runs runs, ExecuteStage command, string words, CancellationToken stop)
    {
        var end = await runs.EndAsync(await runs.SendAsync(command, stop), runs.Options.Limit, stop);
        return end.Message as StageFailed ?? throw new RefutedException($"{words} was accepted and ended as {(end.Message is StageCompleted ? "completed" : "cancelled")}");
    }

    private static async Task<IReadOnlyList<BadParameters>> BadAsync(Runs runs, CancellationToken stop)
    {
        var good = await runs.ParametersAsync(isLong: false, stop);
        return BadParameters.Of((await runs.AnnouncedAsync(stop)).Manifest.ParametersSchema!.Value, good);
    }
}
