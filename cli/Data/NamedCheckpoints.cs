using System.Text.Json;
using Lathe.Cli.Embedded;
using Lathe.Contracts;
using Lathe.Hosting;

namespace Lathe.Cli.Data;

/// <summary>Checkpoints that a sweep starts from.</summary>
internal static class NamedCheckpoints
{
    /// <summary>Digests of the networks and weights that a sweep names, once it names them by digest.</summary>
    public static IReadOnlyList<string> Of(SweepSpec spec)
    {
        var weights = spec.Stages.SelectMany(stage =>
            ParametersSchema.Marked(BuiltInStages.Manifests.GetValueOrDefault(stage.Stage)?.ParametersSchema, WeightsFileAttribute.Keyword) is { } parameter
            && stage.Parameters.ValueKind == JsonValueKind.Object && stage.Parameters.TryGetProperty(parameter, out var value)
                ? value.ValueKind == JsonValueKind.Array ? value.EnumerateArray() : Enumerable.Repeat(value, 1)
                : Enumerable.Empty<JsonElement>());
        return
        [
            .. spec.Models.Select(StoredModel.Parameter).Where(StoredModel.IsDigest)
                .Concat(weights.Where(w => w.ValueKind == JsonValueKind.String).Select(w => w.GetString()!).Where(StoredModel.IsDigest)).Distinct(),
        ];
    }
}
