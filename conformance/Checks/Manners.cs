using Lathe.Contracts.Messages;

namespace Lathe.Conformance.Checks;

/// <summary>How a worker speaks, judged by all that it said; ask these last.</summary>
internal static class Manners
{
    // Every two seconds is what a worker of Lathe's own says.
    private const double MostInASecond = 2;
    private const int MostAtOnce = 10;
    private static readonly TimeSpan LongestSilence = TimeSpan.FromSeconds(15);

    public static IReadOnlyList<StageCheckOf> All { get; } =
    [
        new("paces", "is heard from every few seconds, and does not flood", PacesAsync),
        new("speaks", "writes every message as a CloudEvent, and names what it was sent", SpeaksAsync),
    ];

    private static async Task<string> PacesAsync(Runs runs, CancellationToken stop)
    {
        await runs.PlainAsync(stop);
        var heard = runs.Seat.Inbox.All;
        var (longest, most) = (TimeSpan.Zero, 0.0);
        foreach (var reports in heard.Where(h => h.Message is IStageReport).GroupBy(h => (((IStageReport)h.Message!).ExecutionId, ((IStageReport)h.Message!).Attempt)).Select(g => g.ToList()))
        {
            var seconds = (reports[^1].At - reports[0].At).TotalSeconds;
            var progress = reports.Count(r => r.Message is StageProgressed);
            if (progress > MostAtOnce + (MostInASecond * seconds)) throw new RefutedException($"it sent {progress} reports of progress in {seconds:0.0} s; expected one every two seconds");
            most = Math.Max(most, progress / Math.Max(1, seconds));
            // A worker that was killed is silent until another one comes.
            foreach (var (earlier, later) in reports.Zip(reports.Skip(1)).Where(pair => pair.Second.Message is not StageStarted))
                longest = later.At - earlier.At > longest ? later.At - earlier.At : longest;
        }

        return longest <= LongestSilence ? $"{most:0.0} reports in a second at most, {longest.TotalSeconds:0.0} s of silence at most"
            : throw new RefutedException($"it said nothing for {longest.TotalSeconds:0.0} s while it computed; expected progress every few seconds, so that a coordinator knows that it lives");
    }

    private static async Task<string> SpeaksAsync(Runs runs, CancellationToken stop)
    {
        await runs.PlainAsync(stop);
        var heard = runs.Seat.Inbox.All;
        if (heard.FirstOrDefault(h => h.Problem is not null) is { } bad) throw new RefutedException($"one of its {heard.Count} messages cannot be read: {bad.Problem}");
        foreach (var report in heard.Select(h => h.Message).OfType<IStageReport>())
        {
            if (!runs.Sent.Any(s => (s.Command.ExecutionId, s.Command.Key, s.Command.Stage) == (report.ExecutionId, report.Key, report.Stage) && s.Command.Attempt == report.Attempt))
                throw new RefutedException($"a {MessageTypes.NameOf(report.GetType())} names an execution, attempt, key or stage that nobody sent it");
        }

        if (heard.Where(h => h.Event is not null).GroupBy(h => h.Event!.Id).FirstOrDefault(g => g.Count() > 1) is { } twice) throw new RefutedException($"two of its messages have the id {twice.Key}");
        return $"{heard.Count} messages";
    }
}
