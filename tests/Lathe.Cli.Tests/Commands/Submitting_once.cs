using Lathe.Cli.Commands;
using Lathe.Cli.Sources;
using Lathe.Contracts;
using Lathe.Coordinator;
using Microsoft.Extensions.Time.Testing;

namespace Lathe.Cli.Tests.Commands;

public sealed class Submitting_once
{
    private static readonly SweepSubmission Submission = new(new SweepSpec("s", [], [], [], []), RequestId: "one");

    private readonly FakeTimeProvider _time = new() { AutoAdvanceAmount = TimeSpan.FromSeconds(20) };
    private readonly List<string> _said = [];
    private readonly List<string?> _sent = [];

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_lost_answer_is_asked_for_again_with_the_same_request()
    {
        var id = Guid.NewGuid();
        var outcome = await SendAsync(
            new TimeoutException("no answer for 600 seconds"),
            // The coordinator restarts.
            new HttpRequestException(HttpRequestError.ConnectionError, "Connection refused"),
            new HttpRequestException(HttpRequestError.ConnectionError, "Connection refused"),
            id);
        Assert.Equal(id, outcome.Id);
        Assert.Equal(["one", "one", "one", "one"], _sent);
        Assert.Equal(2, _said.Count);
        Assert.All(_said, line => Assert.EndsWith("the sweep is submitted once, however often this asks", line));
    }

    [Fact]
    public async Task A_coordinator_that_is_not_there_is_told_at_once()
    {
        await Assert.ThrowsAsync<LatheException>(() => SendAsync(new HttpRequestException(HttpRequestError.ConnectionError, "Connection refused")));
        Assert.Single(_sent);
        Assert.Empty(_said);
    }

    [Fact]
    public async Task After_half_an_hour_without_an_answer_it_says_that_nobody_knows()
    {
        var gone = await Assert.ThrowsAsync<LatheException>(() => SendAsync([.. Enumerable.Repeat<object>(new TimeoutException("no answer"), 1000)]));
        Assert.Contains("is not known: look with lathe status", gone.Message);
        Assert.InRange(_sent.Count, 10, 999);
    }

    [Theory]
    [InlineData("90s", 90)]
    [InlineData("1.5h", 5400)]
    [InlineData("1h30m", 5400)]
    [InlineData("3d", 259_200)]
    [InlineData("0s", null)]
    [InlineData("2", null)]
    [InlineData("h", null)]
    [InlineData("2h ago", null)]
    public void Times_have_units(string text, int? seconds) => Assert.Equal(seconds, SubmissionOptions.Duration(text));

    private async Task<SubmissionOutcome> SendAsync(params object[] answers)
    {
        var task = SureSubmission.SendAsync(
            (submission, _) =>
            {
                _sent.Add(submission.RequestId);
                return answers[_sent.Count - 1] switch
                {
                    Guid id => Task.FromResult(new SubmissionOutcome(id, [], [])),
                    Exception e => throw new LatheException($"the coordinator does not answer: {e.Message}", FailureKind.Transient, e),
                    var other => throw new InvalidOperationException($"{other}"),
                };
            },
            Submission, _said.Add, _time, Stop);
        while (!task.IsCompleted)
        {
            _time.Advance(TimeSpan.FromSeconds(15));
            await Task.Yield();
        }

        return await task;
    }
}
