using System.Text.Json;
using Lathe.Contracts;
using Microsoft.EntityFrameworkCore;

namespace Lathe.Coordinator.Tests;

public sealed class Inserting_many_rows
{
    private static readonly Guid Sweep = new("0190a1b2-c3d4-7000-8000-000000000001");

    [Theory, CombinatorialDatabases]
    public async Task They_read_as_if_they_had_been_added_one_by_one(DatabaseKind kind)
    {
        using var made = await EmptyDatabase.CreateAsync(kind);
        await made.Store.PrepareAsync();
        await using var database = made.Store.Open();
        SweepRow[] sweeps = [SweepOf(Sweep, "a 'name'")];
        var nodes = Nodes(Sweep, 3000).ToList();

        await BulkInsert.AddAsync(database, sweeps);
        await BulkInsert.AddAsync(database, nodes);

        Assert.Empty(database.ChangeTracker.Entries());
        Assert.Equal(Text(sweeps), Text(await database.Sweeps.AsNoTracking().ToListAsync()));
        Assert.Equal(Text(nodes), Text(await database.Nodes.AsNoTracking().OrderBy(n => n.Index).ToListAsync()));
        // Found by value too: the file has them in the form that queries compare with.
        Assert.Equal(1, await database.Nodes.CountAsync(n => n.ExecutionId == nodes[7].ExecutionId && n.Hold == NodeHold.Paused));
        Assert.Equal(1, await database.Sweeps.CountAsync(s => s.SubmittedAt == sweeps[0].SubmittedAt));
    }

    [Theory, CombinatorialDatabases]
    public async Task They_belong_to_the_transaction_of_the_context(DatabaseKind kind)
    {
        using var made = await EmptyDatabase.CreateAsync(kind);
        await made.Store.PrepareAsync();
        await using var database = made.Store.Open();

        await using (var transaction = await database.Database.BeginTransactionAsync())
        {
            database.Sweeps.Add(SweepOf(Sweep, "gone"));
            await database.SaveChangesAsync();
            await BulkInsert.AddAsync(database, Nodes(Sweep, 10));
            Assert.Equal(10, await database.Nodes.CountAsync());
            await transaction.RollbackAsync();
        }

        Assert.Equal(0, await database.Nodes.CountAsync());
        await Assert.ThrowsAnyAsync<System.Data.Common.DbException>(() => BulkInsert.AddAsync(database, Nodes(Sweep, 10)));
        Assert.Equal(0, await database.Nodes.CountAsync());
    }

    [Theory, CombinatorialDatabases]
    public async Task The_database_numbers_rows_that_it_numbers_otherwise(DatabaseKind kind)
    {
        using var made = await EmptyDatabase.CreateAsync(kind);
        await made.Store.PrepareAsync();
        await using var database = made.Store.Open();

        await BulkInsert.AddAsync(database, Enumerable.Range(0, 3).Select(i => new OutboxRow { Owner = "me", Attempt = i }));
        database.Outbox.Add(new OutboxRow { Owner = "me", Attempt = 3 });
        await database.SaveChangesAsync();

        Assert.Equal([0, 1, 2, 3], await database.Outbox.OrderBy(o => o.Id).Select(o => o.Attempt).ToListAsync());
    }

    private static SweepRow SweepOf(Guid id, string name) => new()
    {
        Id = id, Name = name, State = SweepState.Running, SubmittedAt = new DateTimeOffset(2030, 1, 1, 12, 0, 0, 123, TimeSpan.Zero), Owner = "me", ShareKey = "share",
        Device = DeviceKind.Cuda, Threads = 3, ShareWeight = 0.1, Limits = """{"failures": 3}""",
    };

    private static IEnumerable<NodeRow> Nodes(Guid sweep, int count) => Enumerable.Range(0, count).Select(i => new NodeRow
    {
        SweepId = sweep, Index = i, Parent = i == 0 ? null : i / 2, Point = i % 200, Branch = i % 3, IsLeaf = i > count / 2, BlockedBy = i % 7 == 0 ? 1 : null,
        Hold = (NodeHold)(i % 3),
        ExecutionId = i % 2 == 0 ? null : new Guid(i, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10),
    });

    private static string Text<T>(IEnumerable<T> rows) => JsonSerializer.Serialize(rows);
}
