using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using System.Xml.Linq;

namespace Lathe.Architecture.Tests;

/// <summary>
/// The licence of every package in a lock file, as its own manifest says it, compared with docs/licences.md. After a change of packages: LATHE_RENEW_LICENCES=1, then read the difference.
/// </summary>
public sealed partial class Licences
{
    private const string Unknown = "?";

    /// <summary>Licences whose code may be part of, or be linked with, a program under Apache-2.0.</summary>
    private static readonly HashSet<string> InTheProduct = ["MIT", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "0BSD", "Zlib", "BSL-1.0", "Unlicense", "CC0-1.0", "PostgreSQL", "MS-PL", "BlueOak-1.0.0"];

    /// <summary>What only tests and benchmarks use is not given to anybody: these may stand beside it.</summary>
    private static readonly HashSet<string> BesideTheProduct = [.. InTheProduct, "LGPL-3.0-or-later", "MPL-2.0", "Python-2.0"];

    /// <summary>Packages whose manifest names a file, a page or nothing; a person read it.</summary>
    private static readonly Dictionary<string, string> Read = new(StringComparer.OrdinalIgnoreCase)
    {
        ["Microsoft.ML.OnnxRuntime"] = "MIT",
        ["Microsoft.ML.OnnxRuntime.Managed"] = "MIT",
        ["CommandLineParser"] = "MIT",
        ["Google.FlatBuffers"] = "Apache-2.0",
        ["K4os.Compression.LZ4"] = "MIT", // names a page only
        ["Microsoft.DotNet.PlatformAbstractions"] = "MIT",
        // Their READMEs: MIT. Parts of the S3 server of the tests.
        ["busboy"] = "MIT",
        ["dicer"] = "MIT",
        ["streamsearch"] = "MIT",
        ["humanize-number"] = "MIT",
        ["only"] = "MIT",
    };

    private static string List => Path.Combine(Repository.Root, "docs", "licences.md");

    [Fact]
    public void The_list_names_every_package_with_the_licence_that_the_package_names()
    {
        var found = Found();
        if (Environment.GetEnvironmentVariable("LATHE_RENEW_LICENCES") == "1") File.WriteAllText(List, Text(found));
        var listed = Listed();
        Assert.Equal(found.Select(p => (p.Source, p.Name, p.Version, p.IsInProduct)), listed.Select(p => (p.Source, p.Name, p.Version, p.IsInProduct)));
        // A package that no project of this build needs is not on this machine: then the list says what it was when it was.
        Assert.All(found.Zip(listed).Where(pair => pair.First.Licence != Unknown), pair => Assert.Equal(pair.First, pair.Second));
    }

    [Fact]
    public void Every_licence_goes_together_with_Apache_2()
    {
        Assert.NotEmpty(Listed());
        Assert.All(Listed(), package =>
        {
            var allowed = package.IsInProduct ? InTheProduct : BesideTheProduct;
            // Of "A OR B" one is enough; of "A AND B" all are needed.
            Assert.True(
                package.Licence.Split(" OR ").Any(choice => choice.Trim('(', ')').Split(" AND ").All(allowed.Contains)),
                $"{package.Name} {package.Version} is under {package.Licence}, which does not go together with Apache-2.0{(package.IsInProduct ? " in the product" : "")}");
        });
    }

    private static List<Package> Found() =>
    [
        .. NuGetPackages().Concat(NpmPackages()).GroupBy(p => (p.Source, p.Name, p.Version)).Select(same => same.First() with { IsInProduct = same.Any(p => p.IsInProduct) }).OrderBy(p => p.Source, StringComparer.Ordinal).ThenBy(p => p.Name, StringComparer.OrdinalIgnoreCase).ThenBy(p => p.Version, StringComparer.Ordinal),
    ];

    private static IEnumerable<Package> NuGetPackages()
    {
        var packages = new Dictionary<(string Name, string Version), bool>();
        foreach (var file in Files("packages.lock.json"))
        {
            using var json = JsonDocument.Parse(File.ReadAllText(file));
            foreach (var package in json.RootElement.GetProperty("dependencies").EnumerateObject().SelectMany(f => f.Value.EnumerateObject()).Where(p => p.Value.TryGetProperty("resolved", out _)))
            {
                var id = (package.Name, package.Value.GetProperty("resolved").GetString()!);
                packages[id] = packages.GetValueOrDefault(id) || IsProduct(file);
            }
        }

        return packages.Select(p => new Package("NuGet", p.Key.Name, p.Key.Version, OfManifest(p.Key.Name, p.Key.Version), p.Value));
    }

