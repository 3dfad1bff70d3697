namespace Lathe.Coordinator;

/// <summary>Points drawn evenly from the whole space, whatever came of the others.</summary>
internal static class RandomStrategy
{
    public static double[] Next(SearchQuestion question)
    {
        var draws = question.Draws();
        return [.. question.Space.Dimensions.Select(draws.Coordinate)];
    }
}
