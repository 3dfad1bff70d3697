namespace Lathe.Pruner.Methods;

/// <summary>How hard HFP pulls, and towards which size, as training goes on. Everything is a function of t, the share of the pruning part done.</summary>
public static class HfpSchedule
{
    /// <summary>λ at the end of the pruning part over λ at its start.</summary>
    public const double Rise = 4;

    /// <summary>
    /// The target of the moment: from 1 down to the target along a cosine over the first <paramref name="glideShare"/>, then the target.
    /// A hard early push would close more than the budget asks, and cost accuracy that late epochs must win back.
    /// </summary>
    /// <param name="target">p* or m*, a share of the dense size.</param>
    /// <param name="glideShare">Share of the pruning part that the glide takes, 0 to 1.</param>
    /// <param name="t">Share of the pruning part done, 0 to 1.</param>
    public static double Target(double target, double glideShare, double t)
    {
        if (t >= glideShare) return target;
        return target + (1 - target) * 0.5 * (1 + Math.Cos(Math.PI * t / glideShare));
    }

    /// <summary>λ of the moment: rises exponentially from its start to <see cref="Rise"/> times that.</summary>
    public static double SizeWeight(double start, double t) => start * Math.Pow(Rise, t);
}
