using System.Text.Json;
using System.Text.Json.Nodes;
using Lathe.Contracts;
using Lathe.Coordinator;
using Lathe.Hosting;

namespace Lathe.Cli.Embedded;

/// <summary>Other parameters for executions that run again in an embedded run.</summary>
internal static class ParameterMends
{
    /// <summary>The parameters of a point of the grid with what a person set.</summary>
    /// <param name="set">Parameters by stage.</param>
    /// <returns>For each point its parameters; null where nothing of its stage was set. It throws where the stage refuses them.</returns>
    public static Func<PointRow, JsonElement?> Of(IReadOnlyDictionary<string, JsonElement> set) => point =>
    {
        if (!set.TryGetValue(point.Stage, out var given)) return null;
        var merged = JsonNode.Parse(point.Parameters)!.AsObject();
        foreach (var parameter in given.EnumerateObject()) merged[parameter.Name] = JsonNode.Parse(parameter.Value.GetRawText());
        var parameters = JsonSerializer.SerializeToElement(merged);
        if (BuiltInStages.Manifests.GetValueOrDefault(point.Stage)?.ParametersSchema is { } schema && ParametersSchema.Validate(schema, parameters) is { Count: > 0 } problems)
            throw new LatheException(string.Join('\n', problems.Select(p => $"--set {point.Stage}{p.Pointer.Replace('/', '.')}: {p.Message}")));
        return parameters;
    };
}
