using System.Data.Common;
using Lathe.Contracts;
using Lathe.Hosting;
using Microsoft.Data.Sqlite;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Npgsql;

namespace Lathe.Coordinator;

/// <summary>Address of the coordinator's database: a SQLite file, or PostgreSQL. Its text never contains the password.</summary>
public sealed class DatabaseAddress
{
    public const string Variable = "LATHE_DATABASE";

    private readonly string _connection;

    private DatabaseAddress(string connection, string? file, string shown)
    {
        _connection = connection;
        File = file;
        Shown = shown;
    }

    /// <summary>The SQLite file, absolute; null for PostgreSQL.</summary>
    public string? File { get; }

    private string Shown { get; }

    /// <summary>The SQLite file <c>lathe.db</c> in a home.</summary>
    public static DatabaseAddress In(string home)
    {
        var file = Path.Combine(Path.GetFullPath(home), "lathe.db");
        // Another process may write the same file: wait for it half a minute before giving up.
        var connection = new SqliteConnectionStringBuilder { DataSource = file, DefaultTimeout = 30, ForeignKeys = true };
        return new DatabaseAddress(connection.ToString(), file, file);
    }

    /// <summary>Reads <c>LATHE_DATABASE</c>; without it the file in the home.</summary>
    /// <exception cref="LatheException">Not a PostgreSQL address. The message does not repeat it, as it may hold a password.</exception>
    public static DatabaseAddress Load(HostingSettings settings, Func<string, string?>? environment = null)
    {
        var text = (environment ?? Environment.GetEnvironmentVariable)(Variable)?.Trim();
        return string.IsNullOrEmpty(text) ? In(settings.Home) : Parse(text);
    }

    /// <summary>Reads <c>postgres://user:password@host:port/database</c> or an Npgsql connection string.</summary>
    /// <exception cref="LatheException">Neither.</exception>
    public static DatabaseAddress Parse(string text)
    {
        try
        {
            var builder = text.StartsWith("postgres://", StringComparison.Ordinal) || text.StartsWith("postgresql://", StringComparison.Ordinal)
                ? FromUri(new Uri(text))
                : new NpgsqlConnectionStringBuilder(text);
            if (string.IsNullOrEmpty(builder.Host) || string.IsNullOrEmpty(builder.Database)) throw new ArgumentException("no host or database");
            return new DatabaseAddress(
                builder.ToString(), null, $"postgres://{builder.Username}@{builder.Host}:{builder.Port}/{builder.Database}");
        }
        catch (Exception e) when (e is UriFormatException or ArgumentException or FormatException or DbException)
        {
            throw new LatheException(
                $"{Variable} is no PostgreSQL address; expected postgres://user:password@host:port/database or "
                + "Host=...;Database=...;Username=...;Password=...");
        }
    }

    /// <summary>Makes units of work on this database. Their contexts are pooled: a new one costs as much as a small query.</summary>
    internal Func<CoordinatorDatabase> Contexts()
    {
        if (File is null)
        {
            return new PooledDbContextFactory<PostgreSqlDatabase>(
                Common(new DbContextOptionsBuilder<PostgreSqlDatabase>()).UseNpgsql(_connection).Options).CreateDbContext;
        }

        return new PooledDbContextFactory<SqliteDatabase>(
            Common(new DbContextOptionsBuilder<SqliteDatabase>()).UseSqlite(_connection).AddInterceptors(new SqliteSettings()).Options).CreateDbContext;
    }

    /// <summary>
    /// The same SQLite file for a reader that may not write in its folder. No process may be writing to it, because the reader does not see its log.
    /// </summary>
    internal DatabaseAddress Immutable()
    {
        var path = string.Join('/', File!.Split('/').Select(Uri.EscapeDataString));
        var connection = new SqliteConnectionStringBuilder { DataSource = $"file:{path}?immutable=1", Mode = SqliteOpenMode.ReadOnly };
        return new DatabaseAddress(connection.ToString(), File, Shown);
    }

    // No context is shared between threads; the check for it costs time with every query.
    private static DbContextOptionsBuilder<TDatabase> Common<TDatabase>(DbContextOptionsBuilder<TDatabase> options)
        where TDatabase : CoordinatorDatabase => options.EnableThreadSafetyChecks(false);

    /// <summary>The address without the password.</summary>
    public override string ToString() => Shown;

    private static NpgsqlConnectionStringBuilder FromUri(Uri uri)
    {
        var user = uri.UserInfo.Split(':', 2);
        var builder = new NpgsqlConnectionStringBuilder
        {
            Host = uri.Host,
            Port = uri.Port > 0 ? uri.Port : 5432,
            Database = Uri.UnescapeDataString(uri.AbsolutePath.TrimStart('/')),
        };
        if (user[0].Length > 0) builder.Username = Uri.UnescapeDataString(user[0]);
        if (user.Length == 2) builder.Password = Uri.UnescapeDataString(user[1]);
        foreach (var option in uri.Query.TrimStart('?').Split('&', StringSplitOptions.RemoveEmptyEntries))
        {
            var pair = option.Split('=', 2);
            builder[Uri.UnescapeDataString(pair[0])] = pair.Length == 2 ? Uri.UnescapeDataString(pair[1]) : "";
        }

        return builder;
    }
}
