using System.Text.Json;
using Lathe.Contracts;
using Lathe.Hosting;

namespace Lathe.Coordinator;

/// <summary>
/// A submission may come from anybody, so that nothing in it is opened as a file or an address, neither by the coordinator nor by a worker: a model is a
/// name or a checkpoint of the store, and weights are a checkpoint of the store. The command line takes a user's files into the store first.
/// </summary>
internal static class ClosedPlaces
{
    private const int LongestName = 200;

    /// <summary>What is wrong with the name of a model; null: nothing.</summary>
    public static string? Model(string model)
    {
        if (string.IsNullOrWhiteSpace(model)) return "the model has no name";
        if (IsName(StoredModel.Shown(model))) return null;
        return $"'{Shortened(model)}' is no name of a model; expected one that 'lathe models' lists, or NAME:DIGEST with the digest of a checkpoint in the store. "
            + "A path or address is never opened: 'lathe submit' takes the file into the store first";
    }

    /// <summary>What is wrong with the weights that parameters name, with pointers into the parameters.</summary>
    public static IEnumerable<ParameterProblem> Weights(StageManifest? stage, JsonElement parameters)
    {
        if (ParametersSchema.Marked(stage?.ParametersSchema, WeightsFileAttribute.Keyword) is not { } name) yield break;
        if (!parameters.TryGetProperty(name, out var value) || value.ValueKind != JsonValueKind.String || value.GetString() is not { Length: > 0 } weights) yield break;
        if (!StoredModel.IsDigest(weights))
        {
            yield return ParameterProblem.Of(
                name,
                $"'{Shortened(weights)}' is no digest; expected the SHA-256 of a file in the store, 64 lower-case hexadecimal characters. "
                + "A path or address is never opened: 'lathe submit' takes the file into the store first");
        }
    }

    private static bool IsName(string name) =>
        name.Length <= LongestName && !name.StartsWith('.') && name.All(c => char.IsLetterOrDigit(c) || c is '.' or '_' or '-' or '@');

    private static string Shortened(string text) => text.Length <= LongestName ? text : text[..LongestName] + "...";
}
