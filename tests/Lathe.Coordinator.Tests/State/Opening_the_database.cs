using Lathe.Contracts;
using Lathe.Hosting;
using Microsoft.EntityFrameworkCore;

namespace Lathe.Coordinator.Tests;

public sealed class Opening_the_database
{
    [Theory, CombinatorialDatabases]
    public async Task Tables_are_made_once_however_many_processes_start_at_the_same_time(DatabaseKind kind)
    {
        using var bench = await Workbench.StartAsync(kind);
        await using (var database = bench.Store.Open())
        {
            await database.Database.ExecuteSqlRawAsync(
                "DROP TABLE executions; DROP TABLE sweeps; DROP TABLE results; DROP TABLE stages; DROP TABLE schema_version");
        }

        await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => Task.Run(() => new CoordinatorStore(bench.Address).PrepareAsync())));

        Assert.True(await bench.Store.ExistsAsync());
        await bench.SubmitAsync(Stages.Sweep(("train", "{}")));
    }

    [Theory, CombinatorialDatabases]
    public async Task Tables_of_another_version_are_left_alone(DatabaseKind kind)
    {
        using var bench = await Workbench.StartAsync(kind);
        await using (var database = bench.Store.Open()) await database.Database.ExecuteSqlRawAsync("UPDATE schema_version SET version = 7");

        var error = await Assert.ThrowsAsync<LatheException>(() => bench.Store.PrepareAsync());

        Assert.Equal(FailureKind.Permanent, error.Kind);
        Assert.Contains("version 7", error.Message);
    }

    [Fact]
    public async Task Asking_about_a_database_that_is_not_there_makes_none()
    {
        var home = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName());
        var queries = new SweepQueries(new CoordinatorStore(DatabaseAddress.In(home)), TimeProvider.System);

        Assert.Empty(await queries.ListAsync());
        Assert.False(Directory.Exists(home));
    }

    [Fact]
    public async Task A_reader_who_may_not_write_beside_the_file_reads_it_as_it_stands()
    {
        using var bench = await Workbench.StartAsync();
        var id = await bench.SubmitAsync(Stages.Sweep(("train", "{}")));
        Microsoft.Data.Sqlite.SqliteConnection.ClearAllPools();

        var store = new CoordinatorStore(bench.Address.Immutable());
        Assert.Equal(id, Assert.Single(await new SweepQueries(store, TimeProvider.System).ListAsync()).Id);
        await using var database = store.Open();
        await Assert.ThrowsAnyAsync<Exception>(() => database.Sweeps.ExecuteDeleteAsync());
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
