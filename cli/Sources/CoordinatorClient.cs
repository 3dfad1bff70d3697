using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Net.ServerSentEvents;
using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Lathe.Contracts;
using Lathe.Coordinator;
using Lathe.Hosting;

namespace Lathe.Cli.Sources;

/// <summary>A running coordinator over HTTP.</summary>
internal sealed partial class CoordinatorClient : IDisposable
{
    /// <summary>The key that a coordinator beyond this machine asks for. It is no option: what stands on a command line, every user of the machine can read.</summary>
    public const string KeyVariable = "LATHE_API_KEY";

    private const string Json = "application/json";
    private const string Bytes = "application/octet-stream";

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    // A submission of 100,000 executions is checked before it is answered.
    private static readonly TimeSpan SubmissionPatience = TimeSpan.FromMinutes(10);

    private readonly Uri _address;
    private readonly HttpClient _http;

    /// <param name="address">Its root, ending in a slash.</param>
    /// <param name="environment">Looks up a variable; by default this process's.</param>
    public CoordinatorClient(Uri address, Func<string, string?>? environment = null)
    {
        _address = address;
        _http = new HttpClient { BaseAddress = address, Timeout = Timeout.InfiniteTimeSpan };
        if ((environment ?? Environment.GetEnvironmentVariable)(KeyVariable)?.Trim() is not { Length: > 0 } key) return;
        if (!key.All(c => char.IsAsciiLetterOrDigit(c) || c == '_')) throw new LatheException($"{KeyVariable} is no key; expected lathe_ID_SECRET as 'lathe keys create' printed it");
        _http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", key);
    }

    /// <summary>A page of the list of sweeps, latest first.</summary>
    /// <param name="limit">The most of them, 1 to 1,000.</param>
    /// <param name="before">Id of the last sweep of the page before; null: from the latest.</param>
    /// <param name="stop">Gives up.</param>
    public Task<IReadOnlyList<SweepSummary>> ListAsync(int limit, Guid? before, CancellationToken stop) =>
        GetAsync<IReadOnlyList<SweepSummary>>($"sweeps{Query(("limit", limit), ("before", before))}", stop);

    public Task<SweepStatus> StatusAsync(string reference, CancellationToken stop) => GetAsync<SweepStatus>(Sweep(reference), stop);

    /// <summary>A sweep with so many of its executions, 0 to 1,000.</summary>
    public Task<SweepStatus> StatusAsync(string reference, int limit, CancellationToken stop) => GetAsync<SweepStatus>(Sweep(reference) + Query(("limit", limit)), stop);

    /// <summary>Executions of a sweep in the order of its tree.</summary>
    /// <param name="reference">Id, unique start of one, or name.</param>
    /// <param name="after">Index of the last execution of the page before; null: from the first.</param>
    /// <param name="limit">The most of them, 1 to 1,000.</param>
    /// <param name="state">Only those in this state.</param>
    /// <param name="stage">Only those of this stage.</param>
    /// <param name="stop">Gives up.</param>
    public Task<ExecutionPage> ExecutionsAsync(string reference, int? after, int limit, ExecutionState? state, string? stage, CancellationToken stop) =>
        GetAsync<ExecutionPage>($"{Sweep(reference)}/executions{Query(("after", after), ("limit", limit), ("state", state), ("stage", stage))}", stop);

    /// <summary>One execution with the figures of its epochs.</summary>
    public Task<ExecutionDetail> ExecutionAsync(string reference, int index, CancellationToken stop) =>
        GetAsync<ExecutionDetail>(string.Create(CultureInfo.InvariantCulture, $"{Sweep(reference)}/executions/{index}"), stop);

    /// <summary>A page of the results.</summary>
    /// <param name="reference">Id, unique start of one, or name.</param>
    /// <param name="after">Index of the last leaf of the page before; null: from the first.</param>
    /// <param name="limit">The most leaves, 1 to 1,000; null: all.</param>
    /// <param name="details">True: with records and panels of the stages.</param>
    /// <param name="stop">Gives up.</param>
    public Task<SweepResults> ResultsAsync(string reference, int? after, int? limit, bool details, CancellationToken stop) =>
        GetAsync<SweepResults>($"{Sweep(reference)}/results{Query(("after", after), ("limit", limit), ("details", details ? "true" : null))}", stop);

