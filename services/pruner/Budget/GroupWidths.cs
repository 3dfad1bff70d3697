namespace Lathe.Pruner.Budget;

/// <summary>
/// The widths that one channel group may have: multiples of <c>channelMultiple</c>, and its full width. At least one step is always open.
/// </summary>
/// <param name="Full">Channels of the group in the input network.</param>
/// <param name="Multiple">Step between widths.</param>
/// <param name="Prunable">False: only the full width.</param>
public readonly record struct GroupWidths(int Full, int Multiple, bool Prunable)
{
    /// <summary>The narrowest width allowed.</summary>
    public int Least => Prunable ? Math.Min(Multiple, Full) : Full;

    /// <summary>The next width below, or null at the narrowest.</summary>
    public int? Below(int width) => width <= Least ? null : Math.Max(Least, (width - 1) / Multiple * Multiple);

    /// <summary>The next width above, or null at full width.</summary>
    public int? Above(int width) => width >= Full ? null : Math.Min(Full, (width / Multiple + 1) * Multiple);

    /// <summary>The narrowest allowed width that holds this many channels.</summary>
    public int Covering(int width) =>
        !Prunable ? Full : Math.Clamp((width + Multiple - 1) / Multiple * Multiple, Least, Full);
}
