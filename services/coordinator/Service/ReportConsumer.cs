using Lathe.Contracts.Messages;
using Lathe.Hosting;
using MassTransit;
using Headers = Lathe.Contracts.Messages.Headers;

namespace Lathe.Coordinator;

/// <summary>Consumes the reports and announcements of workers from the bus.</summary>
internal sealed class ReportConsumer(ReportInbox inbox, StageCatalog stages, WorkerRoster workers, WorkerTruth truth) :
    IConsumer<StageAnnounced>, IConsumer<StageStarted>, IConsumer<StageProgressed>, IConsumer<StageCompleted>, IConsumer<StageFailed>, IConsumer<StageCancelled>
{
    public async Task Consume(ConsumeContext<StageAnnounced> context)
    {
        if (ReportCheck.Problem(context.Message) is { } problem)
        {
            stages.Refuse(context.Message.Manifest?.Name, problem);
            throw new MalformedMessageException(problem);
        }

        await stages.AddAsync(context.Message.Manifest, context.Message.About?.Pool, context.CancellationToken);
        if (context.Message.Worker is { } worker) stages.Namesakes.Hear(worker, context.Message.Manifest);
        await workers.HearAsync(context.Message, context.CancellationToken);
    }

    public Task Consume(ConsumeContext<StageStarted> context) => TakeAsync(context);

    public Task Consume(ConsumeContext<StageProgressed> context) => TakeAsync(context);

    public Task Consume(ConsumeContext<StageCompleted> context) => TakeAsync(context);

    public Task Consume(ConsumeContext<StageFailed> context) => TakeAsync(context);

    public Task Consume(ConsumeContext<StageCancelled> context) => TakeAsync(context);

    private async Task TakeAsync<T>(ConsumeContext<T> context)
        where T : class, IStageReport
    {
        if (ReportCheck.Problem(context.Message) is { } problem) throw new MalformedMessageException(problem);
        if (await truth.JudgeAsync(context.Message, context.SentTime, context.CancellationToken) is not { } report) return;
        // A connection that is lost is replaced once its handlers have returned; the message comes again.
        await inbox.AddAsync(report, ReportCheck.TraceParent(context.Headers.Get<string>(Headers.TraceParent))).WaitAsync(context.CancellationToken);
    }
}
