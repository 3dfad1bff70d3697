using System.CommandLine;
using System.Text;
using Lathe.Cli.Output;
using Lathe.Cli.Sources;
using Lathe.Contracts;
using Lathe.Reports.Drawings;
using Lathe.Reports.Page;
using Lathe.Reports.Pictures;

namespace Lathe.Cli.Commands;

/// <summary><c>lathe report SWEEP</c></summary>
internal static class ReportCommand
{
    public static Command Create()
    {
        var sweep = StatusCommand.SweepReference();
        var output = new Option<string?>("--out") { Description = "File to write. [default: the sweep's name with .html, in this folder]", HelpName = "FILE" };
        var plots = new Option<string?>("--svg") { Description = "Also write each plot and table as an SVG file into this folder, which is made.", HelpName = "FOLDER" };
        var pictures = new Option<string?>("--png") { Description = "Also write each plot and table as a PNG file, plots 1,080 pixels wide, into this folder, which is made.", HelpName = "FOLDER" };
        var command = new DetailedCommand(
            "report",
            "Writes a page with the results of a sweep and their history: one HTML file that needs no other files.",
            """
            The results come from the database under --home, or from --coordinator; the plots from the checkpoints in --store.
            What is not there is left out, and the page says so.

            Examples:
              lathe report fashion-lenet5
              lathe report fashion-lenet5 --out /tmp/report.html --svg /tmp/plots --png /tmp/plots
            """) { sweep, output, plots, pictures };
        command.SetAction(async (call, stop) =>
        {
            if (call.GetValue(output) is { } named) OutputFile.Check(output.Name, named);
            MakeFolder(plots.Name, call.GetValue(plots));
            MakeFolder(pictures.Name, call.GetValue(pictures));
            var reader = StatusCommand.Reader(call);
            using var _ = reader as IDisposable;
            var report = await ReportSource.ReadAsync(reader, call.GetValue(sweep)!, CommonOptions.Settings(call), stop);
            Write(report, output.Name, call.GetValue(output) ?? FileName(report.Sweep.Name));
            WritePlots(report, plots.Name, call.GetValue(plots), "svg", (drawing, title) => Encoding.UTF8.GetBytes(SvgPicture.File(drawing, title)));
            WritePlots(report, pictures.Name, call.GetValue(pictures), "png", PngPicture.File);
            return LatheCommand.Success;
        });
        return command;
    }

    private static void Write(SweepReport report, string option, string file)
    {
        OutputFile.Check(option, file);
        OutputFile.Write(option, file, ReportPage.Html(report));
        Console.Out.WriteLine(Path.GetFullPath(file));
    }

    private static void WritePlots(SweepReport report, string option, string? folder, string ending, Func<Drawing, string, byte[]> content)
    {
        if (folder is null) return;
        foreach (var shown in ReportPage.Panels(report))
        {
            if (PanelDrawing.Of(shown.Panel) is { } drawing)
                OutputFile.Write(option, Path.Combine(folder, $"{FileStem(shown.File)}.{ending}"), content(drawing, shown.Title));
        }
    }

    private static void MakeFolder(string option, string? folder)
    {
        if (folder is null) return;
        if (File.Exists(folder)) throw new LatheException($"{option} {folder}: is a file, expected a folder");
        try
        {
            Directory.CreateDirectory(folder);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new LatheException($"{option} {folder}: cannot be made: {e.Message}", inner: e);
        }
    }

    /// <summary>A sweep's name comes from a file that anybody may have written, and must not choose a folder.</summary>
    public static string FileName(string sweep) => $"{FileStem(sweep)}.html";

    private static string FileStem(string name)
    {
        var stem = string.Concat(name.Select(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.' ? c : '-')).Trim('.', '-');
        return stem.Length == 0 ? "report" : stem;
    }
}
