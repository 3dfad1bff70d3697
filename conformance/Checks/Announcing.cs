using System.Text.Json;
using Lathe.Contracts;
using Lathe.Contracts.Messages;
using Lathe.Hosting;

namespace Lathe.Conformance.Checks;

/// <summary>Whether a stage is found, and what it says of itself.</summary>
internal static class Announcing
{
    public static IReadOnlyList<StageCheckOf> All { get; } =
    [
        new("announces", "answers who asks for stages, with a manifest that holds together", ManifestAsync),
        new("queues", "reads its queues, which have the arguments that everyone declares", QueuesAsync),
    ];

    private static async Task<string> ManifestAsync(Runs runs, CancellationToken stop)
    {
        var announced = await runs.FindAsync(stop);
        var manifest = announced.Manifest;
        if (manifest.Name.Length == 0 || !manifest.Name.All(c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c == '-'))
            throw new RefutedException($"its name is '{manifest.Name}', expected lower-case letters, digits and dashes");
        if (string.IsNullOrWhiteSpace(manifest.Version) || manifest.Version.Any(c => !char.IsAsciiLetterOrDigit(c) && c is not ('.' or '-' or '_')))
            throw new RefutedException($"its version is '{manifest.Version}', expected letters, digits, points and dashes");
        if (string.IsNullOrWhiteSpace(manifest.Summary)) throw new RefutedException("its manifest has no summary");
        if (manifest.ParametersSchema is not { ValueKind: JsonValueKind.Object } schema) throw new RefutedException("its manifest has no schema of the parameters");
        if (!schema.TryGetProperty("additionalProperties", out var others) || others.ValueKind != JsonValueKind.False)
            throw new RefutedException("its schema allows parameters that it does not name: expected additionalProperties: false, since a misspelt one would change nothing");
        foreach (var problem in ParametersSchema.Validate(schema, ParametersSchema.WithDefaults(schema, JsonElement.Parse("{}"))))
        {
            var name = JsonPointer.Steps(problem.Pointer).FirstOrDefault();
            if (name is not null && schema.GetProperty("properties").TryGetProperty(name, out var rule) && rule.TryGetProperty("default", out _))
                throw new RefutedException($"the default of {name} does not fit the schema: {problem.Message}");
        }

        if ((manifest.Metrics ?? []).GroupBy(m => m.Name).FirstOrDefault(g => g.Count() > 1) is { } twice)
            throw new RefutedException($"its manifest describes the metric '{twice.Key}' twice");
        return $"{manifest.Name} version {manifest.Version}, worker {announced.Worker}";
    }

    private static async Task<string> QueuesAsync(Runs runs, CancellationToken stop)
    {
        var manifest = (await runs.AnnouncedAsync(stop)).Manifest;
        await using var broker = new BrokerClient(runs.Options.Settings.Broker!);
        try
        {
            await broker.DeclareStageAsync(manifest.Name, manifest.Version, stop);
        }
        catch (LatheException e) when (e.Kind == FailureKind.Permanent)
        {
            throw new RefutedException(e.Message);
        }

        foreach (var queue in (string[])[Queues.Stage(manifest.Name, manifest.Version), Queues.Check(manifest.Name, manifest.Version)])
        {
            if (await runs.Seat.ReadersAsync(queue, stop) is not > 0) throw new RefutedException($"nobody reads the queue {queue}");
        }

        return "";
    }
}
