using System.Collections.Concurrent;
using Lathe.Contracts.Messages;
using Lathe.Testing;
using MassTransit;

namespace Lathe.Hosting.Tests;

/// <summary>What a coordinator would have heard, in order.</summary>
public sealed class ReportInbox
{
    private readonly ConcurrentQueue<(object Report, string? TraceParent)> _reports = new();

    public void Add(object report, string? traceParent) => _reports.Enqueue((report, traceParent));

    public IReadOnlyList<T> All<T>() => [.. _reports.Select(r => r.Report).OfType<T>()];

    public string? TraceParentOf(object report) => _reports.First(r => ReferenceEquals(r.Report, report)).TraceParent;

    public async Task<T> Next<T>(Func<T, bool> which, double seconds = 30)
        where T : class
    {
        await Eventually.True(() => All<T>().Any(which), $"{typeof(T).Name}; heard {string.Join(", ", _reports.Select(r => r.Report))}", seconds);
        return All<T>().First(which);
    }
}

public sealed class ReportConsumer(ReportInbox inbox)
    : IConsumer<StageAnnounced>, IConsumer<StageStarted>, IConsumer<StageProgressed>, IConsumer<StageCompleted>, IConsumer<StageFailed>,
        IConsumer<StageCancelled>
{
    public Task Consume(ConsumeContext<StageAnnounced> context) => Keep(context);

    public Task Consume(ConsumeContext<StageStarted> context) => Keep(context);

    public Task Consume(ConsumeContext<StageProgressed> context) => Keep(context);

    public Task Consume(ConsumeContext<StageCompleted> context) => Keep(context);

    public Task Consume(ConsumeContext<StageFailed> context) => Keep(context);

    public Task Consume(ConsumeContext<StageCancelled> context) => Keep(context);

    private Task Keep<T>(ConsumeContext<T> context)
        where T : class
    {
        inbox.Add(context.Message, context.Headers.Get<string>(Lathe.Contracts.Messages.Headers.TraceParent));
        return Task.CompletedTask;
    }
}
