using Lathe.Contracts;
using Lathe.Hosting;

namespace Lathe.Cli.Sources;

/// <summary>Records of stages. They are in the store, not in the coordinator's database.</summary>
internal static class ResultRecords
{
    /// <summary>Adds the records of every stage that has some. If the store has none, the results stay unchanged.</summary>
    public static IReadOnlyList<LeafResult> AddTo(IReadOnlyList<LeafResult> leaves, HostingSettings settings)
    {
        var results = new ResultStore(settings);
        var read = new Dictionary<string, StoredResult?>();
        return [.. leaves.Select(leaf => leaf with { Stages = [.. leaf.Stages.Select(With)] })];

        StageResult With(StageResult stage)
        {
            if (stage.Key is not { } key) return stage;
            if (!read.TryGetValue(key, out var result)) read[key] = result = Find(key);
            return result?.Records is { } records ? stage with { Records = records } : stage;
        }

        StoredResult? Find(string key)
        {
            try
            {
                return results.Find(key);
            }
            catch (Exception e) when (e is LatheException or IOException or UnauthorizedAccessException)
            {
                return null;
            }
        }
    }
}
