using System.Text.RegularExpressions;
using Microsoft.EntityFrameworkCore;

namespace Lathe.Coordinator;

/// <summary>Results of a sweep as a table.</summary>
internal static partial class TableRoutes
{
    private const string CsvType = "text/csv; charset=utf-8";
    private const string ParquetType = "application/vnd.apache.parquet";

    public static async Task<IResult> TableAsync(
        string reference, string? format, int? after, int? limit, HttpContext context, SweepQueries queries, SweepTargets targets, SweepVersions versions, CoordinatorStore store, CancellationToken stop)
    {
        ReadingRoutes.CheckLimit(limit);
        if (format is not (null or "json" or "csv" or "parquet")) throw new ApiFault(StatusCodes.Status400BadRequest, $"format is '{format}', expected json, csv or parquet");
        var id = await targets.IdAsync(reference, stop);
        if (await versions.IsKnownAsync(context, id, stop)) return TypedResults.StatusCode(StatusCodes.Status304NotModified);
        var from = after ?? -1;
        var results = await queries.ResultsAsync(id.ToString(), after, limit ?? (after is null ? null : int.MaxValue), stop);
        await using var database = store.Open();
        var indices = await database.Nodes.Where(n => n.SweepId == id && n.IsLeaf && n.Index > from).OrderBy(n => n.Index).Select(n => n.Index).Take(results.Leaves.Count).ToListAsync(stop);
        var table = ResultTable.Of(results, indices);
        if (format is null or "json") return TypedResults.Ok(table);
        var name = await database.Sweeps.Where(s => s.Id == id).Select(s => s.Name).SingleAsync(stop);
        var file = $"{Odd().Replace(name, "_")}.{format}";
        return format == "csv"
            ? TypedResults.File(TableFiles.Csv(table), CsvType, file)
            : TypedResults.File(await TableFiles.ParquetAsync(table, stop), ParquetType, file);
    }

    /// <summary>What a name of a file had better not have.</summary>
    [GeneratedRegex("[^A-Za-z0-9_.-]")]
    private static partial Regex Odd();
}
