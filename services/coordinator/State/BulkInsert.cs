namespace Lathe.Coordinator;

internal static class BulkInsert
{
    public static async Task AddAsync(CoordinatorDatabase database, IEnumerable<NodeRow> nodes, CancellationToken stop)
    {
        database.Nodes.AddRange(nodes);
        await database.SaveChangesAsync(stop);
    }
}