    /// <summary>Lines of an execution's log after one of them.</summary>
    /// <param name="execution">SWEEP:INDEX, the execution's id or its key.</param>
    /// <param name="after">The last line that is known; 0: none.</param>
    /// <param name="stop">Gives up.</param>
    public Task<LogPage> LogAsync(string execution, long after, CancellationToken stop) =>
        GetAsync<LogPage>($"executions/{Uri.EscapeDataString(execution)}/logs{Query(("after", after))}", stop);

    /// <summary>Stages that have announced themselves, for <c>lathe doctor</c>.</summary>
    public Task<IReadOnlyList<StageManifest>> StagesAsync(CancellationToken stop) => GetAsync<IReadOnlyList<StageManifest>>("stages", stop);

    /// <summary>Submits a sweep. Give it a <see cref="SweepSubmission.RequestId"/>, so that it can be sent again when the answer does not arrive.</summary>
    public async Task<SubmissionOutcome> SubmitAsync(SweepSubmission submission, CancellationToken stop)
    {
        using var response = await SendAsync(HttpMethod.Post, "sweeps", () => Content(submission), SubmissionPatience, stop, HttpStatusCode.UnprocessableEntity);
        if (response.StatusCode == HttpStatusCode.UnprocessableEntity)
        {
            var problem = await ReadAsync<ApiProblem>(response, stop);
            return new SubmissionOutcome(null, problem.Problems ?? [new SweepProblem("", problem.Detail ?? problem.Title)], problem.Notes ?? []);
        }

        var answer = await ReadAsync<SubmissionAnswer>(response, stop);
        return new SubmissionOutcome(answer.Id, [], answer.Notes);
    }

    /// <summary>What is wrong with a sweep, and how many executions it has; nothing is recorded.</summary>
    public async Task<CheckAnswer> CheckAsync(SweepSubmission submission, CancellationToken stop)
    {
        using var response = await SendAsync(HttpMethod.Post, "sweeps/check", () => Content(submission), SubmissionPatience, stop, HttpStatusCode.UnprocessableEntity);
        if (response.StatusCode != HttpStatusCode.UnprocessableEntity) return await ReadAsync<CheckAnswer>(response, stop);
        var problem = await ReadAsync<ApiProblem>(response, stop);
        return new CheckAnswer(problem.Problems ?? [new SweepProblem("", problem.Detail ?? problem.Title)], problem.Notes ?? [], 0);
    }

    /// <summary>Pauses a sweep, a stage of it or one execution; gives the number of executions, and what else is needed before they run.</summary>
    public Task<OrderAnswer> PauseAsync(string reference, string? stage, int? execution, CancellationToken stop) => OrderAsync("pause", reference, stage, execution, null, stop);

    /// <inheritdoc cref="PauseAsync"/>
    public Task<OrderAnswer> ResumeAsync(string reference, string? stage, int? execution, CancellationToken stop) => OrderAsync("resume", reference, stage, execution, null, stop);

    /// <inheritdoc cref="PauseAsync"/>
    public Task<OrderAnswer> CancelAsync(string reference, string? stage, int? execution, CancellationToken stop) => OrderAsync("cancel", reference, stage, execution, null, stop);

    /// <summary>Runs again what failed or was cancelled.</summary>
    /// <param name="reference">Id, unique start of one, or name.</param>
    /// <param name="stage">Only this stage.</param>
    /// <param name="execution">Only this execution.</param>
    /// <param name="set">Parameters to change, by stage; null: none.</param>
    /// <param name="stop">Gives up.</param>
    /// <exception cref="LatheException">A stage refuses the parameters: one line for each problem with its place, <c>--set prune.multiplications</c>.</exception>
    public Task<OrderAnswer> RetryAsync(string reference, string? stage, int? execution, IReadOnlyDictionary<string, JsonElement>? set, CancellationToken stop) =>
        OrderAsync("retry", reference, stage, execution, set is null ? null : new RetryOrder(set), stop);

