using System.Globalization;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using Lathe.Contracts;

namespace Lathe.Hosting;

/// <summary>
/// What the broker's management interface says of the stages' queues. AMQP has no call for arguments and policies, and not everybody runs the plug-in: without its address the doctor does without.
/// </summary>
internal static class BrokerManagement
{
    /// <summary>Address with user and password, <c>http://user:password@host:15672/</c>. KEDA reads the same variable.</summary>
    public const string Variable = "RABBITMQ_HTTP";

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    /// <summary>How long a worker may hold a message of each stage's queue, as argument and policy say.</summary>
    /// <param name="address">Value of <see cref="Variable"/>.</param>
    /// <param name="virtualHost">Virtual host of the queues.</param>
    /// <param name="stop">Gives up.</param>
    /// <exception cref="LatheException">It does not answer, or refuses.</exception>
    public static async Task<IReadOnlyList<QueueTimeout>> TimeoutsAsync(string address, string virtualHost, CancellationToken stop = default)
    {
        if (!Uri.TryCreate(address.Trim(), UriKind.Absolute, out var uri) || uri.Scheme is not ("http" or "https"))
            throw new LatheException($"{Variable} is no address; expected http://user:password@host:15672/");
        var shown = $"{uri.Scheme}://{uri.Host}:{uri.Port}/";
        using var http = new HttpClient { Timeout = Patience };
        var user = Uri.UnescapeDataString(uri.UserInfo.Length == 0 ? "guest:guest" : uri.UserInfo);
        http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes(user)));
        try
        {
            using var answer = await http.GetAsync(new Uri($"{shown}api/queues/{Uri.EscapeDataString(virtualHost)}"), stop);
            if (!answer.IsSuccessStatusCode) throw new LatheException($"the broker's management interface at {shown} answers {(int)answer.StatusCode}; check user and password in {Variable}");
            return Read(await answer.Content.ReadFromJsonAsync<JsonElement>(stop));
        }
        catch (Exception e) when (e is HttpRequestException or JsonException || (e is OperationCanceledException && !stop.IsCancellationRequested))
        {
            throw new LatheException($"the broker's management interface at {shown} does not answer: {e.Message}; check {Variable}, and that the plug-in rabbitmq_management is enabled", FailureKind.Transient, e);
        }
    }

    /// <summary>The stages' queues among those that <c>/api/queues</c> lists.</summary>
    internal static IReadOnlyList<QueueTimeout> Read(JsonElement queues) =>
    [
        .. queues.EnumerateArray().Select(queue => new QueueTimeout(
            Text(queue, "name") ?? "",
            Milliseconds(queue, "arguments", "x-consumer-timeout"),
            Milliseconds(queue, "effective_policy_definition", "consumer-timeout"),
            string.Join(", ", new[] { Text(queue, "policy"), Text(queue, "operator_policy") }.Where(p => !string.IsNullOrEmpty(p)))))
            .Where(queue => queue.Queue.StartsWith("stage.", StringComparison.Ordinal) && (!queue.Queue.EndsWith(".check", StringComparison.Ordinal) || queue.Queue.Contains(".pool.", StringComparison.Ordinal))),
    ];

    private static TimeSpan? Milliseconds(JsonElement queue, string part, string name) =>
        queue.TryGetProperty(part, out var values) && values.ValueKind == JsonValueKind.Object && values.TryGetProperty(name, out var value) && value.TryGetInt64(out var milliseconds)
            ? TimeSpan.FromMilliseconds(milliseconds)
            : null;

    private static string? Text(JsonElement queue, string name) => queue.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;
}

/// <summary>How long a worker may hold a message of a queue.</summary>
/// <param name="Queue">The queue.</param>
/// <param name="Argument">What its argument says; null: nothing.</param>
/// <param name="Policy">What the broker's policies say; null: nothing.</param>
/// <param name="PolicyName">Their names.</param>
internal sealed record QueueTimeout(string Queue, TimeSpan? Argument, TimeSpan? Policy, string PolicyName)
{
    /// <summary>The smaller of both, which the broker heeds from 3.12 on.</summary>
    public TimeSpan? Least => Argument < Policy || Policy is null ? Argument : Policy;

    public override string ToString() => string.Create(
        CultureInfo.InvariantCulture, $"{Queue}: argument {Told(Argument)}, policy {(Policy is null ? "none" : $"{PolicyName} {Told(Policy)}")}");

    private static string Told(TimeSpan? time) => time switch
    {
        null => "none",
        { TotalDays: >= 1 } days => $"{days.TotalDays:0.#} days",
        { } minutes => $"{minutes.TotalMinutes:0.#} minutes",
    };
}
