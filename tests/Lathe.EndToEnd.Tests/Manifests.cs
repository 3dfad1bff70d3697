using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;
using Lathe.Testing;
using YamlDotNet.Core;
using YamlDotNet.RepresentationModel;

namespace Lathe.EndToEnd.Tests;

/// <summary>deploy/ as a cluster would see it.</summary>
internal static class Manifests
{
    public static readonly string[] Overlays = ["dev", "production"];

    public static readonly string[] Components = ["gpu", "gpu-classes", "ingress", "kueue", "observability", "s3", "shared-volume", "tls"];

    private static readonly Dictionary<string, string> Rendered = [];

    public static string Folder { get; } = Path.Combine(Checkout.Root, "deploy", "k8s");

    /// <summary>Folder of node_modules that ./test makes, with this checkout's scripts in it.</summary>
    public static string TypesFolder()
    {
        var folder = Path.Combine(Checkout.Root, "artifacts", "deploy-types");
        Assert.SkipUnless(File.Exists(Path.Combine(folder, "installed.json")), "the types of Kubernetes' objects are not installed: ./test installs them");
        CopyScripts(folder);
        return folder;
    }

    // Once: classes of tests run side by side, and one may read what another copies.
    private static readonly Lock Copying = new();
    private static bool _isCopied;

    private static void CopyScripts(string folder)
    {
        lock (Copying)
        {
            if (_isCopied) return;
            var own = Path.Combine(Checkout.Root, "eng", "deploy");
            foreach (var script in Directory.EnumerateFiles(own, "*.*ts").Concat(Directory.EnumerateFiles(own, "*.mjs"))) File.Copy(script, Path.Combine(folder, Path.GetFileName(script)), overwrite: true);
            _isCopied = true;
        }
    }

    /// <summary>A program of the PATH; the test is skipped where it is not there.</summary>
    public static string Tool(string name)
    {
        var found = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Append(Path.Combine(Checkout.Root, "artifacts", "kubectl")).Select(p => Path.Combine(p, name)).FirstOrDefault(File.Exists);
        Assert.SkipWhen(found is null, $"{name} is not on the PATH: ./test installs it");
        return found!;
    }

    public static (int Code, string Output, string Errors) Run(string program, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        var errors = process.StandardError.ReadToEndAsync();
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, output, errors.Result);
    }

    /// <summary>YAML of the base, or of an overlay: <c>overlays/dev</c>.</summary>
    public static string Text(string place)
    {
        lock (Rendered)
        {
            if (!Rendered.TryGetValue(place, out var text)) Rendered[place] = text = Kustomize(Path.Combine(Folder, place));
            return text;
        }
    }

    /// <summary>YAML of the base with components.</summary>
    public static string WithComponents(params string[] components)
    {
        var folder = Directory.CreateTempSubdirectory("lathe-kustomize-").FullName;
        try
        {
            string Relative(string place) => Path.GetRelativePath(folder, Path.Combine(Folder, place));
            File.WriteAllText(Path.Combine(folder, "kustomization.yaml"), $"""
                apiVersion: kustomize.config.k8s.io/v1beta1
                kind: Kustomization
                resources: [{Relative("base")}]
                components: [{string.Join(", ", components.Select(c => Relative("components/" + c)))}]
                """);
            return Kustomize(folder);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    /// <summary>Objects of a YAML text, with the types of YAML's core schema.</summary>
    public static IReadOnlyList<JsonNode> Objects(string yaml)
    {
        var stream = new YamlStream();
        stream.Load(new StringReader(yaml));
        return [.. stream.Documents.Select(d => Json(d.RootNode)).OfType<JsonObject>()];
    }

    /// <summary>The object of a kind and a name.</summary>
    public static JsonNode Find(this IEnumerable<JsonNode> objects, string kind, string name) => Assert.Single(objects, o => o.Kind() == kind && o.Name() == name);

    public static string Kind(this JsonNode node) => node["kind"]!.GetValue<string>();

    public static string Name(this JsonNode node) => node["metadata"]!["name"]!.GetValue<string>();

    /// <summary>What lies at a path of names and numbers, <c>spec.triggers.0.type</c>; null: nothing does.</summary>
    public static JsonNode? At(this JsonNode? node, string path) => path.Split('.').Aggregate(node, (here, step) => here switch
    {
        JsonObject map => map[step],
        JsonArray list when int.TryParse(step, out var index) && index < list.Count => list[index],
        _ => null,
    });

    /// <summary>A label, whose name may have dots.</summary>
    public static string? Label(this JsonNode? metadata, string name) => metadata?["labels"]?[name]?.GetValue<string>();

    public static string? Word(this JsonNode? node, string path) => node.At(path)?.ToString();

    public static IEnumerable<JsonNode> List(this JsonNode? node, string path) => (node.At(path) as JsonArray ?? []).OfType<JsonNode>();

    private static string Kustomize(string folder)
    {
        var (code, output, errors) = Run(Tool("kubectl"), "kustomize", folder);
        Assert.True(code == 0, errors);
        return output;
    }

    private static JsonNode? Json(YamlNode node) => node switch
    {
        YamlMappingNode map => new JsonObject(map.Children.Select(c => new KeyValuePair<string, JsonNode?>(c.Key.ToString(), Json(c.Value)))),
        YamlSequenceNode list => new JsonArray([.. list.Select(Json)]),
        YamlScalarNode { Style: ScalarStyle.Plain } plain => plain.Value switch
        {
            null or "" or "null" or "~" => null,
            "true" => true,
            "false" => false,
            var text when long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number) => number,
            var text => text,
        },
        _ => ((YamlScalarNode)node).Value,
    };
}