    /// <summary>Sets the priority of a sweep, 1 to 5.</summary>
    public async Task PriorityAsync(string reference, int priority, CancellationToken stop) =>
        (await SendAsync(HttpMethod.Post, $"{Sweep(reference)}/priority", () => Content(new PriorityOrder(priority)), Patience, stop)).Dispose();

    /// <summary>Keeps everything of a sweep, or no longer.</summary>
    public async Task PinAsync(string reference, bool isPinned, CancellationToken stop) =>
        (await SendAsync(isPinned ? HttpMethod.Put : HttpMethod.Delete, $"{Sweep(reference)}/pin", null, Patience, stop)).Dispose();

    /// <summary>Forgets a sweep that is over.</summary>
    public async Task DeleteAsync(string reference, CancellationToken stop) => (await SendAsync(HttpMethod.Delete, Sweep(reference), null, Patience, stop)).Dispose();

    /// <summary>What happens to a sweep, until the caller stops. A connection that breaks is made again, as soon as a coordinator answers.</summary>
    /// <param name="reference">Id, unique start of one, or name.</param>
    /// <param name="since">Sequence of the last event that is known; null: from the first that is kept.</param>
    /// <param name="stop">Ends it.</param>
    /// <exception cref="LatheException">There is no such sweep.</exception>
    public async IAsyncEnumerable<SweepEvent> EventsAsync(string reference, long? since, [EnumeratorCancellation] CancellationToken stop)
    {
        for (var isFirst = true; ; isFirst = false)
        {
            using var response = await ConnectAsync(reference, since, isFirst, stop);
            await using var body = await response.Content.ReadAsStreamAsync(stop);
            await using var events = SseParser.Create(body, (_, data) => JsonSerializer.Deserialize<SweepEvent>(data, LatheJson.Options)!).EnumerateAsync(stop).GetAsyncEnumerator(stop);
            while (await NextAsync(events, stop))
            {
                since = events.Current.Data.Sequence;
                yield return events.Current.Data;
            }

            await Task.Delay(TimeSpan.FromSeconds(1), stop);
        }
    }

    /// <summary>Takes a safetensors file into the coordinator's store, unless it is there.</summary>
    /// <param name="path">The file.</param>
    /// <param name="stop">Gives up.</param>
    /// <returns>By which sweeps name it.</returns>
    public async Task<CheckpointRef> UploadAsync(string path, CancellationToken stop)
    {
        string sha256;
        await using (var file = File.OpenRead(path)) sha256 = Convert.ToHexStringLower(await SHA256.HashDataAsync(file, stop));
        var place = $"checkpoints/{sha256}";
        using (var known = await SendAsync(HttpMethod.Head, place, null, SubmissionPatience, stop, HttpStatusCode.NotFound))
        {
            if (known.IsSuccessStatusCode) return new CheckpointRef(sha256, known.Content.Headers.ContentLength ?? new FileInfo(path).Length);
        }

        using var response = await SendAsync(
            HttpMethod.Put, place, () => new StreamContent(File.OpenRead(path)) { Headers = { ContentType = new MediaTypeHeaderValue(Bytes) } }, Timeout.InfiniteTimeSpan, stop);
        return await ReadAsync<CheckpointRef>(response, stop);
    }

    /// <summary>Writes a checkpoint of the coordinator's store to a file and verifies it.</summary>
    /// <param name="sha256">Its digest, 64 lower-case hexadecimal characters.</param>
    /// <param name="to">Takes the content; what it took is only good if this returns.</param>
    /// <param name="stop">Gives up.</param>
    /// <exception cref="LatheException">It is not there, or was damaged on the way.</exception>
    public async Task DownloadAsync(string sha256, Stream to, CancellationToken stop)
    {
        using var response = await SendAsync(HttpMethod.Get, $"checkpoints/{Uri.EscapeDataString(sha256)}", null, Patience, stop);
        await ReceiveAsync(response, sha256, to, stop);
    }

