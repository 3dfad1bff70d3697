namespace Lathe.Graph.Sizing;

/// <summary>Live channels of tensors as linear forms.</summary>
internal static class LiveForms
{
    /// <summary>How often one gate of each group is in a tensor; <see cref="Polynomial.Constant"/> for channels that always stay.</summary>
    public static Dictionary<int, long> LiveChannels(this ChannelGroups groups, string tensor)
    {
        var form = new Dictionary<int, long>();
        foreach (var gate in groups.GatesOf[tensor])
        {
            var group = gate < 0 ? Polynomial.Constant : groups.Gates[gate].Group;
            form[group] = form.GetValueOrDefault(group) + 1;
        }

        foreach (var group in form.Keys.Where(g => g != Polynomial.Constant).ToList())
            form[group] /= groups.Groups[group].Gates.Count;
        return form;
    }
}

/// <summary>A cost that is one polynomial.</summary>
internal sealed class PolynomialCost(Polynomial polynomial) : ICost
{
    public int Forms => 1;

    public void Evaluate(ReadOnlySpan<double> liveCounts, Span<double> forms) => forms[0] = polynomial.Evaluate(liveCounts);

    public void AddGradient(ReadOnlySpan<double> liveCounts, int form, double factor, Span<double> gradient) => polynomial.AddGradient(liveCounts, factor, gradient);
}
