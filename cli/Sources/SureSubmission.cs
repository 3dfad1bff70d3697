using Lathe.Contracts;
using Lathe.Coordinator;

namespace Lathe.Cli.Sources;

/// <summary>Submits a sweep once, however often it has to ask.</summary>
internal static class SureSubmission
{
    /// <summary>How long it asks for an answer that got lost.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(30);

    private static readonly TimeSpan FirstPause = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(15);

    /// <summary>Sends it until there is an answer. The same request id has the coordinator record it once.</summary>
    /// <param name="send">Sends a submission.</param>
    /// <param name="submission">With a request id.</param>
    /// <param name="say">Prints one line for the user.</param>
    /// <param name="time">Clock.</param>
    /// <param name="stop">Gives up.</param>
    /// <exception cref="LatheException">Nothing listens there, so that the submission never arrived; or half an hour passed without an answer.</exception>
    public static async Task<SubmissionOutcome> SendAsync(
        Func<SweepSubmission, CancellationToken, Task<SubmissionOutcome>> send, SweepSubmission submission, Action<string> say, TimeProvider time, CancellationToken stop)
    {
        var began = time.GetTimestamp();
        var pause = FirstPause;
        string? said = null;
        for (var mayHaveArrived = false; ; pause = pause * 2 < LongestPause ? pause * 2 : LongestPause)
        {
            try
            {
                return await send(submission, stop);
            }
            catch (LatheException e) when (e.Kind == FailureKind.Transient && (mayHaveArrived || !IsUnreachable(e)))
            {
                mayHaveArrived = true;
                if (time.GetElapsedTime(began) > Patience)
                    throw new LatheException($"{e.Message}. Whether the sweep was submitted is not known: look with lathe status, before you submit it again", FailureKind.Transient, e);
                if (e.Message != said) say($"{e.Message}. Asking again; the sweep is submitted once, however often this asks");
                said = e.Message;
            }

            await Task.Delay(pause, time, stop);
        }
    }

    private static bool IsUnreachable(LatheException e) =>
        e.InnerException is HttpRequestException { HttpRequestError: HttpRequestError.ConnectionError or HttpRequestError.NameResolutionError or HttpRequestError.SecureConnectionError };
}
