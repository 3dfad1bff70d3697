using CsCheck;
using Lathe.Contracts;
using static Lathe.Coordinator.Tests.Stages;

namespace Lathe.Coordinator.Tests;

/// <summary>Any orders about any parts of a sweep, with work done in between: each does what <see cref="SweepOrders"/> says, to what it names and to nothing else.</summary>
public sealed class Any_orders
{
    // Index 0: train, 1 and 4: prune, 2 and 5: evaluate, 3 and 6 as well; then the same from 7 on.
    private static readonly SweepSpec Tree = Sweep(("train", """{"epochs": [1, 2]}"""), ("prune", """{"multiplications": [0.5, 0.25]}"""), ("evaluate", """{"batch": [10, 20]}"""));

    private static readonly string[] Stages = ["train", "prune", "evaluate"];

    private sealed record Step(Order? Order, int Part, bool Fails);

    private static readonly Gen<Step[]> AnySteps = Gen.Select(Gen.Enum<Order>(), Gen.Int[-4, 13], Gen.Int[0, 9], (order, part, kind) => new Step(kind < 3 ? null : order, part, kind == 0)).Array[1, 25];

    [Fact]
    public Task Each_does_what_the_table_says_and_leaves_the_rest_alone() => AnySteps.SampleAsync(
        async steps =>
        {
            using var bench = await Workbench.StartAsync();
            var id = await bench.SubmitAsync(Tree);
            foreach (var step in steps)
            {
                if (step.Order is { } order) await OrderAsync(bench, id, order, Part(id, step.Part));
                else if (bench.Bus.Sent.Select(s => s.Command).LastOrDefault() is { } command)
                {
                    if (step.Fails) await bench.FailAsync(command, FailureKind.Permanent);
                    else await bench.FinishAsync(command);
                }

                await bench.AssertCountedAsync();
            }
        },
        iter: 60, threads: 1);

    private static ControlTarget Part(Guid id, int part) => part switch
    {
        -4 => new ControlTarget(id),
        < 0 => new ControlTarget(id, Stages[-part - 1]),
        _ => new ControlTarget(id, Index: part),
    };

    private static async Task OrderAsync(Workbench bench, Guid id, Order order, ControlTarget part)
    {
        var before = await NodesAsync(bench, id);
        var effect = SweepOrders.On(order, before.State, part.IsWhole);
        var named = before.Nodes.Keys.Where(i => part.IsWhole || part.Index == i || before.Nodes[i].Stage == part.Stage).ToHashSet();
        OrderAnswer? answer = null;
        try
        {
            answer = await (order switch
            {
                Order.Pause => bench.Orchestrator.PauseAsync(part),
                Order.Resume => bench.Orchestrator.ResumeAsync(part),
                Order.Cancel => bench.Orchestrator.CancelAsync(part),
                _ => bench.Orchestrator.RetryAsync(part),
            });
        }
        catch (LatheException e)
        {
            Assert.False(string.IsNullOrEmpty(e.Message));
        }

        var after = await NodesAsync(bench, id);
        if (answer is null || effect is OrderEffect.Refused or OrderEffect.Nothing)
        {
            Assert.True(effect != OrderEffect.Refused || answer is null, $"{order} of a sweep that is {before.State} is not refused");
            Assert.True(before.State == after.State && before.Nodes.All(n => after.Nodes[n.Key] == n.Value), $"{order} changed something of a sweep that is {before.State}");
            Assert.Equal(0, answer?.Executions ?? 0);
            return;
        }

        if (effect == OrderEffect.Executions)
        {
            var moved = named.Where(i => !part.IsWhole || order == Order.Retry).Where(i => SweepOrders.After(order, before.Nodes[i].State) is not null).ToHashSet();
            Assert.Equal(moved.Count, answer.Executions);
            foreach (var (i, node) in after.Nodes)
            {
                var was = before.Nodes[i].State;
                if (moved.Contains(i)) Assert.True(node.State == SweepOrders.After(order, was) || node.State == NodeState.Skipped, $"{i} is {node.State} after {order} of {was}");
                else if (!Above(before.Nodes, i).Any(moved.Contains)) Assert.True(node.State == was, $"{order} moved {i} from {was} to {node.State}, which it did not name");
                else Assert.True(node.State == was || was == NodeState.Skipped || node.State == NodeState.Skipped, $"{order} moved {i} from {was} to {node.State}");
            }

            Assert.True(after.State == before.State || (before.State == SweepState.Running && order == Order.Cancel), $"{order} made {before.State} {after.State}");
        }

        if (effect == OrderEffect.RunsPart)
        {
            // Nothing else runs, whatever the coordinator does now.
            await bench.PumpAsync();
            var runs = await NodesAsync(bench, id);
            foreach (var (i, node) in runs.Nodes.Where(n => !named.Contains(n.Key) && !Above(before.Nodes, n.Key).Any(named.Contains)))
                Assert.True(node.State == before.Nodes[i].State || node.State is NodeState.Cancelled or NodeState.Skipped, $"{order} moved {i} to {node.State}, which it did not name");
            Assert.True(answer.Executions > 0);
        }

        await bench.PumpAsync();
        // A part that was paused or cancelled has nothing that runs; an order that is given again changes nothing.
        var pumped = await NodesAsync(bench, id);
        if (order is Order.Pause or Order.Cancel) Assert.All(named, i => Assert.False(pumped.Nodes[i].State is NodeState.Ready or NodeState.Queued or NodeState.Running));
        if (pumped.State != SweepState.Running) Assert.All(pumped.Nodes.Values, n => Assert.False(n.State is NodeState.Ready or NodeState.Queued or NodeState.Running));
    }

    private static IEnumerable<int> Above(IReadOnlyDictionary<int, (string Stage, int? Parent, NodeState State)> nodes, int index)
    {
        for (var at = nodes[index].Parent; at is { } parent; at = nodes[parent].Parent) yield return parent;
    }

    private static async Task<(SweepState State, Dictionary<int, (string Stage, int? Parent, NodeState State)> Nodes)> NodesAsync(Workbench bench, Guid id)
    {
        await using var database = bench.Store.Open();
        var executions = database.Executions.ToDictionary(e => e.Id);
        var points = database.Points.Where(p => p.SweepId == id).ToDictionary(p => p.Number);
        var nodes = database.Nodes.Where(n => n.SweepId == id).ToList();
        return (
            database.Sweeps.Single(s => s.Id == id).State,
            nodes.ToDictionary(n => n.Index, n => (points[n.Point].Stage, n.Parent, NodeStates.Of(n, n.ExecutionId is { } run ? executions[run] : null))));
    }
}
