using System.Text.RegularExpressions;
using Microsoft.EntityFrameworkCore;

namespace Lathe.Coordinator;

/// <summary>Asks for a part of a sweep's results.</summary>
/// <param name="Format"><c>json</c>, <c>csv</c> or <c>parquet</c>; null: json.</param>
/// <param name="Columns">Names of columns, in the order in which they are to stand; null: all.</param>
/// <param name="Rows">Indices of leaves, in the order in which they are to stand; null: all.</param>
public sealed record TableOrder(string? Format = null, IReadOnlyList<string>? Columns = null, IReadOnlyList<int>? Rows = null);

/// <summary>Results of a sweep as a table.</summary>
internal static partial class TableRoutes
{
    private const string CsvType = "text/csv; charset=utf-8";
    private const string ParquetType = "application/vnd.apache.parquet";

    /// <summary>All results, or a page of them.</summary>
    public static async Task<IResult> TableAsync(
        string reference, string? format, int? after, int? limit, HttpContext context, SweepQueries queries, SweepTargets targets, SweepVersions versions, CoordinatorStore store, CancellationToken stop)
    {
        ReadingRoutes.CheckLimit(limit);
        CheckFormat(format);
        var id = await targets.IdAsync(reference, stop);
        if (await versions.IsKnownAsync(context, id, stop)) return TypedResults.StatusCode(StatusCodes.Status304NotModified);
        var from = after ?? -1;
        var results = await queries.ResultsAsync(id.ToString(), after, limit ?? (after is null ? null : int.MaxValue), stop);
        await using var database = store.Open();
        var indices = await database.Nodes.Where(n => n.SweepId == id && n.IsLeaf && n.Index > from).OrderBy(n => n.Index).Select(n => n.Index).Take(results.Leaves.Count).ToListAsync(stop);
        return await AnswerAsync(ResultTable.Of(results, indices, await TrialQueries.FiguresAsync(database, id, stop)), format, id, database, stop);
    }

    /// <summary>Some rows and columns, in the order in which they are named.</summary>
    public static async Task<IResult> SomeAsync(string reference, HttpRequest request, SweepQueries queries, SweepTargets targets, CoordinatorStore store, CancellationToken stop)
    {
        var id = await targets.IdAsync(reference, stop);
        var wanted = await JsonBody.ReadAsync<TableOrder>(request, stop: stop);
        CheckFormat(wanted.Format);
        await using var database = store.Open();
        var indices = await database.Nodes.Where(n => n.SweepId == id && n.IsLeaf).OrderBy(n => n.Index).Select(n => n.Index).ToListAsync(stop);
        var table = ResultTable.Of(await queries.ResultsAsync(id.ToString(), stop: stop), indices);
        return await AnswerAsync(table.Of(wanted.Columns, wanted.Rows), wanted.Format, id, database, stop);
    }

    private static void CheckFormat(string? format)
    {
        if (format is not (null or "json" or "csv" or "parquet")) throw new ApiFault(StatusCodes.Status400BadRequest, $"format is '{format}', expected json, csv or parquet");
    }

    private static async Task<IResult> AnswerAsync(ResultTable table, string? format, Guid sweep, CoordinatorDatabase database, CancellationToken stop)
    {
        if (format is null or "json") return TypedResults.Ok(table);
        var name = await database.Sweeps.Where(s => s.Id == sweep).Select(s => s.Name).SingleAsync(stop);
        var file = $"{Odd().Replace(name, "_")}.{format}";
        return format == "csv"
            ? TypedResults.File(TableFiles.Csv(table), CsvType, file)
            : TypedResults.File(await TableFiles.ParquetAsync(table, stop), ParquetType, file);
    }

    /// <summary>What a name of a file had better not have.</summary>
    [GeneratedRegex("[^A-Za-z0-9_.-]")]
    private static partial Regex Odd();
}
