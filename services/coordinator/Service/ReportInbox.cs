using System.Threading.Channels;
using Lathe.Contracts.Messages;

namespace Lathe.Coordinator;

/// <summary>
/// Collects reports and applies them together: one transaction for hundreds of them. Whoever hands in a report waits for the commit, so that a message is
/// acknowledged only when the database has it. A database or store that is away is waited for: a report that went back to its queue each time would be a dead
/// letter after a hundred times. What the reports made ready is sent while the next ones are taken.
/// </summary>
internal sealed class ReportInbox(Orchestrator orchestrator, CoordinatorOptions options, TimeProvider time, ILogger<ReportInbox> log, IHostApplicationLifetime? lifetime = null) : BackgroundService
{
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(1);

    private readonly Channel<(Report Report, TaskCompletionSource Done)> _reports = Channel.CreateUnbounded<(Report, TaskCompletionSource)>(new UnboundedChannelOptions { SingleReader = true });

    /// <summary>What it waits for to pass; null: nothing.</summary>
    public Exception? Trouble { get; private set; }

    /// <summary>Hands in a report; the task ends with the commit.</summary>
    public Task AddAsync(IStageReport message, string? traceParent = null)
    {
        var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        return _reports.Writer.TryWrite((new Report(message, traceParent), done)) ? done.Task : throw new OperationCanceledException("the coordinator is shutting down");
    }

    private Task _sending = Task.CompletedTask;

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var batch = new List<(Report Report, TaskCompletionSource Done)>();
        try
        {
            while (await _reports.Reader.WaitToReadAsync(stoppingToken))
            {
                batch.Clear();
                while (batch.Count < options.ReportsAtATime && _reports.Reader.TryRead(out var next)) batch.Add(next);
                await ApplyAsync(batch, stoppingToken);
            }

            await _sending;
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // The broker brings again what was not acknowledged.
        }
        finally
        {
            _reports.Writer.TryComplete();
            foreach (var (_, done) in batch) done.TrySetCanceled(CancellationToken.None);
            while (_reports.Reader.TryRead(out var left)) left.Done.TrySetCanceled(CancellationToken.None);
        }
    }

    private async Task ApplyAsync(List<(Report Report, TaskCompletionSource Done)> batch, CancellationToken stop)
    {
        try
        {
            var sendings = await TakeAsync(batch.ConvertAll(b => b.Report), stop);
            // One sending at a time: whoever takes reports faster than the broker takes messages waits here.
            await _sending;
            _sending = SendAsync(sendings, stop);
            foreach (var (_, done) in batch) done.TrySetResult();
        }
        catch (Exception e) when (e is not OutOfMemoryException && batch.Count > 1 && !stop.IsCancellationRequested)
        {
            log.LogWarning("Could not take {Count} reports together: {Reason}; taking them one by one", batch.Count, e.GetBaseException().Message);
            // One that cannot be taken must not hold up the others.
            foreach (var one in batch) await ApplyAsync([one], stop);
        }
        catch (Exception e) when (e is not OutOfMemoryException && !stop.IsCancellationRequested)
        {
            foreach (var (_, done) in batch) done.TrySetException(e);
        }
    }

    private async Task SendAsync(IReadOnlyList<Sending> sendings, CancellationToken stop)
    {
        try
        {
            await orchestrator.SendAsync(sendings, stop);
        }
        catch (Exception e) when (e is not OutOfMemoryException)
        {
            // The outbox has them; the dispatcher sends them after a while.
            if (!stop.IsCancellationRequested) log.LogWarning("Could not send what reports made ready: {Reason}; trying again", e.GetBaseException().Message);
        }
    }

    private bool IsEnding => lifetime?.ApplicationStopping.IsCancellationRequested == true;

    private async Task<IReadOnlyList<Sending>> TakeAsync(List<Report> reports, CancellationToken stop)
    {
        for (var hasWaited = false; ; hasWaited = true)
        {
            try
            {
                var sendings = await orchestrator.TakeAsync(reports, stop);
                if (hasWaited) log.LogInformation("Taking reports works again");
                Trouble = null;
                return sendings;
            }
            // The bus ends before this service does, and waits for the reports that it handed in.
            catch (Exception e) when (Outage.Is(e) && !stop.IsCancellationRequested && !IsEnding)
            {
                Trouble = e;
                if (!hasWaited) log.LogWarning("Taking reports has to wait: {Reason}; trying again", e.GetBaseException().Message);
                await Task.Delay(Pause, time, stop);
            }
        }
    }
}
