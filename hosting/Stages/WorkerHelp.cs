using System.Reflection;
using System.Text.Json;
using Lathe.Contracts;

namespace Lathe.Hosting;

/// <summary>What the program of a stage says of itself.</summary>
internal static class WorkerHelp
{
    private const int Width = 34;

    private static readonly string[] Asking = ["--help", "-h", "-?", "/?"];

    /// <summary>The answer to a command line that asks for help or the version; null: it asks for neither.</summary>
    public static string? Answer(IReadOnlyList<string> args, StageManifest manifest) =>
        args.Any(Asking.Contains) ? Help(manifest) : args.Contains("--version") ? Version(manifest) : null;

    private static string Version(StageManifest manifest) =>
        $"stage {manifest.Name}, version {manifest.Version} (Lathe {typeof(WorkerHelp).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion.Split('+')[0]})";

    private static string Help(StageManifest manifest)
    {
        string[] lines =
        [
            $"Worker of stage {manifest.Name}, version {manifest.Version}: {manifest.Summary}",
            "",
            "It takes executions of its stage from a broker until it is stopped (SIGTERM or Ctrl-C).",
            "",
            "Options, each also a variable of the environment (in brackets); the option goes before the variable:",
            .. SettingsOptions.OfAll.Concat(SettingsOptions.OfWorkers).Select(option => Row(option.HelpName is { } value ? $"{option.Name} {value}" : option.Name, option.Description)),
            Row("--help", "Say this."),
            Row("--version", "Say stage, version and release of Lathe."),
            "",
            "Further variables: LATHE_CACHE_BYTES, LATHE_ONEDNN, AWS_ENDPOINT_URL_S3 and the other variables of AWS for buckets, OTEL_EXPORTER_OTLP_ENDPOINT for traces.",
            "",
            "Parameters of the stage in a sweep:",
            .. Parameters(manifest),
        ];
        return string.Join('\n', lines);
    }

    private static IEnumerable<string> Parameters(StageManifest manifest)
    {
        var parameters = manifest.ParametersSchema is { } schema && schema.TryGetProperty("properties", out var properties) ? properties.EnumerateObject().ToList() : [];
        return parameters.Count == 0 ? ["  none"] : parameters.Select(p => Row(p.Name, Text(p.Value)));
    }

    private static string Text(JsonElement rule)
    {
        if (rule.ValueKind != JsonValueKind.Object) return "";
        var description = rule.TryGetProperty("description", out var words) ? words.GetString() : "";
        return rule.TryGetProperty("default", out var value) && value.ValueKind != JsonValueKind.Null ? $"{description} [{value.GetRawText()}]".TrimStart() : description ?? "";
    }

    private static string Row(string name, string? text) => $"  {name.PadRight(Width - 4)}  {text}".TrimEnd();
}
