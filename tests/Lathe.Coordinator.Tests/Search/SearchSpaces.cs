using CsCheck;

namespace Lathe.Coordinator.Tests;

/// <summary>Search spaces and histories of any form.</summary>
internal static class SearchSpaces
{
    public static readonly Gen<SearchSpace> Any =
        Gen.Select(Gen.Int[0, 6], Gen.Bool, (levels, isOrdered) => levels == 0 ? SearchDimension.Continuous : new SearchDimension(levels, isOrdered))
            .List[1, 6].Select(Gen.Bool, InStages);

    public static readonly Gen<SearchSpace> AnyFinite =
        Gen.Select(Gen.Int[1, 5], Gen.Bool, (levels, isOrdered) => new SearchDimension(levels, isOrdered)).List[1, 4].Select(Gen.Bool, InStages);

    /// <summary>The coordinates in the order of three stages, or nothing known of stages.</summary>
    public static SearchSpace InStages(IReadOnlyList<SearchDimension> dimensions, bool areKnown) => areKnown
        ? new SearchSpace([.. dimensions.Select((dimension, d) => dimension with { Stage = d * 3 / dimensions.Count })]) { StageCosts = [4, 2, 1] }
        : new SearchSpace(dimensions);

    /// <summary>Trials of a space with any outcome.</summary>
    public static SearchTrial[] History(SearchSpace space, int count, int objectives, long seed)
    {
        var draws = new SearchDraws(seed);
        return
        [
            .. Enumerable.Range(0, count).Select(_ =>
            {
                double[] point = [.. space.Dimensions.Select(draws.Coordinate)];
                double[] losses = [.. Enumerable.Range(0, objectives).Select(_ => Math.Round(draws.Normal(), 1))];
                return draws.Below(8) switch
                {
                    0 => new SearchTrial(point, TrialState.Open, []),
                    1 => new SearchTrial(point, TrialState.Failed, []),
                    2 => new SearchTrial(point, TrialState.Pruned, [], draws.Uniform()),
                    3 => new SearchTrial(point, TrialState.Done, losses, draws.Uniform()),
                    _ => new SearchTrial(point, TrialState.Done, losses),
                };
            }),
        ];
    }
}
