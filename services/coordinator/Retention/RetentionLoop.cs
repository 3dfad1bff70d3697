namespace Lathe.Coordinator;

/// <summary>Applies the rule of <see cref="RetentionRule.Variable"/>, and what sweeps say of themselves, once an hour.</summary>
internal sealed class RetentionLoop(StoreCollector collector, RetentionRule rule, IHostApplicationLifetime lifetime, TimeProvider time, ILogger<RetentionLoop> log)
    : Loop(lifetime, time, log)
{
    private static readonly TimeSpan Interval = TimeSpan.FromHours(1);

    private readonly TimeProvider _time = time;

    protected override string Purpose => "Deleting what the retention rule does not keep";

    protected override async Task RoundAsync(CancellationToken stop)
    {
        var report = await collector.CollectAsync(rule, isDryRun: false, stop);
        foreach (var line in report.Lines.Where(l => l.Goes)) log.LogInformation("Deleted {Count} of {What} ({Bytes} bytes): {Why}", line.Count, line.What, line.Bytes, line.Why);
        if (report.MeetsBudget == false) log.LogWarning("The store has {Bytes} bytes, more than its budget of {Budget}. Most of what is left stays for these reasons: {Left}", report.After, rule.Budget, report.Left());
        await Task.Delay(Interval, _time, stop);
    }
}
