using Lathe.Contracts;
using Lathe.Contracts.Messages;
using Lathe.Coordinator;
using Lathe.Hosting;

namespace Lathe.Cli.Embedded;

/// <summary>What a sweep would do on this machine, from the home's database and store. Makes neither where they are not there.</summary>
internal static class LocalForecast
{
    private const int LookUps = 16;

    /// <summary>Asks the stages that come with Lathe, and with a broker the workers on it first, as a run would; then looks into the store.</summary>
    /// <param name="settings">Home, store, data and broker.</param>
    /// <param name="submission">The sweep.</param>
    /// <param name="limit">Executions that are listed.</param>
    /// <param name="why">True: with the nearest earlier executions.</param>
    /// <param name="stop">Gives up.</param>
    public static async Task<SweepForecast> OfAsync(HostingSettings settings, SweepSubmission submission, int limit, bool why, CancellationToken stop)
    {
        await using var workers = settings.Broker is null ? null : await StagesOfWorkers.AskAsync(settings, [.. submission.Spec.Stages.Select(s => s.Stage).Distinct()], stop);
        var manifests = new Dictionary<string, StageManifest>(BuiltInStages.Manifests);
        foreach (var (name, manifest) in workers?.Manifests ?? new Dictionary<string, StageManifest>()) manifests[name] = manifest;
        var plan = SweepPlanner.Plan(submission.Spec, manifests);
        var verdict = plan.Problems.Count > 0 ? new SweepVerdict(plan.Problems, []) : await new SweepCheck(AskAsync).RunAsync(submission.Spec, plan, stop);
        if (verdict.Problems.Count > 0) return SweepForecast.Refused(verdict);
        var (data, notes) = await FindDataAsync(settings, plan, stop);
        var address = DatabaseAddress.Load(settings);
        var store = await CoordinatorStore.ForReadingAsync(address, stop);
        if (!await store.ExistsAsync(stop)) store = null;
        var forecasts = new SweepForecasts(store, new CheckpointStore(settings), new ResultStore(settings), LookUps);
        return await forecasts.OfAsync(submission, plan, verdict, data, notes, limit, why, stop);

        Task<StageChecked> AskAsync(CheckStage request, CancellationToken over) =>
            workers is not null && workers.Manifests.ContainsKey(request.Stage) ? workers.CheckAsync(request, over) : Task.Run(() => Answer(request, settings), over);
    }

    /// <summary>What a stage that comes with Lathe says.</summary>
    public static StageChecked Answer(CheckStage request, HostingSettings settings) => new(
    [
        .. request.Questions.AsParallel().AsOrdered().Select(question => BuiltInStages.ByName[request.Stage].Ask(
            question.Parameters, new StageCheck(question.Dataset, question.Input is { } input ? request.Inputs[input] : null, settings))),
    ]);

    private static async Task<(Dictionary<string, DataRef?> Data, List<string> Notes)> FindDataAsync(HostingSettings settings, SweepPlan plan, CancellationToken stop)
    {
        var (data, notes) = (new Dictionary<string, DataRef?>(), new List<string>());
        foreach (var name in plan.Executions.Where(e => e.Manifest.ReadsData).Select(e => e.Dataset).Distinct())
        {
            try
            {
                data.Add(name, await Task.Run(() => DataFingerprint.Find(name, settings), stop));
            }
            catch (LatheException missing)
            {
                notes.Add($"{missing.Message.TrimEnd('.')}. Without its fingerprint nobody can tell what is cached");
            }
        }

        return (data, notes);
    }
}
