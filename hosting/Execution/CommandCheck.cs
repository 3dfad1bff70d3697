using System.Text.Json;
using Lathe.Contracts.Messages;

namespace Lathe.Hosting;

/// <summary>Whether a message can be what a coordinator sent: what is missing in it was read as null, and its names become files and queues.</summary>
internal static class CommandCheck
{
    private const string ReportQueues = "lathe.";

    /// <summary>What is wrong with a message, or null.</summary>
    public static string? Problem(ExecuteStage command) => command switch
    {
        { ExecutionId: var id } when id == Guid.Empty => "executionId is missing",
        { Key: var key } when !IsDigest(key) => "key is no SHA-256 of 64 lower-case hexadecimal characters",
        { Stage: null or "" } => "stage is missing",
        { Version: null or "" } => "version is missing",
        { Parameters.ValueKind: not JsonValueKind.Object } => "parameters is no object",
        { Attempt: < 1 } => $"attempt is {command.Attempt}, expected at least 1",
        { ReplyTo: var queue } when !IsReportQueue(queue) => $"replyTo names no queue of reports, {ReportQueues} and letters, digits, points, dashes",
        { Input: { } input } when !IsDigest(input.Sha256) || input.Bytes < 0 => "input is no reference to a checkpoint",
        { Data: { } data } when data.Name is null || !DataPlaces.IsName(data.Name) || !IsDigest(data.Fingerprint) => "data names no data set by its content",
        { Threads: < 1 } => $"threads is {command.Threads}, expected at least 1",
        _ => null,
    };

    private static bool IsDigest(string? text) => text is { Length: 64 } && text.All(char.IsAsciiHexDigitLower);

    private static bool IsReportQueue(string? queue) =>
        queue is { Length: <= 255 } && queue.StartsWith(ReportQueues, StringComparison.Ordinal)
        && queue.All(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '-' or '_');
}
