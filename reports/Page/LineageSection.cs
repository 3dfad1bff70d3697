using System.Xml.Linq;
using Lathe.Reports.Results;

namespace Lathe.Reports.Page;

/// <summary>How checkpoints came about, and on what.</summary>
internal static class LineageSection
{
    /// <summary>Each checkpoint with what its stage says of itself.</summary>
    public static IEnumerable<XElement?> Of(SweepReport report) => report.Makers.Select(Of);

    /// <summary>What the stages ran on.</summary>
    public static IEnumerable<XElement?> Versions(SweepReport report)
    {
        var versions = report.Makers.SelectMany(e => e.Story?.Versions ?? new Dictionary<string, string>())
            .GroupBy(v => v.Key, v => v.Value).OrderBy(g => g.Key, StringComparer.Ordinal).ToList();
        if (versions.Count == 0) return [];
        var rows = versions.Select(v => Markup.Of("tr", Markup.Of("td", v.Key), Markup.Styled("td", "text", string.Join(", ", v.Distinct()))));
        return [Markup.Table([Markup.Head("what", isText: true), Markup.Head("version", isText: true)], rows)];
    }

    private static XElement Of(ReportedExecution execution)
    {
        var checkpoint = execution.Checkpoint!;
        return Markup.Folded(
            [$"{execution.Name} ", Code(Figures.Digest(checkpoint.Sha256))],
            [
                Markup.Styled("p", "soft", ["Checkpoint ", Code(checkpoint.Sha256), $", {Figures.Size(checkpoint.Bytes)}", .. Origin(execution.Story)]),
                .. Details(execution.Story),
            ]);
    }

    private static IEnumerable<object> Origin(CheckpointStory? story)
    {
        if (story?.Input is not null) yield return ", from ";
        if (story?.Input is { } from) yield return Code(Figures.Digest(from.Sha256));
        if (story is null) yield break;
        if (story.Data is { } data)
        {
            yield return $", {data.Name} ";
            yield return Code(Figures.Digest(data.Fingerprint));
        }

        yield return $", seed {story.Seed}, stage version {story.Version}";
    }

    private static IEnumerable<XElement> Details(CheckpointStory? story)
    {
        if (story is null) yield break;
        var facts = story.Facts.Select(f => $"{f.Key} {Figures.Fact(f.Value)}");
        yield return Markup.Styled("p", "soft", string.Join(", ", facts));
        yield return Markup.Of("pre", string.Join('\n', story.Parameters.EnumerateObject().Select(p => $"{p.Name}: {Ways.Value(p.Value)}")));
    }

    private static XElement Code(string text) => Markup.Of("code", text);
}
