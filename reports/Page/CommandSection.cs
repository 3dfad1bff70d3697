using System.Text.Json;
using System.Xml.Linq;
using Lathe.Contracts;
using Lathe.Reports.Results;

namespace Lathe.Reports.Page;

/// <summary>What to type to have it all again.</summary>
internal static class CommandSection
{
    public static IEnumerable<XElement?> Of(SweepReport report)
    {
        var leaves = report.Results.Leaves;
        var evaluate = leaves.Select((leaf, i) => (Checkpoint: Ways.Checkpoint(leaf), Number: i + 1)).Where(l => l.Checkpoint is not null)
            .Select(l => $"lathe evaluate {Figures.Digest(l.Checkpoint!.Sha256)}  # {l.Number}");
        return
        [
            Markup.Of("pre", string.Join('\n', [$"lathe results {report.Sweep.Id}", $"lathe report {report.Sweep.Id}", .. evaluate])),
            Markup.Styled("p", "soft", "Each result from the start, with every parameter spelled out; save it as a file and give it to ", Markup.Of("code", "lathe run"), ":"),
            .. leaves.Select((leaf, i) => Markup.Folded([$"{i + 1}: {report.Results.Name(i)}"], [Markup.Of("pre", SweepFile(report, leaf, i + 1))])),
        ];
    }

    /// <summary>A sweep file of one result.</summary>
    internal static string SweepFile(SweepReport report, LeafResult leaf, int number)
    {
        var threads = report.Makers.FirstOrDefault(e => leaf.Stages.Any(s => s.Checkpoint == e.Checkpoint))?.Story?.Versions.GetValueOrDefault("threads");
        return string.Join('\n',
        [
            $"name: {Quoted($"{report.Sweep.Name}-{number}")}",
            $"model: {Quoted(leaf.Model)}",
            $"dataset: {Quoted(leaf.Dataset)}",
            $"seed: {leaf.Seed}",
            .. threads is null ? Array.Empty<string>() : [$"threads: {threads}"],
            .. report.Sweep.Device is { } device ? [$"device: {device.ToString().ToLowerInvariant()}"] : Array.Empty<string>(),
            "stages:",
            .. leaf.Stages.Select(stage => Stage(stage, leaf.Model)),
        ]);
    }

    private static string Stage(StageResult stage, string model)
    {
        var parameters = stage.Parameters.EnumerateObject().Where(p => !Ways.IsModel(p.Value, model)).Select(p => $" {Quoted(p.Name)}: {CanonicalJson.Write(p.Value)}");
        return $"  - {Quoted(stage.Stage)}: {{{string.Join(",", parameters)} }}";
    }

    /// <summary>JSON's strings are YAML's too; a plain word needs no quotes.</summary>
    private static string Quoted(string text)
    {
        var isPlain = text.Length > 0 && !char.IsAsciiDigit(text[0]) && text.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_');
        return isPlain ? text : JsonSerializer.Serialize(text);
    }
}
