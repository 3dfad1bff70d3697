using System.Globalization;
using Lathe.Contracts;
using Lathe.Reports.Terminals;
using Spectre.Console.Rendering;

namespace Lathe.Cli.Output;

/// <summary>Sweeps as a table, one line each, however long their names are.</summary>
internal static class SweepList
{
    /// <summary>An id begins with the time in milliseconds, which identifies a sweep.</summary>
    private const int IdCharacters = 13;

    private const int WideTerminal = 100;
    private const int LeastName = 8;

    /// <summary>Draws the table.</summary>
    /// <param name="sweeps">The sweeps.</param>
    /// <param name="now">Today, of which the time alone is shown where there is little room.</param>
    /// <param name="width">Columns of the terminal.</param>
    public static IRenderable Render(IReadOnlyList<SweepSummary> sweeps, DateTimeOffset now, int width)
    {
        var isWide = width >= WideTerminal;
        var gap = isWide ? TextTable.UsualGap : 1;
        var columns = new (TextColumn Head, Func<SweepSummary, string> Text)[]
        {
            ("state", s => Words.Of(s.State)),
            (new TextColumn("finished", IsRight: true), s => $"{s.Finished}/{s.Executions}"),
            (new TextColumn("running", IsRight: true), s => Number(s.Running)),
            (new TextColumn("failed", IsRight: true), s => Number(s.Failed)),
            (new TextColumn(isWide ? "priority" : "prio", IsRight: true), s => $"{s.Priority}"),
            ("submitted", s => isWide ? Moment(s.SubmittedAt, "yyyy-MM-dd HH:mm") : Short(s.SubmittedAt, now)),
        }.Select(c => (c.Head, Cells: sweeps.Select(c.Text).ToList())).ToList();
        // The names share what the others leave; a column has its gap behind it.
        var room = Math.Max(LeastName, width - IdCharacters - (2 * gap) - columns.Sum(c => gap + c.Cells.Select(cell => cell.Length).Append(c.Head.Title.Length).Max()));
        var table = new TextTable(["id", "name", .. columns.Select(c => c.Head)], gap);
        foreach (var (i, sweep) in sweeps.Index()) table.Add([sweep.Id.ToString()[..IdCharacters], ExecutionNames.Cut(sweep.Name, room), .. columns.Select(c => c.Cells[i])]);
        return table.Content;
    }

    private static string Number(int count) => count == 0 ? "" : Figures.Count(count);

    private static string Moment(DateTimeOffset moment, string format) => moment.ToLocalTime().ToString(format, CultureInfo.InvariantCulture);

    /// <summary>Today's by the time, others by the day.</summary>
    private static string Short(DateTimeOffset moment, DateTimeOffset now) => Moment(moment, moment.ToLocalTime().Date == now.ToLocalTime().Date ? "HH:mm" : "yyyy-MM-dd");
}
