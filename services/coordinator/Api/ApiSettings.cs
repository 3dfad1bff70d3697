using System.Net;
using Lathe.Contracts;

namespace Lathe.Coordinator;

/// <summary>Who may use the HTTP interface and how much.</summary>
public sealed record ApiSettings
{
    /// <summary>Names under which clients reach the coordinator, beside those of <c>LATHE_HTTP</c> and of the machine itself; separated by commas.</summary>
    public const string HostsVariable = "LATHE_HTTP_HOSTS";

    /// <summary>A key with every right, for a cluster that gives it to the coordinator and to its administrator as one secret.</summary>
    public const string KeyVariable = "LATHE_API_KEY";

    /// <summary>Page that shows a trace, with <c>{traceId}</c> where its id goes: <c>http://jaeger:16686/trace/{traceId}</c>.</summary>
    public const string TraceVariable = "LATHE_TRACE_URL";

    private const string TraceId = "{traceId}";
    private const int ShortestKey = 32;

    /// <summary>Address that the coordinator listens on.</summary>
    public required string Http { get; init; }

    /// <summary>Further names that a request may be addressed to, without a port.</summary>
    public IReadOnlyList<string> Hosts { get; init; } = [];

    /// <summary>A key with every right beside those of the database; null: none.</summary>
    public string? Key { get; init; }

    /// <summary>As <see cref="TraceVariable"/> says; null: traces have no page.</summary>
    public string? TraceUrl { get; init; }

    /// <summary>Largest body of a request that is no upload, in bytes.</summary>
    public long BodyBytes { get; init; } = 16 << 20;

    /// <summary>Largest file that is taken, in bytes.</summary>
    public long UploadBytes { get; init; } = 8L << 30;

    /// <summary>Event streams that may be open at one time. Each asks the database once a second.</summary>
    public int Streams { get; init; } = 200;

    /// <summary>Requests of one key, or of one address without a key, in a burst.</summary>
    public int Burst { get; init; } = 2000;

    /// <summary>Requests a second of the same, in the long run.</summary>
    public int PerSecond { get; init; } = 500;

    /// <summary>True: only programs on this machine can reach the coordinator.</summary>
    public bool IsLoopback => IsLoopbackName(Host);

    /// <summary>True: every request needs a key.</summary>
    public bool NeedsKeys => !IsLoopback;

    private string Host => Http.Split("://", 2)[^1].Split('/')[0] is var authority && authority.StartsWith('[')
        ? authority[..(authority.IndexOf(']', StringComparison.Ordinal) + 1)]
        : authority.Split(':')[0];

    /// <summary>Reads <c>LATHE_HTTP_HOSTS</c>, <c>LATHE_API_KEY</c> and <c>LATHE_TRACE_URL</c>.</summary>
    /// <param name="http">Address to listen on.</param>
    /// <param name="environment">Looks up a variable; by default this process's.</param>
    /// <exception cref="LatheException">A name is none, the key is too short, or the page of traces is no address.</exception>
    public static ApiSettings Load(string http, Func<string, string?>? environment = null)
    {
        environment ??= Environment.GetEnvironmentVariable;
        var key = environment(KeyVariable) is { Length: > 0 } given ? given : null;
        if (key?.Length < ShortestKey)
            throw new LatheException($"{KeyVariable} has {key.Length} characters, expected at least {ShortestKey}: openssl rand -hex 32 makes a good one");
        var names = (environment(HostsVariable) ?? "").Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        var trace = environment(TraceVariable)?.Trim() is { Length: > 0 } template ? template : null;
        if (trace is not null && !(trace.Contains(TraceId, StringComparison.Ordinal) && Uri.TryCreate(trace, UriKind.Absolute, out var page) && page.Scheme is "http" or "https"))
            throw new LatheException($"{TraceVariable} is '{trace}', expected an address with {TraceId} in it, for example http://jaeger:16686/trace/{TraceId}");
        var wrong = names.FirstOrDefault(n => Uri.CheckHostName(n) == UriHostNameType.Unknown);
        return wrong is null
            ? new ApiSettings { Http = http, Hosts = names, Key = key, TraceUrl = trace }
            : throw new LatheException($"{HostsVariable} has '{wrong}', expected names of hosts without a port, separated by commas: lathe.example.org,10.0.0.7");
    }

    /// <summary>The trace of a W3C trace context; null: it is none.</summary>
    internal TraceLink? TraceOf(string? traceParent) => System.Diagnostics.ActivityContext.TryParse(traceParent, null, out var context)
        ? new TraceLink(context.TraceId.ToHexString(), TraceUrl?.Replace(TraceId, context.TraceId.ToHexString(), StringComparison.Ordinal))
        : null;

    /// <summary>
    /// Whether a request may be addressed to a name. A web page can have its own name lead to this machine; then its name is in the request. Where every
    /// request needs a key, which no web page has, any name will do unless names are listed.
    /// </summary>
    public bool Allows(string host) =>
        IsLoopbackName(host) || host.Equals(Host, StringComparison.OrdinalIgnoreCase) || Hosts.Contains(host, StringComparer.OrdinalIgnoreCase) || (NeedsKeys && Hosts.Count == 0);

    private static bool IsLoopbackName(string host) =>
        host.Equals("localhost", StringComparison.OrdinalIgnoreCase) || (IPAddress.TryParse(host.Trim('[', ']'), out var address) && IPAddress.IsLoopback(address));
}
