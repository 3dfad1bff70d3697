using Lathe.Testing;
using Microsoft.Data.Sqlite;
using Microsoft.EntityFrameworkCore;

namespace Lathe.Coordinator.Tests;

/// <summary>A database without tables, in a folder of its own or on the tests' server.</summary>
internal sealed class EmptyDatabase : IDisposable
{
    private readonly string _home = Directory.CreateTempSubdirectory("lathe-database-").FullName;

    private EmptyDatabase(string? server)
    {
        Kind = server is null ? DatabaseKind.Sqlite : DatabaseKind.PostgreSql;
        Address = server is null ? DatabaseAddress.In(_home) : DatabaseAddress.Parse(server);
    }

    public DatabaseKind Kind { get; }

    public DatabaseAddress Address { get; }

    /// <summary>As a process that just started has it.</summary>
    public CoordinatorStore Store => new(Address);

    public static async Task<EmptyDatabase> CreateAsync(DatabaseKind kind) => new(kind == DatabaseKind.Sqlite
        ? null
        : await ((PostgreSqlServer)(await TestContext.Current.GetFixture(typeof(PostgreSqlServer)))!).CreateDatabaseAsync());

    /// <summary>A database as an older Lathe left it, from <c>old/</c>.</summary>
    public static async Task<EmptyDatabase> OfVersionAsync(DatabaseKind kind, int version)
    {
        var made = await CreateAsync(kind);
        await made.RunAsync(await OldAsync(kind, version));
        return made;
    }

    /// <summary>The script that makes such a database.</summary>
    public static Task<string> OldAsync(DatabaseKind kind, int version) => File.ReadAllTextAsync(
        Path.Combine(Checkout.Root, "tests", "Lathe.Coordinator.Tests", "State", "old", $"{kind}-{version}.sql".ToLowerInvariant()));

    public Task RunAsync(string script) => RunAsync(Address, script);

    public static async Task RunAsync(DatabaseAddress address, string script)
    {
        await using var database = new CoordinatorStore(address).Open();
        await database.Database.OpenConnectionAsync();
        await using var command = database.Database.GetDbConnection().CreateCommand();
        // A dump of SQLite has tables in any order.
        command.CommandText = address.File is not null ? "PRAGMA foreign_keys=OFF;" + script : script;
        await command.ExecuteNonQueryAsync();
    }

    /// <summary>Names of the tables, in order.</summary>
    public async Task<List<string>> TablesAsync()
    {
        await using var database = Store.Open();
        var names = Kind == DatabaseKind.Sqlite
            ? database.Database.SqlQuery<string>($"SELECT name AS Value FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
            : database.Database.SqlQuery<string>($"SELECT table_name::text AS \"Value\" FROM information_schema.tables WHERE table_schema = 'public'");
        return [.. (await names.ToListAsync()).Order(StringComparer.Ordinal)];
    }

    public void Dispose()
    {
        SqliteConnection.ClearAllPools();
        Directory.Delete(_home, recursive: true);
    }
}