    /// <summary>Takes a checkpoint of the coordinator's store into this one, unless it is there.</summary>
    /// <param name="start">Its digest, or a unique start of it.</param>
    /// <param name="store">Gets it.</param>
    /// <param name="stop">Gives up.</param>
    /// <returns>The checkpoint, and whether it was transferred; null: the coordinator has none.</returns>
    /// <exception cref="LatheException">Several start so, or it was damaged on the way.</exception>
    public async Task<(CheckpointRef Checkpoint, bool IsNew)?> FetchAsync(string start, CheckpointStore store, CancellationToken stop)
    {
        using var response = await SendAsync(HttpMethod.Get, $"checkpoints/{Uri.EscapeDataString(start)}", null, Patience, stop, HttpStatusCode.NotFound);
        if (response.StatusCode == HttpStatusCode.NotFound) return null;
        if (response.Headers.ETag?.Tag.Trim('"') is not { } digest || !StoredModel.IsDigest(digest) || response.Content.Headers.ContentLength is not { } bytes) throw Unexpected(response);
        var checkpoint = new CheckpointRef(digest, bytes);
        if (store.Has(checkpoint)) return (checkpoint, false);
        await Task.Run(() => store.Write(to => ReceiveAsync(response, digest, to, stop).GetAwaiter().GetResult()), stop);
        return (checkpoint, true);
    }

    private async Task ReceiveAsync(HttpResponseMessage response, string sha256, Stream to, CancellationToken stop)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        await using var body = await response.Content.ReadAsStreamAsync(stop);
        var buffer = new byte[1 << 17];
        try
        {
            while (await body.ReadAsync(buffer, stop) is var read and > 0)
            {
                hash.AppendData(buffer, 0, read);
                await to.WriteAsync(buffer.AsMemory(0, read), stop);
            }
        }
        catch (Exception e) when (e is HttpRequestException or HttpIOException)
        {
            throw Silent(e);
        }

