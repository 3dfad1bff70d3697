using System.Globalization;
using System.Text.RegularExpressions;
using Lathe.Contracts;
using Lathe.Hosting;

namespace Lathe.Coordinator;

/// <summary>A figure that a search looks at.</summary>
/// <param name="Name">As its author wrote it: a metric, or its share of the dense network's.</param>
/// <param name="Metric">The metric.</param>
/// <param name="IsShare">True: divided by the dense network's.</param>
internal sealed record SearchFigure(string Name, MetricDescriptor Metric, bool IsShare)
{
    /// <summary>The figure of a trial; null: no stage measured it, or it is no number.</summary>
    /// <param name="way">What each stage measured, first stage first.</param>
    public double? Of(IReadOnlyList<IReadOnlyDictionary<string, double>> way)
    {
        if (!IsShare) return Finite(way.LastOrDefault(m => m.ContainsKey(Name)), Name);
        var last = way.LastOrDefault(m => m.ContainsKey(Metric.Name));
        // The first stage on the way that knows the figure made the dense network.
        var dense = Metric.DenseName is { } name && last?.ContainsKey(name) == true ? last[name] : Finite(way.FirstOrDefault(m => m.ContainsKey(Metric.Name)), Metric.Name);
        return Finite(last, Metric.Name) is { } value && dense > 0 ? value / dense : null;
    }

    /// <summary>What is predicted of it; null: nothing.</summary>
    /// <param name="last">The network that leaves the last stage.</param>
    /// <param name="first">The network that leaves the first one.</param>
    public SizeRange? Of(NetworkForm? last, NetworkForm? first)
    {
        if (last?.Sizes.TryGetValue(Metric.Name, out var size) != true) return null;
        if (!IsShare) return Metric.Name == Name ? size : null;
        return first?.Sizes.TryGetValue(Metric.Name, out var dense) == true && dense.Least > 0 ? new SizeRange(size!.Least / dense.Most, size.Most / dense.Least) : null;
    }

    /// <summary>Finds a figure by its name among what the stages of a sweep measure.</summary>
    /// <param name="name">As its author wrote it.</param>
    /// <param name="metrics">Of all stages, in their order.</param>
    /// <param name="problem">Why it cannot be taken; null: it can.</param>
    public static SearchFigure? Find(string name, IReadOnlyList<MetricDescriptor> metrics, out string? problem)
    {
        problem = null;
        var own = metrics.Where(m => m.Name == name).ToList();
        var figure = own.Count > 0 ? new SearchFigure(name, own[^1], false)
            : metrics.LastOrDefault(m => (m.RatioName ?? LeafResult.RatioOf(m.Name)) == name && m.Format is MetricFormat.Count or MetricFormat.Bytes or MetricFormat.Seconds) is { } whole ? new SearchFigure(name, whole, true)
            : null;
        if (figure is null)
        {
            var names = metrics.Where(m => m.Split != DataSplit.Test).Select(m => m.Name).Distinct().ToList();
            problem = $"no stage of the sweep measures '{name}'{Nearest.Hint(name, names)}; they measure {string.Join(", ", names)}";
        }
        else if (own.Append(figure.Metric).Any(m => m.Split == DataSplit.Test))
        {
            var instead = metrics.Where(m => m.Split == DataSplit.Validation).Select(m => m.Name).Distinct().ToList();
            problem = $"'{name}' is measured on the test images, which decide nothing; name a figure of held-out training images"
                + (instead.Count == 0 ? "" : $": {string.Join(" or ", instead)}");
        }

        return problem is null ? figure : null;
    }

    private static double? Finite(IReadOnlyDictionary<string, double>? metrics, string name) =>
        metrics is not null && metrics.TryGetValue(name, out var value) && double.IsFinite(value) ? value : null;
}

/// <summary>What a search is to reach.</summary>
/// <param name="Figure">The figure.</param>
/// <param name="IsMaximized">True: more is better.</param>
internal sealed record ObjectiveTerm(SearchFigure Figure, bool IsMaximized)
{
    /// <summary>The figure as a loss, of which less is better.</summary>
    public double Loss(double figure) => IsMaximized ? -figure : figure;
}

/// <summary>What a result must keep.</summary>
/// <param name="Text">As its author wrote it.</param>
/// <param name="Figure">The figure.</param>
/// <param name="IsMost">True: at most the bound; false: at least.</param>
/// <param name="Bound">The bound.</param>
internal sealed partial record ConstraintTerm(string Text, SearchFigure Figure, bool IsMost, double Bound)
{
    private const string Expected = "expected METRIC <= NUMBER or METRIC >= NUMBER, for example 'multiplications <= 0.3' or 'bytes <= 40 KiB'";

    /// <summary>How far a figure breaks it, over the bound; 0: it keeps it.</summary>
    public double Violation(double figure) => Math.Max(0, (IsMost ? figure - Bound : Bound - figure) / Math.Max(Math.Abs(Bound), 1e-12));

    /// <summary>How far every network that is predicted breaks it; 0: some may keep it.</summary>
    public double Violation(SizeRange predicted) => Violation(IsMost ? predicted.Least : predicted.Most);

    /// <summary>The metric that a constraint names; null: it is none.</summary>
    public static string? NameIn(string text) => Written().Match(text) is { Success: true } written ? written.Groups["name"].Value : null;

    /// <summary>Reads a constraint.</summary>
    /// <param name="text">As its author wrote it.</param>
    /// <param name="metrics">Of all stages, in their order.</param>
    /// <param name="problem">Why it cannot be taken; null: it can.</param>
    public static ConstraintTerm? Read(string text, IReadOnlyList<MetricDescriptor> metrics, out string? problem)
    {
        if (Written().Match(text) is not { Success: true } written)
        {
            problem = $"'{text}' is no constraint; {Expected}";
            return null;
        }

        if (SearchFigure.Find(written.Groups["name"].Value, metrics, out problem) is not { } figure) return null;
        if (Number(written.Groups["bound"].Value) is not { } bound)
        {
            problem = $"'{written.Groups["bound"].Value}' is no number; {Expected}";
            return null;
        }

        // As in a budget of a stage: up to 1 it is a share of the dense network's size.
        if (!figure.IsShare && bound is > 0 and <= 1 && figure.Metric.Format is MetricFormat.Count or MetricFormat.Bytes) figure = figure with { IsShare = true };
        return new ConstraintTerm(text, figure, written.Groups["is"].Value == "<=", bound);
    }

    private static double? Number(string text)
    {
        if (double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var number)) return double.IsFinite(number) ? number : null;
        if (text.EndsWith('%') && double.TryParse(text[..^1], NumberStyles.Float, CultureInfo.InvariantCulture, out var percent)) return percent / 100;
        try
        {
            return ByteSize.Parse(text, "");
        }
        catch (LatheException)
        {
            return null;
        }
    }

    [GeneratedRegex(@"^\s*(?<name>[^\s<>=]+)\s*(?<is><=|>=)\s*(?<bound>\S.*?)\s*$")]
    private static partial Regex Written();
}
