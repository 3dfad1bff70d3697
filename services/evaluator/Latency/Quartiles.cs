namespace Lathe.Evaluator.Latency;

/// <summary>The middle half of a series of times.</summary>
/// <param name="Low">A quarter of them are below.</param>
/// <param name="Median">Half of them are.</param>
/// <param name="High">Three quarters are.</param>
public sealed record Quartiles(double Low, double Median, double High)
{
    /// <summary>Of at least one number; between two of them in proportion.</summary>
    public static Quartiles Of(IEnumerable<double> values)
    {
        double[] sorted = [.. values.Order()];
        if (sorted.Length == 0) throw new ArgumentException("there are no values", nameof(values));
        return new Quartiles(At(0.25), At(0.5), At(0.75));

        double At(double share)
        {
            var place = share * (sorted.Length - 1);
            var below = (int)place;
            var above = Math.Min(below + 1, sorted.Length - 1);
            return sorted[below] + ((place - below) * (sorted[above] - sorted[below]));
        }
    }
}
