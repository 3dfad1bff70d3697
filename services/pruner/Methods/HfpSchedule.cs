namespace Lathe.Pruner.Methods;

/// <summary>How hard HFP pulls, and towards which size, as training goes on. Everything is a function of t, the share of the pruning part done.</summary>
public static class HfpSchedule
{
    /// <summary>λ at the end of the pruning part over λ at its start.</summary>
    public const double Rise = 4;

    /// <summary>
    /// How far a step may move a magnitude in the mean over all channels and over the pruning part, in units of a layer's mean: faster than this the
    /// other weights cannot follow, and a network is pulled to pieces before its channels are chosen. It tells in schedules of fewer than two hundred
    /// steps until the choice; what the pull does not close there, the exact finish does (docs/results/hfp.md). As λ rises, the last steps are
    /// 1.85 times as long as the mean one (<see cref="Rise"/>·ln <see cref="Rise"/> / (<see cref="Rise"/> − 1)), and the channels of some groups
    /// move further than those of others.
    /// </summary>
    public const double MostPerStep = 0.01;

    /// <summary>How far the size loss alone may move a channel over the pruning part, in units of a layer's mean magnitude.</summary>
    /// <param name="sizeWeight">As asked for.</param>
    /// <param name="steps">Steps of the pruning part.</param>
    public static double Travel(double sizeWeight, double steps) => Math.Min(sizeWeight, MostPerStep * steps);

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

    /// <summary>
    /// λ of the moment. It rises exponentially to <see cref="Rise"/> times its start, and is such that the size loss alone would move the
    /// magnitudes of channels by <paramref name="travel"/> in the mean over the pruning part, whatever the network's size, the number of
    /// steps and the learning rate: half of ResNet-20 takes as hard a pull as half of ResNet-50.
    /// </summary>
    /// <param name="travel">How far, in units of a layer's mean magnitude.</param>
    /// <param name="meanPull">How far a step of 1 with λ = 1 moves a channel in the mean.</param>
    /// <param name="reach">How far a pull of 1 would move a parameter over the pruning part, <see cref="Reach"/>.</param>
    /// <param name="t">Share of the pruning part done, 0 to 1.</param>
    public static double SizeWeight(double travel, double meanPull, double reach, double t) =>
        travel / (meanPull * reach) * Math.Pow(Rise, t) * Math.Log(Rise) / (Rise - 1);

    /// <summary>
    /// How far steps of the learning rate's length go over the first <paramref name="share"/> of a cosine schedule: Σ η. The pull is no gradient of
    /// the optimizer's, so momentum adds nothing.
    /// </summary>
    /// <param name="from">Learning rate at the start of the schedule.</param>
    /// <param name="to">Learning rate at its end.</param>
    /// <param name="share">Above 0, at most 1.</param>
    /// <param name="steps">Steps in that share.</param>
    public static double Reach(double from, double to, double share, double steps) =>
        steps * (to + ((from - to) * 0.5 * (1 + (Math.Sin(Math.PI * share) / (Math.PI * share)))));
}
