using System.Net.Sockets;
using Lathe.Contracts;
using Npgsql;

namespace Lathe.Coordinator;

/// <summary>Faults that say that a server is away or overloaded, and nothing about what was asked of it.</summary>
internal static class Outage
{
    // Classes of SQLSTATE: connection, insufficient resources (a full disk among them), operator intervention (a server that starts or stops).
    private static readonly string[] Classes = ["08", "53", "57P"];

    /// <summary>True if the same call may succeed later.</summary>
    public static bool Is(Exception? e) => e switch
    {
        null => false,
        PostgresException { SqlState: var state } answer => answer.IsTransient || Classes.Any(c => state.StartsWith(c, StringComparison.Ordinal)),
        NpgsqlException { IsTransient: true } or SocketException or TimeoutException => true,
        LatheException { Kind: FailureKind.Transient } => true,
        _ => Is(e.InnerException),
    };
}
