using Lathe.Contracts;
using Microsoft.EntityFrameworkCore;
using static Lathe.Coordinator.Tests.Stages;

namespace Lathe.Coordinator.Tests;

/// <summary>Names that an earlier Lathe took.</summary>
public sealed class Names_of_sweeps
{
    [Theory, CombinatorialDatabases]
    public async Task A_name_of_an_earlier_lathe_is_shown_without_what_spoils_a_terminal(DatabaseKind kind)
    {
        using var bench = await Workbench.StartAsync(kind);
        var id = await bench.SubmitAsync(Sweep(("train", "{}")));
        await using (var database = bench.Store.Open())
            await database.Database.ExecuteSqlAsync($"UPDATE sweeps SET \"Name\" = {"a\u001b[31mred\nb" + new string('n', 100_000)}", TestContext.Current.CancellationToken);

        var name = (await bench.StatusAsync(id)).Name;
        Assert.StartsWith("a?[31mred?bnnn", name);
        Assert.Equal(SweepNames.Longest, name.Length);
        Assert.Equal(name, Assert.Single(await bench.Queries.ListAsync(search: "RED")).Name);
        // Its state is written without its name.
        await bench.Orchestrator.PauseAsync(new ControlTarget(id));
        await bench.Orchestrator.ResumeAsync(new ControlTarget(id));
        await bench.PumpAsync();
        Assert.Equal(SweepState.Running, (await bench.StatusAsync(id)).State);
    }
}
