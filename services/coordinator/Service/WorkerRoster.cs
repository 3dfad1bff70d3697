using System.Text.Json;
using Lathe.Contracts;
using Lathe.Contracts.Messages;
using Microsoft.EntityFrameworkCore;

namespace Lathe.Coordinator;

/// <summary>
/// Workers that announced themselves. They are asked when somebody wants to know who is up, and not otherwise: a worker without work says nothing by itself.
/// They are kept in the database, since of several coordinators any one may get the answer.
/// </summary>
internal sealed class WorkerRoster(CoordinatorStore store, IStageBus bus, CoordinatorOptions options, TimeProvider time) : IDisposable
{
    // Somebody who looks on asks every second or two.
    private static readonly TimeSpan AskedAgain = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Look = TimeSpan.FromMilliseconds(50);

    /// <summary>A worker that was not heard of for so long, although it was asked, is gone.</summary>
    private static readonly TimeSpan Gone = TimeSpan.FromSeconds(30);

    private readonly SemaphoreSlim _one = new(1);
    private DateTimeOffset? _askedAt;

    /// <summary>Notes an announcement.</summary>
    public async Task HearAsync(StageAnnounced announcement, CancellationToken stop = default)
    {
        if (announcement.Worker is not { } name) return;
        var about = announcement.About is null ? null : JsonSerializer.Serialize(announcement.About, LatheJson.Options);
        await using var database = store.Open();
        var (stage, version) = (announcement.Manifest.Name, announcement.Manifest.Version);
        // In one statement: two announcements of one worker may come at the same time, to two coordinators.
        await database.Database.ExecuteSqlAsync(
            $"""
            INSERT INTO workers ("Name", "Stage", "Version", "About", "HeardAt") VALUES ({name}, {stage}, {version}, {about}, {time.GetUtcNow().UtcDateTime})
            ON CONFLICT ("Name") DO UPDATE SET "Stage" = excluded."Stage", "Version" = excluded."Version", "About" = excluded."About", "HeardAt" = excluded."HeardAt"
            """,
            stop);
    }

    /// <summary>Workers that are up, by name.</summary>
    public async Task<IReadOnlyList<WorkerRow>> UpAsync(CancellationToken stop)
    {
        await AskAsync(stop);
        await using var database = store.Open();
        var since = (_askedAt ?? time.GetUtcNow()) - Gone;
        await database.Workers.Where(w => w.HeardAt < since).ExecuteDeleteAsync(stop);
        return await database.Workers.AsNoTracking().OrderBy(w => w.Name).ToListAsync(stop);
    }

    public void Dispose() => _one.Dispose();

    private async Task AskAsync(CancellationToken stop)
    {
        await _one.WaitAsync(stop);
        try
        {
            var now = time.GetUtcNow();
            if (_askedAt is { } before && now - before < AskedAgain) return;
            using var patience = new CancellationTokenSource(Patience, time);
            using var either = CancellationTokenSource.CreateLinkedTokenSource(patience.Token, stop);
            await bus.AskForStagesAsync(options.ReplyQueue, either.Token);
            // Until all that are known have answered; who is gone does not.
            while (await AnyLeftAsync(now, either.Token)) await Task.Delay(Look, time, either.Token);
            _askedAt = now;
        }
        catch (OperationCanceledException) when (!stop.IsCancellationRequested)
        {
            _askedAt = time.GetUtcNow();
        }
        finally
        {
            _one.Release();
        }
    }

    private async Task<bool> AnyLeftAsync(DateTimeOffset asked, CancellationToken stop)
    {
        await using var database = store.Open();
        return !await database.Workers.AnyAsync(stop) || await database.Workers.AnyAsync(w => w.HeardAt < asked, stop);
    }
}
