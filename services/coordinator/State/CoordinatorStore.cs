using System.Data.Common;
using System.Security.Authentication;
using System.Text.Json;
using Lathe.Contracts;
using Lathe.Hosting;
using Microsoft.Data.Sqlite;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Migrations;
using Microsoft.EntityFrameworkCore.Storage;

namespace Lathe.Coordinator;

/// <summary>
/// Opens the coordinator's database and brings its tables up to date. The table <c>__EFMigrationsHistory</c> names the migrations that made them; a program
/// opens no database with a migration that it does not know, so that an older program cannot damage a newer database. One from before migrations looks at
/// <c>schema_version</c> alone, and therefore finds a number there that it does not know.
/// </summary>
public sealed class CoordinatorStore
{
    // Any number that other programs on the same server are unlikely to lock.
    private const long LockNumber = 0x4C61746865;

    // SQLite's codes.
    private const int ReadOnly = 8;
    private const int CannotOpen = 14;

    // Another process may be taking over a large database; on PostgreSQL this one waits for it.
    private static readonly TimeSpan MigrationPatience = TimeSpan.FromMinutes(10);

    private readonly Func<CoordinatorDatabase> _contexts;

    public CoordinatorStore(DatabaseAddress address)
    {
        Address = address;
        _contexts = address.Contexts();
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
    public CoordinatorDatabase Open() => _contexts();

    /// <summary>True if the tables exist. Creates nothing.</summary>
    /// <exception cref="LatheException">No connection, or tables of another version.</exception>
    public async Task<bool> ExistsAsync(CancellationToken stop = default)
    {
        if (Address.File is { } file && !File.Exists(file)) return false;
        await using var database = Open();
        var tables = await LookAsync(database, stop);
        if (tables.IsOlder)
        {
            throw new LatheException(
                $"the database {Address} was made by an older Lathe; start a run or a coordinator on it once, which takes it over together with its sweeps");
        }

        return tables.Exist;
    }

    /// <summary>
    /// Creates the tables, or brings those of an older Lathe up to date together with their sweeps. All of it is one transaction: a process that dies on the
    /// way leaves the database as it was, and of several processes that start at once one does the work.
    /// </summary>
    /// <exception cref="LatheException">No connection (transient), or tables of another version.</exception>
    public async Task PrepareAsync(CancellationToken stop = default)
    {
        if (Address.File is { } file) MakeFolder(Path.GetDirectoryName(file)!);
        await using var database = Open();
        if (Address.File is not null) await Run(() => database.Database.ExecuteSqlRawAsync("PRAGMA journal_mode=WAL", stop));
        // One connection, as the next setting belongs to it.
        await Run(() => OpenAsync(database, stop));
        try
        {
            // SQLite alters a table by making it anew; references to it must not stop that. The setting cannot change inside a transaction, and the next opening
            // of the connection sets it again.
            if (Address.File is not null) await database.Database.ExecuteSqlRawAsync("PRAGMA foreign_keys=OFF", stop);
            database.Database.SetCommandTimeout(MigrationPatience);
            await using var transaction = await BeginAsync(database, stop);
            // Looked at behind the lock, as another process may just have changed them.
            var tables = await LookAsync(database, stop);
            if (tables.AreCurrent && tables.IsMarked) return;
            if (!tables.AreCurrent) await MigrateAsync(database, tables, stop);
            if (!tables.IsMarked) await ExecuteAsync(database, $"CREATE TABLE {Takeover.VersionTable} (version INTEGER NOT NULL); INSERT INTO {Takeover.VersionTable} VALUES ({Takeover.Newest + 1});", stop);
            await transaction.CommitAsync(stop);
        }
        finally
        {
            database.Database.SetCommandTimeout(null);
            await database.Database.CloseConnectionAsync();
        }
    }

    /// <summary>
    /// Runs what is missing in the caller's transaction. EF's own Migrate has a lock that a killed process leaves behind in a SQLite file, where it blocks every
    /// later start.
    /// </summary>
    private async Task MigrateAsync(CoordinatorDatabase database, Tables tables, CancellationToken stop)
    {
        try
        {
            if (tables.OldVersion is not null) await Takeover.SetAsideAsync(database, stop);
            var script = database.GetService<IMigrator>().GenerateScript(tables.LastMigration ?? Migration.InitialDatabase, null, MigrationsSqlGenerationOptions.NoTransactions);
            await ExecuteAsync(database, script, stop);
            if (tables.OldVersion is { } version) await Takeover.FillAsync(database, version, stop);
        }
        catch (Exception e) when (DatabaseError(e) is not null || e is ArgumentException or FormatException or JsonException)
        {
            var cause = DatabaseError(e) ?? e;
            throw new LatheException(
                $"the tables of the database {Address} cannot be {(tables.IsOlder ? "taken over" : "made")}: {cause.Message}; nothing in it was changed. "
                + $"Remove what is in the way, or use another database ({DatabaseAddress.Variable})",
                cause is DbException { IsTransient: true } ? FailureKind.Transient : FailureKind.Permanent,
                e);
        }
    }

    /// <summary>Runs a script as it is: EF would read braces in it as places of arguments.</summary>
    private static async Task ExecuteAsync(CoordinatorDatabase database, string script, CancellationToken stop)
    {
        await using var command = database.Database.GetDbConnection().CreateCommand();
        command.CommandText = script;
        command.CommandTimeout = (int)MigrationPatience.TotalSeconds;
        command.Transaction = database.Database.CurrentTransaction!.GetDbTransaction();
        await command.ExecuteNonQueryAsync(stop);
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

    private static async Task<bool> OpenAsync(CoordinatorDatabase database, CancellationToken stop)
    {
        await database.Database.OpenConnectionAsync(stop);
        return true;
    }

    private async Task<IDbContextTransaction> BeginAsync(CoordinatorDatabase database, CancellationToken stop)
    {
        // On SQLite a transaction takes the write lock at once, and waits for it.
        var transaction = await Run(() => database.Database.BeginTransactionAsync(stop));
        if (Address.File is null) await Run(() => database.Database.ExecuteSqlAsync($"SELECT pg_advisory_xact_lock({LockNumber})", stop));
        return transaction;
    }

    private async Task<Tables> LookAsync(CoordinatorDatabase database, CancellationToken stop)
    {
        var known = database.Database.GetMigrations().ToList();
        var names = Address.File is null
            ? database.Database.SqlQuery<string>($"SELECT table_name AS \"Value\" FROM information_schema.tables WHERE table_schema = current_schema()")
            : database.Database.SqlQuery<string>($"SELECT name AS \"Value\" FROM sqlite_master WHERE type = 'table'");
        var tables = await Run(() => names.ToListAsync(stop));
        if (tables.Contains(HistoryRepository.DefaultTableName))
        {
            var made = await Run(() => database.Database
                .SqlQuery<string>($"SELECT \"MigrationId\" AS \"Value\" FROM \"__EFMigrationsHistory\" ORDER BY \"MigrationId\"").ToListAsync(stop));
            if (made.Except(known).FirstOrDefault() is { } unknown) throw Foreign($"was made by a newer Lathe: this program does not know its migration {unknown}");
            return new Tables(null, made.LastOrDefault(), made.Count, known.Count, tables.Contains(Takeover.VersionTable));
        }

        if (!tables.Contains(Takeover.VersionTable)) return new Tables(null, null, 0, known.Count, IsMarked: false);
        var version = await Run(() => database.Database.SqlQuery<int>($"SELECT version AS \"Value\" FROM schema_version").SingleAsync(stop));
        return Takeover.Knows(version)
            ? new Tables(version, null, 0, known.Count, IsMarked: false)
            : throw Foreign($"has tables of version {version}, this program takes over the versions {Takeover.Oldest} to {Takeover.Newest}");
    }

    private LatheException Foreign(string what) => new(
        $"the database {Address} {what}; use the Lathe that made it, or another database ({DatabaseAddress.Variable}). "
        + "Checkpoints and results are not in it: they stay usable");

    private async Task<T> Run<T>(Func<Task<T>> action)
    {
        try
        {
            return await action();
        }
        catch (Exception e) when (DatabaseError(e) is not null)
        {
            // A certificate that is not accepted today will not be accepted in a minute.
            var certificate = e.GetBaseException() as AuthenticationException;
            throw new LatheException(
                $"the database {Address} cannot be opened: {(certificate ?? DatabaseError(e)!).Message}", certificate is null ? FailureKind.Transient : FailureKind.Permanent, e);
        }
    }

    private static Exception? DatabaseError(Exception e) => e switch
    {
        { InnerException: DbException inner } => inner,
        DbException or System.Net.Sockets.SocketException or TimeoutException => e,
        _ => null,
    };

    /// <summary>What a database has.</summary>
    /// <param name="OldVersion">Version of tables from before migrations; null: none.</param>
    /// <param name="LastMigration">Last migration that was run; null: none.</param>
    /// <param name="Made">Number of migrations that were run.</param>
    /// <param name="Known">Number of migrations that this program has.</param>
    /// <param name="IsMarked">True: a Lathe from before migrations finds a version that it refuses.</param>
    private sealed record Tables(int? OldVersion, string? LastMigration, int Made, int Known, bool IsMarked)
    {
        public bool Exist => Made > 0;

        public bool AreCurrent => Made == Known;

        public bool IsOlder => OldVersion is not null || (Exist && !AreCurrent);
    }
}
