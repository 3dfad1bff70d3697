using Lathe.Contracts;

namespace Lathe.Cli.Output;

/// <summary>Names of executions that can be read alone: each with everything on the way to it that has a sibling.</summary>
internal sealed class ExecutionNames
{
    private const string Then = " > ";

    private readonly Dictionary<int, ExecutionStatus> _byIndex;
    private readonly Func<ExecutionStatus, string> _branch;

    /// <param name="executions">The executions and those that they start from.</param>
    /// <param name="isPart">True: the sweep has others.</param>
    public ExecutionNames(IReadOnlyList<ExecutionStatus> executions, bool isPart = false)
    {
        _byIndex = executions.ToDictionary(e => e.Index);
        var first = executions.Where(e => e.Parent is null).ToList();
        bool Differ<T>(Func<ExecutionStatus, T> part) => first.Select(part).Distinct().Skip(1).Any();
        var (models, datasets, seeds) = (Differ(e => e.Model), Differ(e => e.Dataset), Differ(e => e.Seed));
        if (isPart) _branch = e => $"{(models ? $"{StoredModel.Shown(e.Model)} " : "")}{(datasets ? $"{e.Dataset} " : "")}seed={e.Seed}: ";
        else if (models || datasets || seeds) _branch = e => $"{StoredModel.Shown(e.Model)} {e.Dataset} seed={e.Seed}: ";
        else _branch = _ => "";
    }

    /// <summary>The name of one of them.</summary>
    public string Of(ExecutionStatus execution)
    {
        var way = new Stack<string>();
        for (var at = execution; at is not null; at = at.Parent is { } parent ? _byIndex.GetValueOrDefault(parent) : null)
        {
            if (at == execution || at.Varied.Count > 0) way.Push(Ways.Label(at));
        }

        return _branch(execution) + string.Join(Then, way);
    }

    /// <summary>The same in lines of a width; a part that is longer is cut.</summary>
    public string Lines(ExecutionStatus execution, int width)
    {
        var lines = new List<string>();
        foreach (var part in Of(execution).Split(Then))
        {
            if (lines.Count > 0 && lines[^1].Length + Then.Length + part.Length <= width) lines[^1] += Then + part;
            else lines.Add(lines.Count == 0 ? part : $"> {part}");
        }

        return string.Join('\n', lines.Select(line => Cut(line, width)));
    }

    /// <summary>The end of the name, where it is longer than the width.</summary>
    public string End(ExecutionStatus execution, int width) => Of(execution) is var name && name.Length <= width ? name : $"…{name[^(width - 1)..]}";

    /// <summary>A text that is no longer than the width: what is too long lacks its middle, since names differ at their ends.</summary>
    public static string CutMiddle(string text, int width) => text.Length <= width ? text : $"{text[..(width / 2)]}…{text[^(width - (width / 2) - 1)..]}";

    /// <summary>A text that is no longer than the width.</summary>
    public static string Cut(string text, int width) => text.Length <= width ? text : $"{text[..(width - 1)]}…";
}
