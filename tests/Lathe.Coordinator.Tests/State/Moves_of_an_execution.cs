using CsCheck;
using Lathe.Contracts;

namespace Lathe.Coordinator.Tests;

public sealed class Moves_of_an_execution
{
    private static readonly Gen<RunEvent> AnyEvent = Gen.Enum<RunEvent>();

    [Fact]
    public void Nothing_moves_an_execution_that_is_over()
    {
        foreach (var state in Enum.GetValues<RunState>().Where(RunLife.IsOver))
            Assert.All(Enum.GetValues<RunEvent>(), what => Assert.Null(RunLife.Next(state, what)));
    }

    [Fact]
    public void Whatever_happened_a_result_completes_what_is_not_over() => AnyEvent.Array[0, 30].Sample(events =>
    {
        var state = events.Aggregate(RunState.Ready, (now, what) => RunLife.Next(now, what) ?? now);
        Assert.Equal(RunLife.IsOver(state) ? null : RunState.Completed, RunLife.Next(state, RunEvent.Complete));
    });

    [Fact]
    public void An_event_that_comes_twice_counts_once_or_is_harmless() => Gen.Select(AnyEvent.Array[0, 10], AnyEvent).Sample((events, what) =>
    {
        var state = events.Aggregate(RunState.Ready, (now, e) => RunLife.Next(now, e) ?? now);
        if (RunLife.Next(state, what) is not { } once) return;
        Assert.Equal(once, RunLife.Next(once, what) ?? once);
    });

    [Theory]
    [InlineData(FailureKind.Permanent, 0, RunEvent.Fail)]
    [InlineData(FailureKind.Transient, 1, RunEvent.TryAgain)]
    [InlineData(FailureKind.Transient, 2, RunEvent.TryAgain)]
    [InlineData(FailureKind.Transient, 3, RunEvent.Fail)]
    [InlineData(FailureKind.Elsewhere, 1000, RunEvent.TryAgain)]
    [InlineData(FailureKind.InputLost, 0, RunEvent.Cancel)]
    public void A_failure_is_tried_again_where_that_may_help(FailureKind kind, int failures, RunEvent expected) =>
        Assert.Equal(expected, RunLife.AfterFailure(kind, failures, attempts: 3));
}
