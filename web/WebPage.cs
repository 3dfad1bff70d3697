using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace Lathe.Web;

/// <summary>
/// The page that shows and controls sweeps: files that a browser loads and runs. They hold nothing secret, and everybody may have them; what they show comes
/// from the HTTP interface, which asks for a key where one is needed.
/// </summary>
public static class WebPage
{
    /// <summary>Where the page lives.</summary>
    public const string Path = "/ui/";

    // Only files of this origin: no inline script or style, no frame around the page, no form that leads elsewhere.
    private const string ContentSecurityPolicy =
        "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'";

    private const string Forever = "public, max-age=31536000, immutable";

    /// <summary>Adds the routes of the page. Nobody needs a key for them.</summary>
    public static void MapWebPage(this IEndpointRouteBuilder app)
    {
        var files = WebFiles.Load();
        // Names of routes are relative, so that a proxy may put the coordinator below a path.
        Map("/", context => Redirect(context, "ui/"));
        Map("/ui", context => context.Request.Path.Value!.EndsWith('/') ? files.Index.WriteAsync(Prepare(context)) : Redirect(context, "ui/"));
        Map("/ui/{version}/{**path}", context =>
        {
            var found = (string?)context.GetRouteValue("version") == files.Version ? files.Find((string?)context.GetRouteValue("path") ?? "") : null;
            if (found is null)
            {
                // An open page of an earlier version asks for a part that is no more: its script then loads the page again.
                context.Response.StatusCode = StatusCodes.Status404NotFound;
                return Task.CompletedTask;
            }

            Prepare(context).Response.Headers.CacheControl = Forever;
            return found.WriteAsync(context);
        });

        void Map(string pattern, RequestDelegate answer) =>
            app.MapMethods(pattern, [HttpMethods.Get, HttpMethods.Head], answer).ExcludeFromDescription();
    }

    private static Task Redirect(HttpContext context, string to)
    {
        context.Response.Redirect(to);
        return Task.CompletedTask;
    }

    private static HttpContext Prepare(HttpContext context)
    {
        var headers = context.Response.Headers;
        headers.ContentSecurityPolicy = ContentSecurityPolicy;
        headers.XContentTypeOptions = "nosniff";
        headers["Referrer-Policy"] = "no-referrer";
        headers["Cross-Origin-Opener-Policy"] = "same-origin";
        headers.CacheControl = "no-cache";
        return context;
    }
}
