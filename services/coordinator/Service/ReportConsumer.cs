using Lathe.Contracts.Messages;
using MassTransit;
using Headers = Lathe.Contracts.Messages.Headers;

namespace Lathe.Coordinator;

/// <summary>Consumes the reports and announcements of workers from the bus.</summary>
public sealed class ReportConsumer(ReportInbox inbox, StageCatalog stages) :
    IConsumer<StageAnnounced>, IConsumer<StageStarted>, IConsumer<StageProgressed>, IConsumer<StageCompleted>, IConsumer<StageFailed>, IConsumer<StageCancelled>
{
    public Task Consume(ConsumeContext<StageAnnounced> context) => stages.AddAsync(context.Message.Manifest, context.CancellationToken);

    public Task Consume(ConsumeContext<StageStarted> context) => inbox.AddAsync(context.Message);

    public Task Consume(ConsumeContext<StageProgressed> context) => inbox.AddAsync(context.Message);

    public Task Consume(ConsumeContext<StageCompleted> context) => inbox.AddAsync(context.Message, context.Headers.Get<string>(Headers.TraceParent));

    public Task Consume(ConsumeContext<StageFailed> context) => inbox.AddAsync(context.Message);

    public Task Consume(ConsumeContext<StageCancelled> context) => inbox.AddAsync(context.Message);
}
