using System.Text.Json;
using Microsoft.EntityFrameworkCore;

namespace Lathe.Coordinator;

/// <summary>An open trial that has ended further epochs.</summary>
/// <param name="Number">Number of the trial.</param>
/// <param name="Course">All of its figures epoch by epoch, one or several of each; less is better.</param>
/// <param name="At">When the last of these epochs ended.</param>
internal sealed record TrialArrival(int Number, IReadOnlyList<double[]> Course, DateTimeOffset At);

/// <summary>Finds how far open trials have come.</summary>
internal static class TrialCourses
{
    /// <summary>The figures that were kept of a trial.</summary>
    public static IReadOnlyList<double[]> Read(string? json) => json is null ? []
        : [.. JsonSerializer.Deserialize<JsonElement[]>(json)!.Select(epoch => epoch.ValueKind == JsonValueKind.Array ? epoch.Deserialize<double[]>()! : [epoch.GetDouble()])];

    /// <summary>The figures as they are kept: numbers where each epoch has one.</summary>
    public static string Write(IReadOnlyList<double[]> course) => course.All(epoch => epoch.Length == 1) ? JsonSerializer.Serialize(course.Select(epoch => epoch[0])) : JsonSerializer.Serialize(course);

    /// <summary>Open trials with further epochs, in the order in which those ended.</summary>
    public static async Task<IReadOnlyList<TrialArrival>> OfAsync(CoordinatorDatabase database, EarlyStops stops, IReadOnlyList<TrialRow> open, CancellationToken stop)
    {
        if (open.Count == 0) return [];
        var sweep = open[0].SweepId;
        var places = open.ToDictionary(t => t.Number, t => NodeOf(t, stops));
        var nodes = places.Values.ToHashSet();
        var points = await (
            from node in database.Nodes.AsNoTracking()
            join point in database.ProgressPoints.AsNoTracking() on node.ExecutionId equals (Guid?)point.ExecutionId
            where node.SweepId == sweep && nodes.Contains(node.Index)
            select new { node.Index, point }).ToListAsync(stop);
        var byNode = points.GroupBy(p => p.Index).ToDictionary(g => g.Key, g => g.Select(p => p.point).OrderBy(p => p.Epoch).ToList());
        var arrivals = new List<TrialArrival>();
        foreach (var trial in open)
        {
            var course = Read(trial.Course).ToList();
            var its = byNode.GetValueOrDefault(places[trial.Number], []).Where(p => p.Epoch > course.Count && p.Epoch <= stops.Epochs).ToList();
            if (its.Count == 0) continue;
            // Of an epoch whose report was lost the next one's figures count.
            foreach (var point in its)
            {
                while (course.Count < point.Epoch) course.Add(stops.Figures(point));
            }

            arrivals.Add(new TrialArrival(trial.Number, course, its[^1].At));
        }

        return [.. arrivals.OrderBy(a => a.At).ThenBy(a => a.Number)];
    }

    /// <summary>Index of the node whose epochs count.</summary>
    public static int NodeOf(TrialRow trial, EarlyStops stops) => JsonSerializer.Deserialize<List<List<int>>>(trial.Ways)![0][stops.Step];
}