        if (Convert.ToHexStringLower(hash.GetHashAndReset()) is var found && found != sha256)
            throw new LatheException($"checkpoint {sha256} of the coordinator at {_address} arrived with the SHA-256 {found}; try again", FailureKind.Transient);
    }

    public void Dispose() => _http.Dispose();

    private static string Sweep(string reference) => $"sweeps/{Uri.EscapeDataString(reference)}";

    private static string Query(params (string Name, object? Value)[] options)
    {
        var text = new StringBuilder();
        foreach (var (name, value) in options)
        {
            if (value is null) continue;
            text.Append(text.Length == 0 ? '?' : '&').Append(name).Append('=').Append(Uri.EscapeDataString(Convert.ToString(value, CultureInfo.InvariantCulture)!));
        }

        return text.ToString();
    }

    private static StringContent Content<T>(T value) => new(JsonSerializer.Serialize(value, LatheJson.Options), Encoding.UTF8, Json);

    private async Task<HttpResponseMessage> ConnectAsync(string reference, long? since, bool isFirst, CancellationToken stop)
    {
        while (true)
        {
            try
            {
                return await SendAsync(HttpMethod.Get, $"{Sweep(reference)}/events{Query(("since", since))}", null, Patience, stop);
            }
            catch (LatheException e) when (e.Kind == FailureKind.Transient && !isFirst)
            {
                await Task.Delay(TimeSpan.FromSeconds(1), stop);
            }
        }
    }

    private static async Task<bool> NextAsync(IAsyncEnumerator<SseItem<SweepEvent>> events, CancellationToken stop)
    {
        try
        {
            return await events.MoveNextAsync();
        }
        catch (Exception e) when (e is IOException or HttpRequestException && !stop.IsCancellationRequested)
        {
            return false;
        }
    }

    private async Task<OrderAnswer> OrderAsync(string verb, string reference, string? stage, int? execution, RetryOrder? body, CancellationToken stop)
    {
        var path = $"{Sweep(reference)}/{verb}{Query(("stage", stage), ("execution", execution))}";
        using var response = await SendAsync(HttpMethod.Post, path, body is null ? null : () => Content(body), Patience, stop);
        return await ReadAsync<OrderAnswer>(response, stop);
    }

    private async Task<T> GetAsync<T>(string path, CancellationToken stop)
    {
        using var response = await SendAsync(HttpMethod.Get, path, null, Patience, stop);
        return await ReadAsync<T>(response, stop);
    }

    /// <summary>Sends a request. Its answer is a success, or one of those that the caller knows.</summary>
    private async Task<HttpResponseMessage> SendAsync(HttpMethod method, string path, Func<HttpContent>? content, TimeSpan patience, CancellationToken stop, params HttpStatusCode[] known)
    {
        HttpResponseMessage response;
        using var over = CancellationTokenSource.CreateLinkedTokenSource(stop);
        over.CancelAfter(patience);
        try
        {
            using var request = new HttpRequestMessage(method, path) { Content = content?.Invoke() };
            response = await _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, over.Token);
        }
        catch (HttpRequestException e)
        {
            throw Silent(e);
        }
        catch (OperationCanceledException) when (!stop.IsCancellationRequested)
        {
            throw Silent(new TimeoutException(string.Create(CultureInfo.InvariantCulture, $"no answer for {patience.TotalSeconds:0} seconds")));
        }

        if (response.IsSuccessStatusCode || known.Contains(response.StatusCode)) return response;
        using (response) throw await FaultAsync(response, stop);
    }

    private async Task<LatheException> FaultAsync(HttpResponseMessage response, CancellationToken stop)
    {
        if (response.Content.Headers.ContentType?.MediaType != "application/problem+json") return Unexpected(response);
        var problem = await ReadAsync<ApiProblem>(response, stop);
        var text = problem.Problems is { Count: > 1 } several ? string.Join('\n', several.Select(Line)) : problem.Problems is [var only] ? Line(only) : problem.Detail ?? problem.Title;
        var mayWork = response.StatusCode is HttpStatusCode.ServiceUnavailable or HttpStatusCode.TooManyRequests;
        // What is said of a key or of a database is said of the coordinator's, not of this machine's.
        var isOfCoordinator = mayWork || response.StatusCode is HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden;
        return new LatheException(isOfCoordinator ? $"the coordinator at {_address}: {text}" : text, mayWork ? FailureKind.Transient : FailureKind.Permanent);
    }

    /// <summary>A problem with its place. What stands under <c>/set</c> came from the option.</summary>
    private static string Line(SweepProblem problem)
    {
        const string set = "/set/";
        if (problem.Path.StartsWith(set, StringComparison.Ordinal)) return $"--set {string.Join('.', JsonPointer.Steps(problem.Path).Skip(1))}: {problem.Message}";
        return problem.Path.Length == 0 ? problem.Message : $"{problem.Path}: {problem.Message}";
    }

    private LatheException Silent(Exception exception) => new(
        $"the coordinator at {_address} does not answer: {exception.Message.TrimEnd('.')}. Start one with 'lathe coordinator', or name another with --coordinator",
        FailureKind.Transient, exception);

    private async Task<T> ReadAsync<T>(HttpResponseMessage response, CancellationToken stop)
    {
        try
        {
            return await response.Content.ReadFromJsonAsync<T>(LatheJson.Options, stop) ?? throw Unexpected(response);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw Unexpected(response);
        }
        catch (Exception e) when (e is HttpRequestException or HttpIOException)
        {
            throw Silent(e);
        }
    }

    private LatheException Unexpected(HttpResponseMessage response) =>
        new($"{response.RequestMessage?.RequestUri ?? _address} answered {(int)response.StatusCode} {response.ReasonPhrase}, which no Lathe coordinator does; "
            + "is --coordinator right, and of this version?");
}
