using Microsoft.Data.Sqlite;
using Microsoft.EntityFrameworkCore;
using Npgsql;

namespace Lathe.Coordinator;

/// <summary>Makes changes of the state, one at a time in this process. One that loses a race against another coordinator is made again.</summary>
internal sealed class SweepChanges(CoordinatorStore store, CoordinatorOptions options, TimeProvider time, ILogger<SweepChanges> log) : IDisposable
{
    private const int MostRaces = 20;

    // SQLite's code for a constraint that does not hold.
    private const int Constraint = 19;

    private readonly SemaphoreSlim _one = new(1);

    public SweepFactsCache Facts { get; } = new();

    /// <summary>Set where there may be something to send.</summary>
    public Signal MaySend { get; } = new();

    /// <summary>Set where sweeps wait to be prepared or advanced.</summary>
    public Signal HasChores { get; } = new();

    /// <summary>Raised after each change that told an event.</summary>
    public event Action? Happened;

    /// <summary>Makes one change in one transaction.</summary>
    /// <param name="change">Makes it; called again, on a new change, after a lost race.</param>
    /// <param name="stop">Gives up.</param>
    public async Task<SweepChange> MakeAsync(Func<SweepChange, Task> change, CancellationToken stop = default)
    {
        await _one.WaitAsync(stop);
        try
        {
            for (var races = 1; ; races++)
            {
                try
                {
                    return await MakeOnceAsync(change, stop);
                }
                catch (Exception e) when (IsLostRace(e) && races < MostRaces)
                {
                    log.LogDebug("Another coordinator changed the same rows first ({Reason}); trying again", e.GetBaseException().Message);
                    // The other one needs the time of a transaction, at most.
                    await Task.Delay(TimeSpan.FromMilliseconds(5 * races), stop);
                }
            }
        }
        finally
        {
            _one.Release();
        }
    }

    public void Dispose() => _one.Dispose();

    private async Task<SweepChange> MakeOnceAsync(Func<SweepChange, Task> change, CancellationToken stop)
    {
        await using var database = store.Open();
        // A change that fails is made anew as a whole: nobody goes back to a savepoint, and each costs two round trips.
        database.Database.AutoSavepointsEnabled = false;
        await using var transaction = await database.Database.BeginTransactionAsync(stop);
        var made = new SweepChange(database, Facts, options, time.GetUtcNow());
        await change(made);
        await made.SaveAsync(stop);
        await transaction.CommitAsync(stop);
        foreach (var sweep in made.Ended)
        {
            log.LogInformation("Sweep {Name} ({Id}) {State}", sweep.Name, sweep.Id, sweep.State);
            // Hardly anything happens to it any more, and a month of sweeps need not stay in memory.
            Facts.Forget(sweep.Id);
        }

        if (made.MaySend || made.Cancels) MaySend.Set();
        if (made.MaySearch) HasChores.Set();
        Happened?.Invoke();
        return made;
    }

    private static bool IsLostRace(Exception e) => e is DbUpdateConcurrencyException
        || e.GetBaseException() is PostgresException { SqlState: PostgresErrorCodes.UniqueViolation or PostgresErrorCodes.SerializationFailure or PostgresErrorCodes.DeadlockDetected }
        || e.GetBaseException() is SqliteException { SqliteErrorCode: Constraint };
}

/// <summary>Wakes one waiter; being set twice wakes it once.</summary>
internal sealed class Signal
{
    private TaskCompletionSource _set = New();

    public void Set() => Volatile.Read(ref _set).TrySetResult();

    /// <summary>Waits until it is set, or the time is over.</summary>
    public async Task WaitAsync(TimeSpan patience, TimeProvider time, CancellationToken stop)
    {
        var set = Volatile.Read(ref _set);
        try
        {
            await set.Task.WaitAsync(patience, time, stop);
            // What sets it from here on is seen by the next wait.
            Volatile.Write(ref _set, New());
        }
        catch (TimeoutException)
        {
            // The time is over.
        }
    }

    private static TaskCompletionSource New() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}
