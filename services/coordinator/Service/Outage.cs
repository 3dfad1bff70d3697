using System.Data.Common;
using System.Net.Sockets;
using Lathe.Contracts;
using Microsoft.Data.Sqlite;
using Npgsql;

namespace Lathe.Coordinator;

/// <summary>Faults that say that a server is away or overloaded, and nothing about what was asked of it.</summary>
public static class Outage
{
    // Codes of SQLite: another process writes; the disk fails; the disk is full.
    private const int Busy = 5;
    private const int Locked = 6;
    private const int InputOutput = 10;
    private const int Full = 13;

    // Classes of SQLSTATE: connection, insufficient resources (a full disk among them), operator intervention (a server that starts or stops).
    private static readonly string[] Classes = ["08", "53", "57P"];

    /// <summary>True if the same call may succeed later.</summary>
    public static bool Is(Exception? e) => e switch
    {
        null => false,
        PostgresException { SqlState: var state } answer => answer.IsTransient || Classes.Any(c => state.StartsWith(c, StringComparison.Ordinal)),
        SqliteException { SqliteErrorCode: Busy or Locked or InputOutput or Full } => true,
        NpgsqlException { IsTransient: true } or SocketException or TimeoutException => true,
        LatheException { Kind: FailureKind.Transient } => true,
        _ => Is(e.InnerException),
    };

    /// <summary>True if it is a database that is away.</summary>
    public static bool IsOfDatabase(Exception? e) => e is DbException ? Is(e) : e is not null && IsOfDatabase(e.InnerException);

    /// <summary>True if a SQLite database has no room on its disk, or its disk fails: somebody has to do something.</summary>
    public static bool IsOfDisk(Exception? e) => e is SqliteException { SqliteErrorCode: InputOutput or Full } || (e is not null && IsOfDisk(e.InnerException));
}
