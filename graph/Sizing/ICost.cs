namespace Lathe.Graph.Sizing;

/// <summary>
/// A cost of the network that surgery would leave, as a function of the live counts n_G of the channel groups: the greatest of one or more forms, none of which falls when a count grows. Parameters and
/// multiplications have one form. The memory at its peak has one for each moment at which tensors live, and a target for it is a target for each of them.
/// </summary>
public interface ICost
{
    /// <summary>Number of the forms, at least 1.</summary>
    int Forms { get; }

    /// <summary>The forms at these counts.</summary>
    /// <param name="liveCounts">n_G by group index.</param>
    /// <param name="forms">As many values as there are forms; overwritten.</param>
    void Evaluate(ReadOnlySpan<double> liveCounts, Span<double> forms);

    /// <summary>Adds a multiple of one form's gradient.</summary>
    /// <param name="liveCounts">n_G by group index.</param>
    /// <param name="form">Which form, from 0.</param>
    /// <param name="factor">Of the gradient.</param>
    /// <param name="gradient">By group index.</param>
    void AddGradient(ReadOnlySpan<double> liveCounts, int form, double factor, Span<double> gradient);
}

/// <summary>What follows from the forms of a cost.</summary>
public static class Costs
{
    /// <summary>The cost: the greatest of its forms.</summary>
    /// <param name="cost">The cost.</param>
    /// <param name="liveCounts">n_G by group index.</param>
    public static double Of(this ICost cost, ReadOnlySpan<double> liveCounts)
    {
        Span<double> forms = cost.Forms <= 64 ? stackalloc double[cost.Forms] : new double[cost.Forms];
        cost.Evaluate(liveCounts, forms);
        var most = forms[0];
        foreach (var form in forms) most = Math.Max(most, form);
        return most;
    }
}
