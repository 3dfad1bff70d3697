using System.Data.Common;
using Lathe.Contracts;
using Lathe.Hosting;
using Microsoft.Data.Sqlite;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Storage;

namespace Lathe.Coordinator;

/// <summary>
/// Opens the coordinator's database and creates its tables. The table <c>schema_version</c> holds one number; a program opens a
/// database of its own number only, so that neither an older nor a newer one can damage it.
/// </summary>
public sealed class CoordinatorStore
{
    /// <summary>Changes with every change of the tables.</summary>
    public const int SchemaVersion = 3;

    // Any number that other programs on the same server are unlikely to lock.
    private const long LockNumber = 0x4C61746865;

    // SQLite's codes.
    private const int ReadOnly = 8;
    private const int CannotOpen = 14;

    private readonly DbContextOptions<CoordinatorDatabase> _options;

    public CoordinatorStore(DatabaseAddress address)
    {
        Address = address;
        _options = address.Options();
    }

    public DatabaseAddress Address { get; }

    /// <summary>A read-only store, also for a user who may not write in the database's folder.</summary>
    /// <exception cref="LatheException">No connection, or tables of another version.</exception>
    public static async Task<CoordinatorStore> ForReadingAsync(DatabaseAddress address, CancellationToken stop = default)
    {
        var store = new CoordinatorStore(address);
        try
        {
            await store.ExistsAsync(stop);
            return store;
        }
        catch (LatheException e) when (address.File is not null && e.InnerException is SqliteException { SqliteErrorCode: ReadOnly or CannotOpen })
        {
            // Even a reader writes a log and locks next to the file, unless it opens the file as immutable.
            var unchanging = new CoordinatorStore(address.Immutable());
            await unchanging.ExistsAsync(stop);
            return unchanging;
        }
    }

    /// <summary>A unit of work. The caller disposes it.</summary>
    public CoordinatorDatabase Open() => new(_options);

    /// <summary>True if the tables exist. Creates nothing.</summary>
    /// <exception cref="LatheException">No connection, or tables of another version.</exception>
    public async Task<bool> ExistsAsync(CancellationToken stop = default)
    {
        if (Address.File is { } file && !File.Exists(file)) return false;
        await using var database = Open();
        return await VersionAsync(database, stop) is not null;
    }

    /// <summary>Creates the tables if they do not exist.</summary>
    /// <exception cref="LatheException">No connection (transient), or tables of another version.</exception>
    public async Task PrepareAsync(CancellationToken stop = default)
    {
        if (Address.File is { } file) MakeFolder(Path.GetDirectoryName(file)!);
        await using var database = Open();
        if (Address.File is not null) await Run(() => database.Database.ExecuteSqlRawAsync("PRAGMA journal_mode=WAL", stop));
        if (await VersionAsync(database, stop) is not null) return;

        await using var transaction = await BeginAsync(database, stop);
        // Another process may have created them while this one waited.
        if (await VersionAsync(database, stop) is not null) return;
        await database.Database.ExecuteSqlRawAsync(
            string.Create(
                System.Globalization.CultureInfo.InvariantCulture,
                $"CREATE TABLE schema_version (version INTEGER NOT NULL); INSERT INTO schema_version VALUES ({SchemaVersion});"),
            stop);
        await database.Database.ExecuteSqlRawAsync(database.Database.GenerateCreateScript().Replace("{", "{{").Replace("}", "}}"), stop);
        await transaction.CommitAsync(stop);
    }

    private static void MakeFolder(string folder)
    {
        try
        {
            Directory.CreateDirectory(folder);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new LatheException($"{folder} cannot be made: {e.Message} Name another home with --home or {HostingSettings.HomeVariable}", inner: e);
        }
    }

    private async Task<IDbContextTransaction> BeginAsync(CoordinatorDatabase database, CancellationToken stop)
    {
        // On SQLite a transaction takes the write lock at once, and waits for it.
        var transaction = await Run(() => database.Database.BeginTransactionAsync(stop));
        if (Address.File is null) await database.Database.ExecuteSqlAsync($"SELECT pg_advisory_xact_lock({LockNumber})", stop);
        return transaction;
    }

    private async Task<int?> VersionAsync(CoordinatorDatabase database, CancellationToken stop)
    {
        var count = Address.File is null
            ? database.Database.SqlQuery<int>(
                $"SELECT COUNT(*)::int AS \"Value\" FROM information_schema.tables WHERE table_name = 'schema_version' AND table_schema = current_schema()")
            : database.Database.SqlQuery<int>($"SELECT COUNT(*) AS Value FROM sqlite_master WHERE name = 'schema_version'");
        if (await Run(() => count.SingleAsync(stop)) == 0) return null;
        var version = await database.Database.SqlQuery<int>($"SELECT version AS \"Value\" FROM schema_version").SingleAsync(stop);
        return version == SchemaVersion
            ? version
            : throw new LatheException(
                $"the database {Address} has tables of version {version}, this program knows version {SchemaVersion}; use the Lathe that "
                + $"made it, or another database ({DatabaseAddress.Variable}). Checkpoints and results are not in it: they stay usable");
    }

    private async Task<T> Run<T>(Func<Task<T>> action)
    {
        try
        {
            return await action();
        }
        catch (Exception e) when (e is DbException or System.Net.Sockets.SocketException or TimeoutException
            || e.InnerException is DbException)
        {
            var cause = (e.InnerException as DbException) ?? e;
            throw new LatheException($"the database {Address} cannot be opened: {cause.Message}", FailureKind.Transient, e);
        }
    }
}
