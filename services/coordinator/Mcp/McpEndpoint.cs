using System.Text.Encodings.Web;
using System.Text.Json;
using Lathe.Contracts;
using ModelContextProtocol;
using ModelContextProtocol.Protocol;
using ModelContextProtocol.Server;

namespace Lathe.Coordinator;

/// <summary>
/// The coordinator for language models: the Model Context Protocol beside the REST API, on the same port and behind the same guard. It keeps no sessions, so any of several
/// coordinators answers any request. docs/mcp.md describes its tools.
/// </summary>
internal static class McpEndpoint
{
    public const string Path = "/mcp";

    // Models read it as it is.
    private static readonly JsonSerializerOptions Readable = new(LatheJson.Options) { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public static void AddMcpEndpoint(this IServiceCollection services)
    {
        services.AddHttpContextAccessor();
        services.AddMcpServer(server =>
        {
            server.ServerInfo = new Implementation { Name = "lathe", Title = "Lathe", Version = typeof(McpEndpoint).Assembly.GetName().Version!.ToString(3) };
            server.ServerInstructions =
                "Lathe makes convolutional networks small: sweeps of stages that train, prune, quantize and evaluate. First list_stages, then plan_sweep with the text of a sweep file until it has "
                + "no problems, then submit_sweep, watch_sweep until it is over, and best_results. A sweep is named by its id, a unique start of it, or its name; an execution is named SWEEP:INDEX.";
        }).WithHttpTransport().WithTools<SweepTools>(LatheJson.Options).WithTools<OrderTools>(LatheJson.Options)
            .WithRequestFilters(filters => filters.AddCallToolFilter(next => (call, stop) => GuardAsync(next, call, stop)));
    }

    public static void MapMcpEndpoint(this IEndpointRouteBuilder routes)
    {
        var endpoint = routes.MapMcp(Path).WithMetadata(new NeedsScope(ApiScope.Read)).ExcludeFromDescription();
        // The library's answer to a version that it does not speak names the latest one alone.
        endpoint.Add(builder =>
        {
            if (builder.RequestDelegate is { } next) builder.RequestDelegate = context => ProtocolVersions.Refusal(context.Request) is { } refusal ? refusal.ExecuteAsync(context) : next(context);
        });
    }

    /// <summary>An answer as a model reads it.</summary>
    public static string Text<T>(T answer) => JsonSerializer.Serialize(answer, Readable);

    /// <summary>Checks what the caller's key allows, and turns what goes wrong into an answer in the words of the REST API.</summary>
    private static async ValueTask<CallToolResult> GuardAsync(McpRequestHandler<CallToolRequestParams, CallToolResult> next, RequestContext<CallToolRequestParams> call, CancellationToken stop)
    {
        var context = call.Services!.GetRequiredService<IHttpContextAccessor>().HttpContext!;
        try
        {
            var needed = call.MatchedPrimitive?.Metadata.OfType<NeedsAttribute>().FirstOrDefault()?.Scope ?? ApiScope.Read;
            if (ApiGuard.Refusal(context, needed) is { } refusal) throw refusal;
            return await next(call, stop);
        }
        catch (Exception e) when (e is McpException or ArgumentException or JsonException)
        {
            var wrong = e is JsonException json ? $"an argument has another type than expected{(json.Path is null or "$" ? "" : $", at {json.Path}")}" : e.Message;
            return Refused($"{wrong}; tools/list says what each tool takes");
        }
        catch (Exception e) when (e is not (InputRequiredException or OutOfMemoryException) && !stop.IsCancellationRequested)
        {
            var fault = ApiProblems.FaultOf(e, context);
            if (fault.Status >= StatusCodes.Status500InternalServerError)
                call.Services!.GetRequiredService<ILoggerFactory>().CreateLogger(typeof(McpEndpoint)).LogError(e, "{Tool}: {Reason}", call.Params?.Name, e.GetBaseException().Message);
            var text = fault.Problems is { Count: > 0 } problems ? $"{fault.Message}\n{Text(problems)}" : fault.Message;
            return Refused(text);
        }
    }

    private static CallToolResult Refused(string text) => new() { IsError = true, Content = [new TextContentBlock { Text = text }] };
}

/// <summary>Says what key a tool needs.</summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class NeedsAttribute(ApiScope scope) : Attribute
{
    public ApiScope Scope { get; } = scope;
}
