namespace Lathe.Coordinator;

/// <summary>One coordinate of a search space. Every coordinate is a number from 0 to 1, whatever it stands for.</summary>
/// <param name="Levels">Number of values, which stand in the middle of as many equal parts of 0 to 1; 0: any number from 0 to 1 is a value.</param>
/// <param name="IsOrdered">True: neighbouring values are alike. False: the values are names.</param>
public sealed record SearchDimension(int Levels, bool IsOrdered)
{
    /// <summary>Place of the first stage, from 0, whose work depends on it: trials that differ in later coordinates alone share what this stage makes.</summary>
    public int Stage { get; init; }

    /// <summary>Any number from 0 to 1.</summary>
    public static SearchDimension Continuous { get; } = new(0, true);

    /// <summary>The nearest value.</summary>
    public double Snap(double coordinate) => Levels == 0 ? Math.Clamp(coordinate, 0, 1) : At(LevelOf(coordinate));

    /// <summary>Number of the nearest value, from 0.</summary>
    public int LevelOf(double coordinate) => Math.Clamp((int)Math.Floor(coordinate * Levels), 0, Levels - 1);

    /// <summary>Coordinate of a value.</summary>
    public double At(int level) => (level + 0.5) / Levels;
}

/// <summary>What a search may choose from.</summary>
/// <param name="Dimensions">In the order of a point's coordinates.</param>
public sealed record SearchSpace(IReadOnlyList<SearchDimension> Dimensions)
{
    /// <summary>What one execution of each stage costs, in any unit; empty: nothing is known of stages.</summary>
    public IReadOnlyList<double> StageCosts { get; init; } = [];

    /// <summary>What a point costs beyond the work that it shares with trials: all stages from the first one on that no trial had with the same coordinates. 0 for a point that is there already.</summary>
    public double CostOf(IReadOnlyList<double> point, IReadOnlyList<SearchTrial> history)
    {
        var shared = 0;
        foreach (var trial in history)
        {
            // What was never computed, and what failed, has nothing to share.
            if (trial.State is TrialState.Pruned or TrialState.Failed) continue;
            var first = StageCosts.Count;
            for (var d = 0; d < point.Count; d++)
            {
                if (point[d] != trial.Point[d]) first = Math.Min(first, Dimensions[d].Stage);
            }

            shared = Math.Max(shared, first);
        }

        return StageCosts.Skip(shared).Sum();
    }

    /// <summary>Number of different points; infinite where a coordinate may be any number.</summary>
    public double Size => Dimensions.Aggregate(1.0, (size, d) => size * (d.Levels == 0 ? double.PositiveInfinity : d.Levels));

    /// <summary>The point of a finite space with this number; the last coordinate changes fastest.</summary>
    public double[] PointOf(long number)
    {
        var point = new double[Dimensions.Count];
        for (var d = point.Length - 1; d >= 0; d--)
        {
            point[d] = Dimensions[d].At((int)(number % Dimensions[d].Levels));
            number /= Dimensions[d].Levels;
        }

        return point;
    }

    /// <summary>Number of a point of a finite space, as in <see cref="PointOf"/>.</summary>
    public long NumberOf(IReadOnlyList<double> point)
    {
        var number = 0L;
        for (var d = 0; d < point.Count; d++) number = (number * Dimensions[d].Levels) + Dimensions[d].LevelOf(point[d]);
        return number;
    }
}

/// <summary>Where a trial stands.</summary>
public enum TrialState
{
    /// <summary>Chosen, and not finished.</summary>
    Open,

    /// <summary>Its figures are known.</summary>
    Done,

    /// <summary>It ended without figures.</summary>
    Failed,

    /// <summary>Stopped before its end, with its training state kept.</summary>
    Stopped,

    /// <summary>Never computed: what was predicted of it breaks a constraint, or a stage refuses it.</summary>
    Pruned,
}

/// <summary>A point that was chosen, with what came of it.</summary>
/// <param name="Point">Its coordinates.</param>
/// <param name="State">Where it stands.</param>
/// <param name="Losses">One for each objective, less is better; empty unless it is done.</param>
/// <param name="Violation">How far it breaks the constraints, as far as known: 0 where it keeps all of them.</param>
public sealed record SearchTrial(IReadOnlyList<double> Point, TrialState State, IReadOnlyList<double> Losses, double Violation = 0)
{
    /// <summary>True: it has figures and keeps the constraints.</summary>
    public bool IsFeasible => State == TrialState.Done && Violation <= 0;
}