    private static string OfManifest(string name, string version)
    {
        if (Read.TryGetValue(name, out var read)) return read;
        var root = Environment.GetEnvironmentVariable("NUGET_PACKAGES") is { Length: > 0 } set ? set : Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".nuget", "packages");
        var (folder, file) = (name.ToLowerInvariant(), Path.Combine(root, name.ToLowerInvariant(), version.ToLowerInvariant(), $"{name.ToLowerInvariant()}.nuspec"));
        if (!File.Exists(file)) return Unknown;
        var licence = XDocument.Load(file).Descendants().FirstOrDefault(e => e.Name.LocalName == "license");
        return licence?.Attribute("type")?.Value == "expression"
            ? licence.Value
            : throw new InvalidOperationException($"{folder} {version} names no licence that a program could read: read it, and add it to {nameof(Licences)}.{nameof(Read)}");
    }

    private static IEnumerable<Package> NpmPackages()
    {
        foreach (var file in Files("package-lock.json"))
        {
            using var json = JsonDocument.Parse(File.ReadAllText(file));
            foreach (var package in json.RootElement.GetProperty("packages").EnumerateObject().Where(p => p.Name.Length > 0).DistinctBy(p => (NameOf(p.Name), p.Value.GetProperty("version").GetString())))
            {
                var name = NameOf(package.Name);
                var licence = Read.GetValueOrDefault(name) ?? (package.Value.TryGetProperty("license", out var named) ? named.GetString()! : throw new InvalidOperationException($"{name} in {file} names no licence: read it"));
                yield return new Package("npm", name, package.Value.GetProperty("version").GetString()!, licence, IsProduct(file));
            }
        }

        // Libraries that lie in the repository as files.
        foreach (var file in Files("VERSIONS.md"))
        {
            foreach (var row in File.ReadLines(file).SkipWhile(line => line != "| package | version | licence |").Skip(2).Select(line => line.Split('|', StringSplitOptions.TrimEntries)).TakeWhile(cells => cells.Length == 5))
                yield return new Package("npm", row[1], row[2], row[3], IsProduct(file));
        }

        static string NameOf(string path) => path[(path.LastIndexOf("node_modules/", StringComparison.Ordinal) + "node_modules/".Length)..];
    }

    /// <summary>Files of that name that belong to the repository, and not to what was built or installed.</summary>
    private static IEnumerable<string> Files(string name) =>
        Directory.EnumerateDirectories(Repository.Root).Where(folder => Path.GetFileName(folder) is not ("artifacts" or ".git"))
            .SelectMany(folder => Directory.EnumerateFiles(folder, name, SearchOption.AllDirectories)).Where(file => !file.Contains("node_modules", StringComparison.Ordinal));

    private static bool IsProduct(string file) => Path.GetRelativePath(Repository.Root, file).Split('/')[0] is not ("tests" or "benchmarks" or "eng");

    private static List<Package> Listed() => !File.Exists(List) ? [] :
    [
        .. File.ReadLines(List).Select(line => Row().Match(line)).Where(m => m.Success)
            .Select(m => new Package(m.Groups[1].Value, m.Groups[2].Value, m.Groups[3].Value, m.Groups[4].Value, m.Groups[5].Value == "yes")),
    ];

    private static string Text(IReadOnlyList<Package> packages)
    {
        var known = Listed().ToDictionary(p => (p.Source, p.Name, p.Version), p => p.Licence);
        var text = new StringBuilder(
            """
            # Licences of packages

            Every package in a lock file of this repository, with the licence that its own manifest names. A test compares this list with the packages, and refuses a licence that does not go together with
            Apache-2.0. [dependencies.md](dependencies.md) says what the packages are for. After a change of packages, renew the list and read the difference:

            ```sh
            LATHE_RENEW_LICENCES=1 artifacts/bin/Lathe.Architecture.Tests/debug/Lathe.Architecture.Tests --filter-class '*Licences*'
            ```

            | from | package | version | licence | in the product |
            |---|---|---|---|---|

            """);
        foreach (var p in packages)
        {
            var licence = p.Licence != Unknown ? p.Licence : known.GetValueOrDefault((p.Source, p.Name, p.Version), Unknown);
            text.Append(System.Globalization.CultureInfo.InvariantCulture, $"| {p.Source} | {p.Name} | {p.Version} | {licence} | {(p.IsInProduct ? "yes" : "")} |\n");
        }

        return text.ToString();
    }

    [GeneratedRegex(@"^\| (NuGet|npm) \| (\S+) \| (\S+) \| ([^|]+?) \| (yes)? ?\|$")]
    private static partial Regex Row();

    private sealed record Package(string Source, string Name, string Version, string Licence, bool IsInProduct);
}
