using System.Text;
using Lathe.Contracts.Panels;
using Lathe.Hosting;
using Lathe.Reports.Drawings;
using Lathe.Reports.Pictures;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;

namespace Lathe.Coordinator;

/// <summary>Reads one execution: what is known of it, and the pictures of its result.</summary>
internal static class ExecutionRoutes
{
    public const string Svg = "image/svg+xml";

    /// <summary>An execution of a sweep, by its place in the tree.</summary>
    public static async Task<Ok<ExecutionDetail>> OfSweepAsync(string reference, int index, bool? why, ExecutionQueries executions, SweepTargets targets, CancellationToken stop)
    {
        var target = await targets.FindAsync(reference, null, index, stop);
        return TypedResults.Ok(await executions.DetailAsync(target.Sweep, index, why == true, stop));
    }

    /// <summary>An execution by any of its names.</summary>
    public static async Task<Ok<ExecutionDetail>> DetailAsync(string execution, bool? why, ExecutionQueries executions, SweepTargets targets, CancellationToken stop)
    {
        var (sweep, index) = await targets.ExecutionAsync(execution, stop);
        return TypedResults.Ok(await executions.DetailAsync(sweep, index, why == true, stop));
    }

    /// <summary>Executions that start from one of a sweep.</summary>
    public static async Task<Ok<TreePage>> TreeAsync(string reference, int? parent, int? after, int? limit, ExecutionQueries executions, SweepTargets targets, CancellationToken stop)
    {
        ReadingRoutes.CheckLimit(limit);
        var target = await targets.FindAsync(reference, null, parent, stop);
        return TypedResults.Ok(await executions.TreeAsync(target.Sweep, parent, after, limit ?? ReadingRoutes.UsualPage, stop));
    }

    /// <summary>Pictures and tables of a result as data.</summary>
    public static async Task<Ok<ExecutionPanels>> PanelsAsync(string execution, SweepTargets targets, CoordinatorStore store, ResultStore results, CancellationToken stop) =>
        TypedResults.Ok(new ExecutionPanels(await PanelsOfAsync(execution, targets, store, results, stop)));

    /// <summary>One of them, drawn.</summary>
    public static async Task<IResult> DrawnAsync(string execution, string panel, string? theme, SweepTargets targets, CoordinatorStore store, ResultStore results, CancellationToken stop)
    {
        bool? isDark = theme switch
        {
            null => null,
            "dark" => true,
            "light" => false,
            _ => throw new ApiFault(StatusCodes.Status400BadRequest, $"theme is '{theme}', expected light or dark"),
        };
        var panels = await PanelsOfAsync(execution, targets, store, results, stop);
        var found = panels.FirstOrDefault(p => p.Id == panel)
            ?? throw ApiFault.NotFound($"the execution has no panel '{panel}'; it has {(panels.Count == 0 ? "none" : string.Join(", ", panels.Select(p => p.Id)))}");
        var drawing = PanelDrawing.Of(found) ?? throw ApiFault.NotFound($"panel '{panel}' has nothing that can be drawn");
        return TypedResults.Text(SvgPicture.File(drawing, found.Title, isDark), Svg, Encoding.UTF8);
    }

    private static async Task<IReadOnlyList<Panel>> PanelsOfAsync(string execution, SweepTargets targets, CoordinatorStore store, ResultStore results, CancellationToken stop)
    {
        var (sweep, index) = await targets.ExecutionAsync(execution, stop);
        await using var database = store.Open();
        var key = await (
            from node in database.Nodes
            join run in database.Executions on node.ExecutionId equals (Guid?)run.Id
            where node.SweepId == sweep && node.Index == index && run.State == RunState.Completed
            select run.Key).FirstOrDefaultAsync(stop);
        return key is null ? [] : await Task.Run(() => results.Find(key)?.Panels, stop) ?? [];
    }
}
