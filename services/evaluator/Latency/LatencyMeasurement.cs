using System.Diagnostics;

namespace Lathe.Evaluator.Latency;

/// <summary>
/// Times of several ways to do the same, taken in turns in one process, so that whatever slows the machine slows all of them alike and
/// their ratio means something.
/// </summary>
public static class LatencyMeasurement
{
    /// <summary>Milliseconds of one run of each, in the order given.</summary>
    /// <param name="contestants">What to time.</param>
    /// <param name="rounds">How often each is timed.</param>
    /// <param name="least">A round repeats a contestant for at least so long, and counts the mean.</param>
    /// <param name="stop">Checked between rounds.</param>
    public static IReadOnlyList<Quartiles> Of(IReadOnlyList<Action> contestants, int rounds, TimeSpan least, CancellationToken stop)
    {
        var repeats = contestants.Select(contestant => Repeats(contestant, least)).ToArray();
        var times = contestants.Select(_ => new List<double>(rounds)).ToArray();
        for (var round = 0; round < rounds; round++)
        {
            stop.ThrowIfCancellationRequested();
            for (var i = 0; i < contestants.Count; i++)
            {
                // Each begins every other round, for what ran before leaves the caches full of its own.
                var turn = (round & 1) == 0 ? i : contestants.Count - 1 - i;
                var start = Stopwatch.GetTimestamp();
                for (var repeat = 0; repeat < repeats[turn]; repeat++) contestants[turn]();
                times[turn].Add(Stopwatch.GetElapsedTime(start).TotalMilliseconds / repeats[turn]);
            }
        }

        return [.. times.Select(Quartiles.Of)];
    }

    private static int Repeats(Action contestant, TimeSpan least)
    {
        // The first runs plan memory and compile.
        for (var i = 0; i < 3; i++) contestant();
        var start = Stopwatch.GetTimestamp();
        contestant();
        var once = Stopwatch.GetElapsedTime(start);
        return (int)Math.Clamp(least / (once + TimeSpan.FromTicks(1)), 1, 10_000);
    }
}
