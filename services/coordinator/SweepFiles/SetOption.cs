using Lathe.Contracts;
using Lathe.Hosting;

namespace Lathe.Coordinator;

/// <summary>One <c>--set</c>: a parameter of every stage of a name, or a key of the sweep itself.</summary>
/// <param name="Text">As the user wrote it.</param>
/// <param name="Stage">Stage name, or null for a key of the sweep.</param>
/// <param name="Name">Parameter or key.</param>
/// <param name="Value">Read as YAML; a list is an axis.</param>
internal sealed record SetOption(string Text, string? Stage, string Name, YamlValue Value)
{
    private static readonly string[] SweepKeys = ["name", "model", "dataset", "seed", "threads", "device", "pool", "priority", "share", "weight"];

    /// <summary>Reads all options; the last of two for the same name wins.</summary>
    /// <exception cref="LatheException">All problems, one line each.</exception>
    public static IReadOnlyList<SetOption> ParseAll(IReadOnlyList<string> texts) => ParseAll(
        texts, "expected stage.parameter=value, for example --set prune.multiplications=0.25, search.KEY=value, or seed=, model=, dataset=, threads=, device=, name=");

    /// <summary>The same where only parameters of stages can be set.</summary>
    /// <exception cref="LatheException">All problems, one line each.</exception>
    public static IReadOnlyList<SetOption> ParseParameters(IReadOnlyList<string> texts)
    {
        const string Expected = "expected stage.parameter=value, for example --set train.batchSize=64";
        var options = ParseAll(texts, Expected);
        var others = options.Where(o => o.Stage is null or "search").Select(o => $"--set {o.Text}: what runs again can get other parameters of its stages; {Expected}. For another {(o.Stage is null ? o.Name : "search")} run another sweep").ToList();
        return others.Count == 0 ? options : throw new LatheException(string.Join('\n', others));
    }

    private static List<SetOption> ParseAll(IReadOnlyList<string> texts, string expected)
    {
        var options = new List<SetOption>();
        var problems = new List<string>();
        foreach (var text in texts)
        {
            try
            {
                options.Add(Parse(text, expected));
            }
            catch (LatheException problem)
            {
                problems.Add(problem.Message);
            }
        }

        return problems.Count == 0 ? options : throw new LatheException(string.Join('\n', problems));
    }

    private static SetOption Parse(string text, string expected)
    {
        var equals = text.IndexOf('=', StringComparison.Ordinal);
        if (equals < 0) throw new LatheException($"--set {text}: has no \"=\"; {expected}");
        var parts = text[..equals].Trim().Split('.');
        var value = ReadValue(text, text[(equals + 1)..]);
        return parts switch
        {
            [var key] when SweepKeys.Contains(key) => new SetOption(text, null, key, value),
            [var key] => throw new LatheException($"--set {text}: {key} is no key that can be set; {expected}{Nearest.Hint(key, SweepKeys)}"),
            [{ Length: > 0 } stage, { Length: > 0 } name] => new SetOption(text, stage, name, value),
            _ => throw new LatheException($"--set {text}: {expected}"),
        };
    }

    private static YamlValue ReadValue(string text, string value)
    {
        try
        {
            return YamlTree.Read(value) is { } read and not YamlScalar { IsNull: true }
                ? read
                : throw new LatheException($"--set {text}: has no value after \"=\"");
        }
        catch (YamlProblemException problem)
        {
            throw new LatheException($"--set {text}: the value {problem.Message}", inner: problem);
        }
    }
}
