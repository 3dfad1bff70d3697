using System.Reflection.Metadata;
using System.Reflection.PortableExecutable;
using System.Text.Json;
using System.Xml.Linq;

namespace Lathe.Architecture.Tests;

/// <summary>The repository's projects as their files describe them.</summary>
public static class Repository
{
    public static string Root { get; } = FindRoot();

    /// <summary>Project files under top-level folders that hold the product, by project name.</summary>
    public static IReadOnlyDictionary<string, string> Rooms { get; } =
        new[] { "contracts", "graph", "nn", "hosting", "conformance", "exports", "reports", "web", "services", "cli" }
            .SelectMany(folder => Directory.EnumerateFiles(Path.Combine(Root, folder), "*.csproj", SearchOption.AllDirectories))
            .ToDictionary(file => Path.GetFileNameWithoutExtension(file)!, file => file, StringComparer.Ordinal);

    /// <summary>Projects that a project references by its own file.</summary>
    public static IReadOnlySet<string> ProjectReferences(string project) =>
        XDocument.Load(Rooms[project]).Descendants("ProjectReference")
            .Select(reference => Path.GetFileNameWithoutExtension(reference.Attribute("Include")!.Value.Replace('\\', '/')))
            .ToHashSet(StringComparer.Ordinal);

    /// <summary>Every package that a restore of the project brings along, from its lock file.</summary>
    public static IReadOnlySet<string> Packages(string project)
    {
        var lockFile = Path.Combine(Path.GetDirectoryName(Rooms[project])!, "packages.lock.json");
        using var json = JsonDocument.Parse(File.ReadAllText(lockFile));
        return json.RootElement.GetProperty("dependencies").EnumerateObject()
            .SelectMany(framework => framework.Value.EnumerateObject())
            .Where(package => package.Value.GetProperty("type").GetString() != "Project")
            .Select(package => package.Name)
            .ToHashSet(StringComparer.OrdinalIgnoreCase);
    }

    /// <summary>Assemblies that a project's compiled code names.</summary>
    public static IReadOnlyList<string> AssemblyReferences(string project)
    {
        using var file = new PEReader(File.OpenRead(Path.Combine(Output(project), $"{project}.dll")));
        var metadata = file.GetMetadataReader();
        return [.. metadata.AssemblyReferences.Select(reference => metadata.GetString(metadata.GetAssemblyReference(reference).Name))];
    }

    /// <summary>Names of the files that a build of the project delivers.</summary>
    public static IReadOnlyList<string> OutputFiles(string project) =>
        [.. Directory.EnumerateFiles(Output(project), "*", SearchOption.AllDirectories).Select(file => Path.GetFileName(file))];

    /// <summary>Where a project's build of the tests' own configuration lies: artifacts/bin/PROJECT/CONFIGURATION.</summary>
    private static string Output(string project) =>
        Path.Combine(Root, "artifacts", "bin", project, Path.GetFileName(Path.TrimEndingDirectorySeparator(AppContext.BaseDirectory)));

    private static string FindRoot()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "Pipeline.sln"))) return folder.FullName;
        }

        throw new InvalidOperationException($"no folder above {AppContext.BaseDirectory} holds Pipeline.sln");
    }
}
