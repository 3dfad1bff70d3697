using Microsoft.AspNetCore.Http.Features;

namespace Lathe.Coordinator;

/// <summary>
/// Names with a slash in an address, as <c>/sweeps/team%2Fexp</c>. The web server leaves %2F in the path as it is, since it could not be told from a separator
/// afterwards. Once the route is found, it can only be part of a name.
/// </summary>
internal static class SlashesInNames
{
    private const string Slash = "%2F";

    // Parts of routes that name a sweep. No other part may have a slash.
    private static readonly string[] Names = ["reference", "execution"];

    /// <summary>Reads them; to be used behind the routing.</summary>
    public static void UseSlashesInNames(this WebApplication app) => app.Use((context, next) =>
    {
        foreach (var name in Names)
        {
            if (context.Request.RouteValues.TryGetValue(name, out var value) && value is string read && read.Contains(Slash, StringComparison.OrdinalIgnoreCase))
                context.Request.RouteValues[name] = Whole(read, context.Features.Get<IHttpRequestFeature>()?.RawTarget);
        }

        return next(context);
    });

    /// <summary>A name as the client meant it: %252F is one with %2F in it.</summary>
    /// <param name="read">The name as the web server read it.</param>
    /// <param name="target">The request's target as it arrived.</param>
    private static string Whole(string read, string? target) =>
        (target ?? "").Split('?')[0].Split('/').Where(sent => sent.Contains(Slash, StringComparison.OrdinalIgnoreCase))
            .Select(sent => (AsRead: Uri.UnescapeDataString(sent.Replace(Slash, "%25" + Slash[1..], StringComparison.OrdinalIgnoreCase)), Meant: Uri.UnescapeDataString(sent)))
            .Where(sent => sent.AsRead.Equals(read, StringComparison.OrdinalIgnoreCase)).Select(sent => sent.Meant).FirstOrDefault() ?? read;
}
