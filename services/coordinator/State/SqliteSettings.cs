using System.Data.Common;
using Microsoft.EntityFrameworkCore.Diagnostics;

namespace Lathe.Coordinator;

/// <summary>
/// Settings that SQLite keeps for each connection. With <c>synchronous=NORMAL</c> a commit does not wait for the disk; the write-ahead log is flushed before
/// its content goes into the database file. So a process that dies loses nothing, and a machine that loses power may lose the last commits but never has a
/// damaged file. What those commits recorded is not lost: finished work is in the checkpoint store under its key and is found there again.
/// </summary>
internal sealed class SqliteSettings : DbConnectionInterceptor
{
    private const string Settings = "PRAGMA synchronous=NORMAL";

    public override void ConnectionOpened(DbConnection connection, ConnectionEndEventData eventData)
    {
        using var command = connection.CreateCommand();
        command.CommandText = Settings;
        command.ExecuteNonQuery();
    }

    public override async Task ConnectionOpenedAsync(DbConnection connection, ConnectionEndEventData eventData, CancellationToken cancellationToken = default)
    {
        await using var command = connection.CreateCommand();
        command.CommandText = Settings;
        await command.ExecuteNonQueryAsync(cancellationToken);
    }
}
