using Lathe.Contracts;
using Lathe.Hosting;
using Microsoft.EntityFrameworkCore;

namespace Lathe.Coordinator.Tests;

public sealed class Opening_the_database
{
    [Theory, CombinatorialDatabases]
    public async Task Tables_are_made_once_however_many_processes_start_at_the_same_time(DatabaseKind kind)
    {
        using var empty = await EmptyDatabase.CreateAsync(kind);
        Assert.False(await empty.Store.ExistsAsync());

        await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => Task.Run(() => empty.Store.PrepareAsync())));

        Assert.True(await empty.Store.ExistsAsync());
        await using var database = empty.Store.Open();
        Assert.Empty(await database.Sweeps.ToListAsync());
        Assert.Equal(database.Database.GetMigrations(), await database.Database.GetAppliedMigrationsAsync());
    }

    [Theory, CombinatorialDatabases]
    public async Task Every_change_of_the_rows_has_a_migration(DatabaseKind kind)
    {
        using var empty = await EmptyDatabase.CreateAsync(kind);
        await using var database = empty.Store.Open();

        Assert.False(database.Database.HasPendingModelChanges(), "the rows changed: write a migration with eng/add-migration NAME");
    }

    [Theory, CombinatorialDatabases]
    public async Task A_database_of_a_newer_Lathe_is_left_alone(DatabaseKind kind)
    {
        using var made = await EmptyDatabase.CreateAsync(kind);
        await made.Store.PrepareAsync();
        await made.RunAsync("INSERT INTO \"__EFMigrationsHistory\" VALUES ('99991231000000_Later', '99.0')");

        foreach (var open in (Func<Task>[])[() => made.Store.PrepareAsync(), () => made.Store.ExistsAsync(), () => CoordinatorStore.ForReadingAsync(made.Address)])
        {
            var error = await Assert.ThrowsAsync<LatheException>(open);
            Assert.Equal(FailureKind.Permanent, error.Kind);
            Assert.Contains("was made by a newer Lathe: this program does not know its migration 99991231000000_Later", error.Message);
            Assert.Contains(DatabaseAddress.Variable, error.Message);
        }
    }

    /// <summary>It reads one number and compares it with its own, 3.</summary>
    [Theory, CombinatorialDatabases]
    public async Task A_Lathe_from_before_migrations_finds_a_version_that_it_refuses(DatabaseKind kind)
    {
        using var made = await EmptyDatabase.CreateAsync(kind);
        await made.Store.PrepareAsync();
        Assert.Equal([4], await VersionsAsync());
        // Also in a database that was made before the number was written.
        await made.RunAsync("DROP TABLE schema_version");
        await made.Store.PrepareAsync();
        await made.Store.PrepareAsync();
        Assert.Equal([4], await VersionsAsync());

        async Task<List<int>> VersionsAsync()
        {
            await using var database = made.Store.Open();
            return await database.Database.SqlQuery<int>($"SELECT version AS \"Value\" FROM schema_version").ToListAsync();
        }
    }

    [Theory, CombinatorialDatabases]
    public async Task Tables_of_an_unknown_version_are_left_alone(DatabaseKind kind)
    {
        using var made = await EmptyDatabase.CreateAsync(kind);
        await made.RunAsync("CREATE TABLE schema_version (version INTEGER NOT NULL); INSERT INTO schema_version VALUES (1)");

        var error = await Assert.ThrowsAsync<LatheException>(() => made.Store.PrepareAsync());

        Assert.Equal(FailureKind.Permanent, error.Kind);
        Assert.Contains("has tables of version 1, this program takes over the versions 2 to 3", error.Message);
        Assert.Equal(["schema_version"], await made.TablesAsync());
    }

    [Theory, CombinatorialDatabases]
    public async Task Tables_that_are_in_the_way_are_named_and_nothing_is_changed(DatabaseKind kind)
    {
        using var made = await EmptyDatabase.CreateAsync(kind);
        await made.RunAsync("CREATE TABLE sweeps (chimneys INTEGER)");

        var error = await Assert.ThrowsAsync<LatheException>(() => made.Store.PrepareAsync());

        Assert.Equal(FailureKind.Permanent, error.Kind);
        Assert.Contains("sweeps", error.Message);
        Assert.Contains("nothing in it was changed", error.Message);
        Assert.Equal(["sweeps"], await made.TablesAsync());
    }

    [Fact]
    public async Task A_file_that_is_no_database_is_refused()
    {
        using var made = await EmptyDatabase.CreateAsync(DatabaseKind.Sqlite);
        await File.WriteAllTextAsync(made.Address.File!, new string('x', 4096));

        var error = await Assert.ThrowsAsync<LatheException>(() => made.Store.PrepareAsync());

        Assert.Contains("not a database", error.Message);
    }

    [Fact]
    public async Task Every_connection_to_a_file_has_its_settings()
    {
        using var made = await EmptyDatabase.CreateAsync(DatabaseKind.Sqlite);
        await made.Store.PrepareAsync();
        await using var first = made.Store.Open();
        await first.Database.OpenConnectionAsync();
        // The first connection is in use, so this is another one.
        await using var second = made.Store.Open();

        foreach (var database in (CoordinatorDatabase[])[first, second])
        {
            Assert.Equal("wal", await database.Database.SqlQuery<string>($"SELECT journal_mode AS Value FROM pragma_journal_mode").SingleAsync());
            Assert.Equal(1, await database.Database.SqlQuery<int>($"SELECT synchronous AS Value FROM pragma_synchronous").SingleAsync());
            Assert.Equal(1, await database.Database.SqlQuery<int>($"SELECT foreign_keys AS Value FROM pragma_foreign_keys").SingleAsync());
        }
    }

    [Fact]
    public async Task Asking_about_a_database_that_is_not_there_makes_none()
    {
        var home = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName());

        Assert.False(await (await CoordinatorStore.ForReadingAsync(DatabaseAddress.In(home))).ExistsAsync());

        Assert.False(Directory.Exists(home));
    }

    [Fact]
    public async Task A_reader_who_may_not_write_beside_the_file_reads_it_as_it_stands()
    {
        using var made = await EmptyDatabase.CreateAsync(DatabaseKind.Sqlite);
        await made.Store.PrepareAsync();
        await made.RunAsync("INSERT INTO stages VALUES ('train', '1', '{}', '2030-01-01 12:00:00')");
        Microsoft.Data.Sqlite.SqliteConnection.ClearAllPools();

        var store = new CoordinatorStore(made.Address.Immutable());
        Assert.True(await store.ExistsAsync());
        await using var database = store.Open();
        Assert.Equal("train", (await database.Stages.SingleAsync()).Name);
        await Assert.ThrowsAnyAsync<Exception>(() => database.Stages.ExecuteDeleteAsync());
    }

    [Fact]
    public async Task A_home_that_cannot_be_made_is_named()
    {
        var error = await Assert.ThrowsAsync<LatheException>(() => new CoordinatorStore(DatabaseAddress.In("/proc/none")).PrepareAsync());

        Assert.Contains("/proc/none cannot be made", error.Message);
        Assert.Contains("--home or LATHE_HOME", error.Message);
    }

    [Fact]
    public async Task A_server_that_does_not_answer_is_named_without_the_password()
    {
        var address = DatabaseAddress.Parse("postgres://lathe:geheim@127.0.0.1:1/sweeps");

        var error = await Assert.ThrowsAsync<LatheException>(() => new CoordinatorStore(address).PrepareAsync());

        Assert.Equal(FailureKind.Transient, error.Kind);
        Assert.Contains("postgres://lathe@127.0.0.1:1/sweeps", error.Message);
        Assert.DoesNotContain("geheim", error.Message);
    }

    [Theory]
    [InlineData("postgres://")]
    [InlineData("mysql://me:geheim@host/db")]
    [InlineData("Host=a;Geheim=geheim")]
    public void What_is_no_address_is_refused_without_repeating_it(string text)
    {
        var error = Assert.Throws<LatheException>(() => DatabaseAddress.Load(HostingSettings.In("."), _ => text));

        Assert.Contains(DatabaseAddress.Variable, error.Message);
        Assert.DoesNotContain("geheim", error.Message, StringComparison.OrdinalIgnoreCase);
    }

    [Fact]
    public void An_address_may_be_a_connection_string()
    {
        Assert.Equal("postgres://me@db:5433/lathe", DatabaseAddress.Parse("Host=db;Port=5433;Username=me;Password=x;Database=lathe").ToString());
    }
}
