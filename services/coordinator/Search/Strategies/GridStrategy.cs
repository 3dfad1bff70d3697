namespace Lathe.Coordinator;

/// <summary>Every point of a finite space, the last coordinate fastest.</summary>
internal static class GridStrategy
{
    public static double[]? Next(SearchQuestion question) => question.Number < question.Space.Size ? question.Space.PointOf(question.Number) : null;
}
