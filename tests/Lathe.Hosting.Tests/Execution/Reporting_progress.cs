using System.Collections.Concurrent;
using Lathe.Contracts;
using Lathe.Testing;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;

namespace Lathe.Hosting.Tests;

public sealed class ReportingProgress
{
    [Theory]
    [InlineData(500)]
    [InlineData(2000)]
    public async Task A_stage_reports_as_often_as_it_likes_and_a_coordinator_hears_it_at_its_pace(int milliseconds)
    {
        var pace = TimeSpan.FromMilliseconds(milliseconds);
        var time = new FakeTimeProvider();
        var sent = new ConcurrentQueue<int?>();
        await using var progress = new ProgressForwarder(
            new StageProgress("training", 0),
            pace,
            (value, _) =>
            {
                sent.Enqueue((int?)value.Epoch);
                return Task.CompletedTask;
            },
            time,
            NullLogger.Instance);
        await Heard(1);
        for (var step = 1; step <= 9; step++) progress.Report(new StageProgress("training", step));
        time.Advance(pace - TimeSpan.FromMilliseconds(1));
        Assert.Equal([0], sent);
        time.Advance(TimeSpan.FromMilliseconds(1));
        await Heard(2);

        // Nothing new: the last word again, as a heartbeat.
        time.Advance(ProgressForwarder.Heartbeat);
        await Heard(3);
        Assert.Equal([0, 9, 9], sent);

        Task Heard(int count) => Eventually.True(() => sent.Count == count, $"{count} reports");
    }

    [Fact]
    public async Task Epochs_that_end_faster_than_reports_go_out_are_all_heard_of()
    {
        var sent = new ConcurrentQueue<int>();
        var time = new FakeTimeProvider();
        await using (var progress = new ProgressForwarder(
            new StageProgress("training"), ProgressForwarder.Far,
            (value, _) =>
            {
                foreach (var epoch in value.Ended ?? []) sent.Enqueue(epoch.Epoch);
                return Task.CompletedTask;
            },
            time, NullLogger.Instance))
        {
            foreach (var epoch in (int[])[1, 2, 2, 3]) Report(progress, epoch);
            await Eventually.True(
                () =>
                {
                    time.Advance(ProgressForwarder.Far);
                    return sent.Count == 3;
                },
                "three epochs");
            Report(progress, 4);
            Report(progress, 5);
        }

        Assert.Equal([1, 2, 3, 4, 5], sent);

        static void Report(ProgressForwarder to, int epoch) => to.Report(new StageProgress("training", epoch, 5, LastEpoch: new EpochFigures(epoch, 0.5, 0.5)));
    }
}
