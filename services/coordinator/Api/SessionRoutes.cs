using Microsoft.AspNetCore.Http.HttpResults;

namespace Lathe.Coordinator;

/// <summary>Body that opens a session.</summary>
/// <param name="Key">A key that <c>lathe keys create</c> made.</param>
public sealed record SessionOrder(string Key);

/// <summary>Who uses the coordinator in this browser.</summary>
/// <param name="NeedsKey">True: this coordinator answers nothing without a key.</param>
/// <param name="IsOpen">True: requests are answered, as no key is needed or a session is open.</param>
/// <param name="Name">Name of the key; null: none was given.</param>
/// <param name="Scope">What may be done; null: nothing.</param>
public sealed record SessionAnswer(bool NeedsKey, bool IsOpen, string? Name, ApiScope? Scope);

/// <summary>Opens and closes the session of a web page. Its cookie is out of reach of scripts, and no page of another site can have it sent.</summary>
internal static class SessionRoutes
{
    public const string Cookie = "lathe_session";

    private const string Path = "/";

    public static Ok<SessionAnswer> Show(HttpContext context, ApiSettings settings) => TypedResults.Ok(Of(context.Features.Get<ApiKey>(), settings));

    public static async Task<Ok<SessionAnswer>> OpenAsync(HttpContext context, ApiKeys keys, ApiSessions sessions, ApiSettings settings)
    {
        var order = await JsonBody.ReadAsync<SessionOrder>(context.Request, stop: context.RequestAborted);
        if (!settings.NeedsKeys) return TypedResults.Ok(Of(null, settings));
        if (string.IsNullOrEmpty(order.Key)) throw ApiFault.Unacceptable("/key", "is missing, expected a key that 'lathe keys create' made");
        var key = await keys.VerifyAsync(order.Key.Trim(), context.RequestAborted)
            ?? throw new ApiFault(StatusCodes.Status401Unauthorized, "this key is unknown or revoked; 'lathe keys create NAME --scope submit' makes one where the coordinator's database can be reached");
        var token = await sessions.OpenAsync(key, context.RequestAborted);
        context.Response.Cookies.Append(Cookie, token, Options(context.Request, ApiSessions.Lasts));
        context.Response.Headers.CacheControl = "no-store";
        return TypedResults.Ok(Of(key, settings));
    }

    public static async Task<NoContent> CloseAsync(HttpContext context, ApiSessions sessions)
    {
        if (context.Request.Cookies[Cookie] is { Length: > 0 } token) await sessions.CloseAsync(token, context.RequestAborted);
        context.Response.Cookies.Delete(Cookie, Options(context.Request, null));
        return TypedResults.NoContent();
    }

    private static SessionAnswer Of(ApiKey? key, ApiSettings settings) =>
        settings.NeedsKeys ? new SessionAnswer(true, key is not null, key?.Name, key?.Scope) : new SessionAnswer(false, true, null, ApiScope.Admin);

    private static CookieOptions Options(HttpRequest request, TimeSpan? lasts) => new()
    {
        HttpOnly = true,
        SameSite = SameSiteMode.Strict,
        // A proxy ends TLS; the page that the request comes from tells.
        Secure = request.IsHttps || request.Headers.Origin.ToString().StartsWith("https://", StringComparison.OrdinalIgnoreCase),
        Path = Path,
        MaxAge = lasts,
        IsEssential = true,
    };
}
