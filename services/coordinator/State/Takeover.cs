using System.Text.Json;
using Lathe.Contracts;
using Microsoft.EntityFrameworkCore;

namespace Lathe.Coordinator;

/// <summary>
/// Takes over the tables of a Lathe from before migrations, in the caller's transaction: they are set aside, the new tables are made, and the sweeps move into
/// them one by one. The table of results is not needed any more: results are found in the checkpoint store.
/// </summary>
internal static class Takeover
{
    public const int Oldest = 2;
    public const int Newest = 3;

    /// <summary>Has one row with one number, and marks a database of such a Lathe.</summary>
    public const string VersionTable = "schema_version";

    private static readonly string[] Moved = ["sweeps", "executions", "stages"];

    // Names that the new tables need too.
    private static readonly string[] Indexes =
        ["IX_sweeps_Owner_State", "IX_sweeps_SubmittedAt", "IX_executions_Key", "IX_executions_SweepId_Parent", "IX_executions_State"];

    public static bool Knows(int version) => version is >= Oldest and <= Newest;

    /// <summary>Gives the old tables other names, so that the new ones can be made.</summary>
    public static async Task SetAsideAsync(CoordinatorDatabase database, CancellationToken stop)
    {
        foreach (var index in Indexes) await RunAsync(database, $"DROP INDEX \"{index}\"", stop);
        foreach (var table in Moved)
        {
            await RunAsync(database, $"ALTER TABLE {table} RENAME TO old_{table}", stop);
            // On PostgreSQL a primary key has a name in the whole schema.
            if (database is PostgreSqlDatabase) await RunAsync(database, $"ALTER INDEX \"PK_{table}\" RENAME TO \"PK_old_{table}\"", stop);
        }
    }

    /// <summary>Moves what the old tables have into the new ones, and removes the old ones.</summary>
    /// <param name="database">Has the new tables, and the old ones set aside.</param>
    /// <param name="version">Version of the old tables.</param>
    /// <param name="stop">Gives up; the transaction must then be rolled back.</param>
    public static async Task FillAsync(CoordinatorDatabase database, int version, CancellationToken stop)
    {
        // The device came with version 3.
        var sweeps = await database.Database.SqlQueryRaw<OldSweep>(
            version < 3
                ? """SELECT *, NULL AS "Device" FROM old_sweeps ORDER BY "SubmittedAt", "Id" """
                : """SELECT * FROM old_sweeps ORDER BY "SubmittedAt", "Id" """).ToListAsync(stop);
        foreach (var sweep in sweeps)
        {
            var executions = await database.Database.SqlQuery<OldExecution>(
                $"""
                SELECT e.*, r."CompletedAt" FROM old_executions e LEFT JOIN results r ON r."Key" = e."Key" WHERE e."SweepId" = {sweep.Id} ORDER BY e."Index"
                """).ToListAsync(stop);
            var moved = MovedSweep.Of(sweep, executions);
            await BulkInsert.AddAsync(database, [moved.Sweep], stop);
            await BulkInsert.AddAsync(database, moved.Points, stop);
            await BulkInsert.AddAsync(database, moved.Branches, stop);
            await BulkInsert.AddAsync(database, moved.Executions, stop);
            await BulkInsert.AddAsync(database, moved.Nodes, stop);
            await BulkInsert.AddAsync(database, moved.Counts, stop);
        }

        var stages = await database.Database.SqlQuery<OldStage>($"""SELECT "Name", "Manifest", "AnnouncedAt" FROM old_stages""").ToListAsync(stop);
        await BulkInsert.AddAsync(database, stages.Select(RowOf), stop);
        foreach (var table in (string[])["old_executions", "old_sweeps", "old_stages", "results", VersionTable]) await RunAsync(database, $"DROP TABLE {table}", stop);
    }

    /// <summary>In tables of version 2 the version of a stage is in its manifest alone.</summary>
    private static StageRow RowOf(OldStage stage) => new()
    {
        Name = stage.Name,
        Version = JsonSerializer.Deserialize<StageManifest>(stage.Manifest, LatheJson.Options)!.Version,
        Manifest = stage.Manifest,
        AnnouncedAt = OldTime.Of(stage.AnnouncedAt),
    };

    private static Task RunAsync(CoordinatorDatabase database, string command, CancellationToken stop) => database.Database.ExecuteSqlRawAsync(command, stop);
}

/// <summary>A sweep as the tables from before migrations had it.</summary>
internal sealed record OldSweep(
    Guid Id, string Name, string State, DateTime SubmittedAt, DateTime? FinishedAt, bool Fresh, int? Threads, string? Device, string Owner, DateTime OwnerSeenAt,
    string? TraceParent);

/// <summary>
/// A node of a sweep together with its execution, as the tables from before migrations had it. <c>CompletedAt</c> is when the result of its key was recorded;
/// null: there is none.
/// </summary>
internal sealed record OldExecution(
    int Index, int? Parent, string Stage, string Version, bool OnlyMeasures, string Model, string Dataset, string DataFingerprint, long Seed, string Parameters,
    string Varied, string State, string? Key, string? InputSha256, long? InputBytes, string? OutputSha256, long? OutputBytes, int Attempt, int Failures,
    DateTime? SentAt, DateTime? HeardAt, string? Worker, string? Metrics, double? Seconds, string? Error, string? TraceParent, DateTime? CompletedAt);

internal sealed record OldStage(string Name, string Manifest, DateTime AnnouncedAt);

/// <summary>Both providers kept UTC; SQLite forgets to say so.</summary>
internal static class OldTime
{
    public static DateTimeOffset Of(DateTime time) => new(DateTime.SpecifyKind(time, DateTimeKind.Utc));

    public static DateTimeOffset? Of(DateTime? time) => time is { } known ? Of(known) : null;
}
