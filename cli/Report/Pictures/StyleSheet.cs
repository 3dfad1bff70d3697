using System.Text.RegularExpressions;
using System.Xml.Linq;

namespace Lathe.Cli.Report.Pictures;

/// <summary>
/// The part of CSS that <see cref="ReportStyle.Plots"/> is written in: variables of <c>:root</c>, and rules whose selectors are element
/// names, classes and descendants. What a medium changes is left out, so a picture is the light one.
/// </summary>
internal sealed partial class StyleSheet
{
    private static readonly string[] NotInherited = ["opacity", "display", "width", "height"];

    private readonly List<(string[] Selector, int Weight, IReadOnlyList<(string Property, string Value)> Declarations)> _rules = [];

    /// <summary>Reads a style sheet.</summary>
    public StyleSheet(string css)
    {
        var plain = Media().Replace(css, "");
        var variables = Rules().Matches(plain).Where(m => m.Groups[1].Value.Trim() == ":root")
            .SelectMany(m => Declarations(m.Groups[2].Value)).ToDictionary(d => d.Property, d => d.Value);
        foreach (Match rule in Rules().Matches(plain))
        {
            var selector = rule.Groups[1].Value.Split(' ', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
            if (selector is [":root"]) continue;
            // A class counts more than any number of element names.
            var weight = selector.Sum(part => (100 * part.Count(c => c == '.')) + (part.StartsWith('.') ? 0 : 1));
            var declarations = Declarations(rule.Groups[2].Value).Select(d => (d.Property, Variable().Replace(d.Value, m => variables[m.Groups[1].Value]))).ToList();
            _rules.Add((selector, weight, declarations));
        }

        // Of rules that count the same the later one wins.
        _rules = [.. _rules.OrderBy(r => r.Weight)];
        Paper = variables["--paper"];
    }

    /// <summary>Colour of the page behind a plot.</summary>
    public string Paper { get; }

    /// <summary>Every property of an element that is set, by its own rules, its attributes or what it inherits.</summary>
    /// <param name="element">The element.</param>
    /// <param name="inherited">Properties of the element around it.</param>
    public IReadOnlyDictionary<string, string> Of(XElement element, IReadOnlyDictionary<string, string> inherited)
    {
        var style = inherited.Where(p => !NotInherited.Contains(p.Key)).ToDictionary(p => p.Key, p => p.Value);
        foreach (var attribute in element.Attributes().Where(a => a.Name.LocalName is "fill-opacity")) style[attribute.Name.LocalName] = attribute.Value;
        foreach (var (property, value) in _rules.Where(r => Matches(element, r.Selector)).SelectMany(r => r.Declarations)) style[property] = value;
        return style;
    }

    private static bool Matches(XElement element, string[] selector) =>
        IsOne(element, selector[^1]) && (selector.Length == 1 || element.Ancestors().Any(a => Matches(a, selector[..^1])));

    private static bool IsOne(XElement element, string part)
    {
        var names = part.Split('.');
        var classes = element.Attribute("class")?.Value.Split(' ') ?? [];
        return (names[0].Length == 0 || names[0] == element.Name.LocalName) && names.Skip(1).All(classes.Contains);
    }

    private static IEnumerable<(string Property, string Value)> Declarations(string text) => text
        .Split(';', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries)
        .Select(d => d.Split(':', 2, StringSplitOptions.TrimEntries)).Select(d => (d[0], d[1]));

    [GeneratedRegex(@"@media[^{]*\{(?:[^{}]*\{[^{}]*\})*[^{}]*\}")]
    private static partial Regex Media();

    [GeneratedRegex(@"([^{}]+)\{([^{}]*)\}")]
    private static partial Regex Rules();

    [GeneratedRegex(@"var\((--[\w-]+)\)")]
    private static partial Regex Variable();
}
