using Lathe.Contracts.Messages;
using MassTransit;
using Headers = Lathe.Contracts.Messages.Headers;

namespace Lathe.Coordinator;

/// <summary>Consumes the reports and announcements of workers from the bus.</summary>
public sealed class ReportConsumer(Orchestrator orchestrator, StageCatalog stages) :
    IConsumer<StageAnnounced>, IConsumer<StageStarted>, IConsumer<StageProgressed>, IConsumer<StageCompleted>, IConsumer<StageFailed>
{
    public Task Consume(ConsumeContext<StageAnnounced> context) => stages.AddAsync(context.Message.Manifest, context.CancellationToken);

    public Task Consume(ConsumeContext<StageStarted> context) => orchestrator.StartedAsync(context.Message);

    public Task Consume(ConsumeContext<StageProgressed> context) => orchestrator.ProgressedAsync(context.Message);

    public Task Consume(ConsumeContext<StageCompleted> context) =>
        orchestrator.CompletedAsync(context.Message, context.Headers.Get<string>(Headers.TraceParent));

    public Task Consume(ConsumeContext<StageFailed> context) => orchestrator.FailedAsync(context.Message);
}
