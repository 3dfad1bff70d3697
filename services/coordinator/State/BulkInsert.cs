using System.Data.Common;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata;
using Microsoft.EntityFrameworkCore.Storage;
using Npgsql;

namespace Lathe.Coordinator;

/// <summary>Inserts many rows without tracking them: by COPY on PostgreSQL, by one prepared command on SQLite.</summary>
public static class BulkInsert
{
    /// <summary>Inserts rows in the context's transaction, or in one of its own if there is none.</summary>
    /// <param name="database">Gives connection, transaction and columns; its change tracker is not touched.</param>
    /// <param name="rows">New rows, read once. Numbers that the database generates are left to it and do not appear in the rows.</param>
    /// <param name="stop">Gives up; the transaction must then be rolled back.</param>
    /// <exception cref="DbException">A row violates a key or a reference.</exception>
    public static async Task AddAsync<TRow>(CoordinatorDatabase database, IEnumerable<TRow> rows, CancellationToken stop = default)
        where TRow : class
    {
        var entity = database.Model.FindEntityType(typeof(TRow)) ?? throw new ArgumentException($"{typeof(TRow).Name} has no table");
        var columns = entity.GetProperties().Where(p => !IsGenerated(p)).Select(p => new Column(p)).ToList();
        await using var own = database.Database.CurrentTransaction is null ? await database.Database.BeginTransactionAsync(stop) : null;
        if (database.Database.GetDbConnection() is NpgsqlConnection server) await CopyAsync(server, entity.GetTableName()!, columns, rows, stop);
        else await InsertAsync(database, entity.GetTableName()!, columns, rows, stop);
        if (own is not null) await own.CommitAsync(stop);
    }

    /// <summary>
    /// Has PostgreSQL count again what its plans are made from. It does so by itself about a minute after many rows were inserted; until then it takes a sweep of
    /// 10,000 for one of a few, and a page of it took 22 seconds. Does nothing on SQLite, and waits for nobody who counts already.
    /// </summary>
    public static async Task AnalyzeAsync(CoordinatorDatabase database, CancellationToken stop)
    {
        if (database.Database.GetDbConnection() is NpgsqlConnection)
            await database.Database.ExecuteSqlRawAsync("ANALYZE (SKIP_LOCKED) nodes, executions, step_counts", stop);
    }

    private static bool IsGenerated(IProperty property) => property.ValueGenerated == ValueGenerated.OnAdd && property.ClrType == typeof(long);

    private static async Task CopyAsync<TRow>(
        NpgsqlConnection connection, string table, List<Column> columns, IEnumerable<TRow> rows, CancellationToken stop)
        where TRow : class
    {
        await using var writer = await connection.BeginBinaryImportAsync($"COPY {Quoted(table)} ({Names(columns)}) FROM STDIN (FORMAT BINARY)", stop);
        foreach (var row in rows)
        {
            await writer.StartRowAsync(stop);
            foreach (var column in columns)
            {
                if (column.Of(row) is { } value) await writer.WriteAsync(value, column.Mapping.StoreType, stop);
                else await writer.WriteNullAsync(stop);
            }
        }

        await writer.CompleteAsync(stop);
    }

    private static async Task InsertAsync<TRow>(
        CoordinatorDatabase database, string table, List<Column> columns, IEnumerable<TRow> rows, CancellationToken stop)
        where TRow : class
    {
        await using var command = database.Database.GetDbConnection().CreateCommand();
        command.Transaction = database.Database.CurrentTransaction!.GetDbTransaction();
        var parameters = columns.Select((column, i) => column.Mapping.CreateParameter(command, $"@p{i}", null, nullable: true)).ToList();
        command.Parameters.AddRange(parameters.ToArray());
        command.CommandText = $"INSERT INTO {Quoted(table)} ({Names(columns)}) VALUES ({string.Join(", ", parameters.Select(p => p.ParameterName))})";
        foreach (var row in rows)
        {
            for (var i = 0; i < columns.Count; i++) parameters[i].Value = columns[i].Of(row) ?? DBNull.Value;
            // SQLite has no asynchronous input and output.
            stop.ThrowIfCancellationRequested();
            command.ExecuteNonQuery();
        }
    }

    private static string Names(List<Column> columns) => string.Join(", ", columns.Select(column => Quoted(column.Name)));

    private static string Quoted(string name) => $"\"{name}\"";

    /// <summary>A column as the model describes it, so that a new one cannot be forgotten here.</summary>
    private sealed class Column(IProperty property)
    {
        private readonly IClrPropertyGetter _getter = property.GetGetter();
        private readonly Func<object?, object?>? _convert = property.GetRelationalTypeMapping().Converter?.ConvertToProvider;

        public string Name { get; } = property.GetColumnName();

        public RelationalTypeMapping Mapping { get; } = property.GetRelationalTypeMapping();

        /// <summary>The row's value as the provider takes it; null for NULL.</summary>
        public object? Of(object row) => _getter.GetClrValue(row) is { } value && _convert is not null ? _convert(value) : _getter.GetClrValue(row);
    }
}
