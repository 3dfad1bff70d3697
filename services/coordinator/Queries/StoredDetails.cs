using Lathe.Contracts;
using Lathe.Hosting;

namespace Lathe.Coordinator;

/// <summary>What stages kept beside their figures. It lies in the store, not in the database, and is read where somebody asks for it.</summary>
internal static class StoredDetails
{
    /// <summary>Adds records and panels of every stage that has some; without a store that has them the results stay as they are.</summary>
    /// <param name="results">Of one sweep.</param>
    /// <param name="store">Results by key.</param>
    public static SweepResults AddTo(SweepResults results, ResultStore store)
    {
        var read = new Dictionary<string, StoredResult?>();
        return results with { Leaves = [.. results.Leaves.Select(leaf => leaf with { Stages = [.. leaf.Stages.Select(With)] })] };

        StageResult With(StageResult stage)
        {
            if (stage.Key is not { } key) return stage;
            if (!read.TryGetValue(key, out var result)) read[key] = result = Find(key);
            return result is null ? stage : stage with { Records = result.Records, Panels = result.Panels };
        }

        StoredResult? Find(string key)
        {
            try
            {
                return store.Find(key);
            }
            catch (Exception e) when (e is LatheException or IOException or UnauthorizedAccessException)
            {
                return null;
            }
        }
    }
}
