using Lathe.Contracts;
using static Lathe.Coordinator.Tests.Stages;

namespace Lathe.Coordinator.Tests.Sweeps;

/// <summary>Sweeps by what is in their names, on both databases: neither need know the case of a letter beyond ASCII.</summary>
public sealed class Seeking_sweeps
{
    [Theory, CombinatorialDatabases]
    public async Task Letters_match_in_any_case_and_signs_stand_for_themselves(DatabaseKind kind)
    {
        using var bench = await Workbench.StartAsync(kind);
        string[] names = ["erste Äpfel", "zweite äpfel_1", "100% Birnen", "ÉTÉ", "🦊 Fuchs"];
        foreach (var name in names)
        {
            await bench.SubmitAsync(Sweep(("train", "{}")) with { Name = name });
            bench.Time.Advance(TimeSpan.FromMinutes(1));
        }

        Assert.Equal([names[1], names[0]], await FoundAsync("Äpfel"));
        Assert.Equal([names[1], names[0]], await FoundAsync("äPFEL"));
        Assert.Equal([names[1]], await FoundAsync("äpfel", limit: 1));
        Assert.Equal([names[0]], await FoundAsync("STE Ä"));
        Assert.Equal([names[3]], await FoundAsync("été"));
        Assert.Equal([names[4]], await FoundAsync("🦊 fuchs"));
        Assert.Equal([names[2]], await FoundAsync("%"));
        Assert.Equal([names[1]], await FoundAsync("_"));
        Assert.Empty(await FoundAsync("Ä%l"));

        async Task<IEnumerable<string>> FoundAsync(string search, int? limit = null) => (await bench.Queries.ListAsync(limit, search: search)).Select(s => s.Name);
    }
}
