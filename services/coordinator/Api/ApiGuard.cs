using System.Globalization;
using System.Threading.RateLimiting;

namespace Lathe.Coordinator;

/// <summary>Says what key a route needs.</summary>
/// <param name="Scope">What the key allows; null: the route answers everybody, as the files of the web page do.</param>
internal sealed record NeedsScope(ApiScope? Scope);

/// <summary>Keeps out requests of web pages, of clients without a key, and too many of them. The routes of health answer everybody.</summary>
internal static class ApiGuard
{
    private const string Health = "/health";
    private const string Bearer = "Bearer ";

    public static void AddApiGuard(this IServiceCollection services, ApiSettings settings)
    {
        services.AddSingleton(settings);
        services.AddSingleton<ApiKeys>();
        services.AddSingleton<ApiSessions>();
        services.AddRateLimiter(limiter =>
        {
            limiter.RejectionStatusCode = StatusCodes.Status429TooManyRequests;
            limiter.GlobalLimiter = PartitionedRateLimiter.Create<HttpContext, string>(context => IsHealth(context)
                ? RateLimitPartition.GetNoLimiter("")
                : RateLimitPartition.GetTokenBucketLimiter(Client(context), _ => new TokenBucketRateLimiterOptions
                {
                    TokenLimit = settings.Burst, TokensPerPeriod = Math.Max(1, settings.PerSecond / 10), ReplenishmentPeriod = TimeSpan.FromSeconds(0.1), QueueLimit = 0,
                }));
            limiter.OnRejected = (rejected, _) => new ValueTask(ApiProblems.WriteAsync(
                rejected.HttpContext,
                new ApiFault(
                    StatusCodes.Status429TooManyRequests,
                    string.Create(CultureInfo.InvariantCulture, $"too many requests; this coordinator takes {settings.PerSecond} a second from one client")) { RetryAfter = 1 }));
        });
    }

    /// <summary>In the order in which they are cheap to answer.</summary>
    public static void UseApiGuard(this WebApplication app, ApiSettings settings)
    {
        app.Use((context, next) =>
        {
            if (!IsHealth(context)) CheckOrigin(context.Request, settings);
            return next(context);
        });
        if (settings.NeedsKeys) app.Use(IdentifyAsync);
        app.UseRateLimiter();
        if (settings.NeedsKeys) app.Use(AuthorizeAsync);
    }

    private static void CheckOrigin(HttpRequest request, ApiSettings settings)
    {
        if (!settings.Allows(request.Host.Host))
        {
            throw new ApiFault(
                StatusCodes.Status421MisdirectedRequest,
                $"this coordinator is not called '{request.Host.Host}'; if it should be, name it in {ApiSettings.HostsVariable}");
        }

        var origin = request.Headers.Origin.ToString();
        // Behind a proxy that ends TLS the schemes differ.
        if (origin.Length > 0 && !(Uri.TryCreate(origin, UriKind.Absolute, out var page) && page.Authority.Equals(request.Host.Value, StringComparison.OrdinalIgnoreCase)))
            throw new ApiFault(StatusCodes.Status403Forbidden, $"a web page of {origin} may not use this coordinator");
        // Other types can be sent by a form of any web page.
        if (request.ContentType is { Length: > 0 } && HttpMethods.IsPost(request.Method) && !JsonBody.IsJson(request))
            throw new ApiFault(StatusCodes.Status415UnsupportedMediaType, JsonBody.ExpectedType);
    }

    private static async Task IdentifyAsync(HttpContext context, RequestDelegate next)
    {
        if (!IsHealth(context) && await KeyOfAsync(context) is { } key) context.Features.Set(key);
        await next(context);
    }

    private static async Task<ApiKey?> KeyOfAsync(HttpContext context)
    {
        var given = context.Request.Headers.Authorization.ToString();
        if (given.StartsWith(Bearer, StringComparison.OrdinalIgnoreCase))
            return await context.RequestServices.GetRequiredService<ApiKeys>().VerifyAsync(given[Bearer.Length..].Trim(), context.RequestAborted);
        // The browser keeps the cookie from other sites, but not from other ports of this machine.
        var isOwnPage = context.Request.Headers["Sec-Fetch-Site"].ToString() is "" or "same-origin" or "none";
        return given.Length == 0 && isOwnPage && context.Request.Cookies[SessionRoutes.Cookie] is { Length: > 0 } token
            ? await context.RequestServices.GetRequiredService<ApiSessions>().VerifyAsync(token, context.RequestAborted)
            : null;
    }

    private static Task AuthorizeAsync(HttpContext context, RequestDelegate next)
    {
        var route = context.GetEndpoint()?.Metadata.GetMetadata<NeedsScope>();
        if (IsHealth(context) || route is { Scope: null }) return next(context);
        if (context.Features.Get<ApiKey>() is not { } key)
        {
            context.Response.Headers.WWWAuthenticate = "Bearer";
            return ApiProblems.WriteAsync(context, new ApiFault(
                StatusCodes.Status401Unauthorized,
                (context.Request.Headers.Authorization.Count > 0 ? "this key is unknown or revoked" : "this coordinator needs a key")
                + ": make one with 'lathe keys create NAME --scope submit' where the coordinator's database can be reached, and give it to the client in LATHE_API_KEY "
                + "(curl: -H \"Authorization: Bearer $LATHE_API_KEY\")"));
        }

        var needed = route?.Scope ?? (HttpMethods.IsGet(context.Request.Method) ? ApiScope.Read : ApiScope.Admin);
        return Refusal(context, needed) is { } refusal ? ApiProblems.WriteAsync(context, refusal) : next(context);
    }

    /// <summary>Null where the request's key allows it, or none is needed here. Needs the guard before it.</summary>
    public static ApiFault? Refusal(HttpContext context, ApiScope needed) => context.Features.Get<ApiKey>() is { } key && key.Scope < needed
        ? new ApiFault(StatusCodes.Status403Forbidden, $"the key '{key.Name}' has the scope {Word(key.Scope)}, and this needs {Word(needed)}; 'lathe keys create NAME --scope {Word(needed)}' makes one")
        : null;

    private static bool IsHealth(HttpContext context) => context.Request.Path.StartsWithSegments(Health, StringComparison.OrdinalIgnoreCase);

    private static string Client(HttpContext context) => context.Features.Get<ApiKey>()?.Id ?? context.Connection.RemoteIpAddress?.ToString() ?? "";

    private static string Word(ApiScope scope) => scope.ToString().ToLowerInvariant();
}
