using System.Globalization;

namespace Lathe.Benchmarks.Coordinator;

/// <summary>Memory of everything that can be killed, over time.</summary>
internal sealed class MemoryWatch(Victim[] victims)
{
    private readonly Dictionary<Victim, List<(TimeSpan At, double Mebibytes)>> _seen = victims.ToDictionary(v => v, _ => new List<(TimeSpan, double)>());

    /// <summary>Notes the memory of those that are up.</summary>
    public void Look(TimeSpan at)
    {
        foreach (var (victim, seen) in _seen)
        {
            if (victim.Memory is > 0 and var now) seen.Add((at, now));
        }
    }

    /// <summary>Prints first, most and last.</summary>
    public void PrintRange()
    {
        Console.WriteLine("| memory, MiB | beginning | most | end |");
        Console.WriteLine("|---|---|---|---|");
        foreach (var (victim, seen) in Known) Console.WriteLine(Row(victim.Name, [seen[0].Mebibytes, seen.Max(s => s.Mebibytes), seen[^1].Mebibytes]));
        Console.WriteLine();
    }

    /// <summary>Prints the median of a time before each of four moments, of which the last one is the end.</summary>
    public void PrintCourse(TimeSpan whole)
    {
        TimeSpan[] moments = [whole / 12, whole / 3, whole * 2 / 3, whole];
        Console.WriteLine($"| memory, MiB, median of {whole.TotalMinutes / 12:0.#} minutes | starts | {string.Join(" | ", moments.Select(m => string.Create(CultureInfo.InvariantCulture, $"until minute {m.TotalMinutes:0.#}")))} | most |");
        Console.WriteLine("|---|---|---|---|---|---|---|");
        foreach (var (victim, seen) in Known)
        {
            var medians = moments.Select(m => Share.Of([.. seen.Where(s => s.At <= m && s.At > m - (whole / 12)).Select(s => s.Mebibytes)], 0.5));
            Console.WriteLine(Row($"{victim.Name} | {(victim is PartVictim part ? $"{part.Starts}" : "")}", [.. medians, seen.Max(s => s.Mebibytes)]));
        }

        Console.WriteLine();
    }

    private IEnumerable<KeyValuePair<Victim, List<(TimeSpan At, double Mebibytes)>>> Known => _seen.Where(s => s.Value.Count > 0);

    private static string Row(string name, double[] values) =>
        $"| {name} | {string.Join(" | ", values.Select(v => v.ToString("0", CultureInfo.InvariantCulture)))} |";
}
