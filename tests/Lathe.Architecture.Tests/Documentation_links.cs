using System.Text.RegularExpressions;

namespace Lathe.Architecture.Tests;

/// <summary>Links between the pages of the documentation: each leads to a file, and to a heading in it, that exists.</summary>
public sealed partial class Documentation_links
{
    public static TheoryData<string> Pages =>
    [
        "CONTRIBUTING.md", "README.md", "benchmarks/README.md",
        .. Directory.GetFiles(Path.Combine(Repository.Root, "docs"), "*.md", SearchOption.AllDirectories).Select(path => Path.GetRelativePath(Repository.Root, path)).Order(StringComparer.Ordinal),
    ];

    [Theory]
    [MemberData(nameof(Pages))]
    public void Lead_to_files_and_headings_that_exist(string page)
    {
        var path = Path.Combine(Repository.Root, page);
        var broken = Link().Matches(File.ReadAllText(path))
            .Select(match => (File: match.Groups[1].Value, Heading: match.Groups[2].Value))
            .Where(link => !link.File.Contains("://", StringComparison.Ordinal))
            .Where(link => !Exists(link.File.Length == 0 ? path : Path.Combine(Path.GetDirectoryName(path)!, link.File), link.Heading))
            .Select(link => $"{link.File}#{link.Heading}");
        Assert.Empty(broken);
    }

    private static bool Exists(string file, string heading) =>
        File.Exists(file) && (heading.Length == 0 || File.ReadLines(file).Where(line => line.StartsWith('#')).Select(Anchor).Contains(heading));

    /// <summary>The anchor of a heading as GitHub makes it: lower case, without punctuation, with dashes for spaces.</summary>
    private static string Anchor(string line) => Punctuation().Replace(line.TrimStart('#').Trim().ToLowerInvariant(), "").Replace(' ', '-');

    [GeneratedRegex(@"\]\(([^)#\s]*)#?([^)\s]*)\)")]
    private static partial Regex Link();

    [GeneratedRegex(@"[^\p{L}\p{N} _-]")]
    private static partial Regex Punctuation();
}
