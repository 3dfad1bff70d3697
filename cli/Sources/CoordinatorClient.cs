using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using Lathe.Contracts;
using Lathe.Coordinator;

namespace Lathe.Cli.Sources;

/// <summary>A running coordinator over HTTP.</summary>
/// <param name="address">Its root, ending in a slash.</param>
internal sealed partial class CoordinatorClient(Uri address) : IDisposable
{
    private readonly HttpClient _http = new() { BaseAddress = address, Timeout = TimeSpan.FromSeconds(60) };

    /// <summary>Stages that have announced themselves, for <c>lathe doctor</c>.</summary>
    public Task<IReadOnlyList<StageManifest>> StagesAsync(CancellationToken stop) => GetAsync<IReadOnlyList<StageManifest>>("stages", stop);

    /// <summary>Submits a sweep.</summary>
    public async Task<SubmissionOutcome> SubmitAsync(SweepSubmission submission, CancellationToken stop)
    {
        using var response = await SendAsync(() => _http.PostAsJsonAsync("sweeps", submission, LatheJson.Options, stop), stop);
        if (response.StatusCode is not (HttpStatusCode.Created or HttpStatusCode.UnprocessableEntity)) throw Unexpected(response);
        var answer = await ReadAsync<Answer>(response, stop);
        return new SubmissionOutcome(answer.Id, answer.Problems ?? [], answer.Notes ?? []);
    }

    public void Dispose() => _http.Dispose();

    private async Task<T> GetAsync<T>(string path, CancellationToken stop)
    {
        using var response = await SendAsync(() => _http.GetAsync(path, stop), stop);
        if (response.StatusCode == HttpStatusCode.NotFound && (await ReadAsync<Answer>(response, stop)).Error is { } error) throw new LatheException(error);
        if (!response.IsSuccessStatusCode) throw Unexpected(response);
        return await ReadAsync<T>(response, stop);
    }

    private async Task<HttpResponseMessage> SendAsync(Func<Task<HttpResponseMessage>> send, CancellationToken stop)
    {
        try
        {
            return await send();
        }
        catch (Exception exception) when (exception is HttpRequestException || (exception is TaskCanceledException && !stop.IsCancellationRequested))
        {
            throw new LatheException(
                $"the coordinator at {address} does not answer: {exception.Message.TrimEnd('.')}. Start one with 'lathe coordinator', or name another with --coordinator",
                FailureKind.Transient, exception);
        }
    }

    private async Task<T> ReadAsync<T>(HttpResponseMessage response, CancellationToken stop)
    {
        try
        {
            return await response.Content.ReadFromJsonAsync<T>(LatheJson.Options, stop) ?? throw Unexpected(response);
        }
        catch (JsonException)
        {
            throw Unexpected(response);
        }
    }

    private LatheException Unexpected(HttpResponseMessage response) =>
        new($"{response.RequestMessage?.RequestUri ?? address} answered {(int)response.StatusCode} {response.ReasonPhrase}, which no Lathe coordinator does; "
            + "is --coordinator right, and of this version?");

    private sealed record Answer(Guid? Id, IReadOnlyList<SweepProblem>? Problems, IReadOnlyList<string>? Notes, string? Error);
}
