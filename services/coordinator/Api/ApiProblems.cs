using System.Data.Common;
using System.Globalization;
using System.Net.Sockets;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.RegularExpressions;
using Lathe.Contracts;
using Microsoft.AspNetCore.WebUtilities;

namespace Lathe.Coordinator;

/// <summary>Turns everything that goes wrong into <c>application/problem+json</c>. No answer shows a stack trace or a message of the server's inside.</summary>
internal static partial class ApiProblems
{
    public const string MediaType = "application/problem+json";

    private const int RetrySeconds = 5;

    // People read it as it is, and no browser takes it for a page.
    private static readonly JsonSerializerOptions Readable = new(LatheJson.Options) { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>Answers for what is thrown behind it, and gives a body to the web server's own refusals.</summary>
    public static void UseApiProblems(this WebApplication app) => app.Use(async (context, next) =>
    {
        try
        {
            await next(context);
        }
        catch (Exception e) when (e is not OutOfMemoryException && !context.Response.HasStarted)
        {
            // Nobody reads the answer.
            if (e is OperationCanceledException && context.RequestAborted.IsCancellationRequested) return;
            var fault = FaultOf(e, context);
            if (fault.Status >= StatusCodes.Status500InternalServerError)
            {
                var known = fault.Status is StatusCodes.Status503ServiceUnavailable or StatusCodes.Status504GatewayTimeout;
                app.Logger.Log(known ? LogLevel.Warning : LogLevel.Error, known ? null : e, "{Method} {Path}: {Reason}", context.Request.Method, context.Request.Path, e.GetBaseException().Message);
            }

            context.Response.Clear();
            await WriteAsync(context, fault);
        }

        if (context.Response is { HasStarted: false, StatusCode: >= StatusCodes.Status400BadRequest, ContentType: null } && context.Response.ContentLength is null)
            await WriteAsync(context, new ApiFault(context.Response.StatusCode, Words(context)));
    });

    /// <summary>Writes a fault as the answer.</summary>
    public static Task WriteAsync(HttpContext context, ApiFault fault)
    {
        context.Response.StatusCode = fault.Status;
        if (fault.RetryAfter is { } seconds) context.Response.Headers.RetryAfter = $"{seconds}";
        context.Response.Headers.CacheControl = "no-store";
        return context.Response.WriteAsJsonAsync(
            new ApiProblem(ReasonPhrases.GetReasonPhrase(fault.Status), fault.Status, fault.Message, fault.Problems, fault.Notes),
            Readable, MediaType, context.RequestAborted);
    }

    /// <summary>What went wrong, in words for those who asked.</summary>
    public static ApiFault FaultOf(Exception e, HttpContext context) => e switch
    {
        ApiFault fault => fault,
        BadHttpRequestException { StatusCode: StatusCodes.Status413PayloadTooLarge } => new ApiFault(
            StatusCodes.Status413PayloadTooLarge,
            string.Create(CultureInfo.InvariantCulture, $"the body is too large; this coordinator takes {context.RequestServices.GetRequiredService<ApiSettings>().BodyBytes:N0} bytes at most")),
        BadHttpRequestException bad => new ApiFault(bad.StatusCode, Binding(bad.Message)),
        LatheException { Kind: FailureKind.Permanent } wrong => new ApiFault(StatusCodes.Status409Conflict, wrong.Message),
        // Addresses of the database and of the store are nothing for those who ask.
        LatheException => Away("the coordinator's database or store does not answer; nothing was changed, try again. Its log says more"),
        _ when IsAway(e) => Away("the coordinator's database does not answer; nothing was changed, try again"),
        OperationCanceledException => Away("the coordinator is stopping; try again"),
        _ => new ApiFault(StatusCodes.Status500InternalServerError, "a fault in the coordinator; its log says more"),
    };

    private static ApiFault Away(string detail) => new(StatusCodes.Status503ServiceUnavailable, detail) { RetryAfter = RetrySeconds };

    private static bool IsAway(Exception e)
    {
        for (var inner = e; inner is not null; inner = inner.InnerException)
        {
            if (inner is DbException or SocketException or TimeoutException) return true;
        }

        return false;
    }

    private static string Words(HttpContext context) => context.Response.StatusCode switch
    {
        StatusCodes.Status404NotFound => $"there is no {context.Request.Path}; /openapi/v1.json describes every address",
        StatusCodes.Status405MethodNotAllowed => $"{context.Request.Path} does not take {context.Request.Method}; it takes {context.Response.Headers.Allow}",
        StatusCodes.Status415UnsupportedMediaType => JsonBody.ExpectedType,
        _ => ReasonPhrases.GetReasonPhrase(context.Response.StatusCode),
    };

    /// <summary>What could not be read of an address, in words.</summary>
    private static string Binding(string message) => BindingFailed().Match(message) is { Success: true } failed
        ? $"{failed.Groups["name"].Value} is '{failed.Groups["value"].Value}', expected {ExpectedOf(failed.Groups["type"].Value)}"
        : "the request cannot be read";

    private static string ExpectedOf(string type) => type.TrimEnd('?') switch
    {
        "int" or "long" => "a whole number",
        "bool" => "true or false",
        "Guid" => "an id",
        _ => "another value",
    };

    [GeneratedRegex("""^Failed to bind parameter "(?:Nullable<)?(?<type>[A-Za-z0-9?]+)>? (?<name>\w+)" from "(?<value>[^"]*)"\.""")]
    private static partial Regex BindingFailed();
}
