using Lathe.Contracts;
using ModelContextProtocol;

namespace Lathe.Coordinator;

/// <summary>Versions of the Model Context Protocol that the endpoint speaks.</summary>
internal static class ProtocolVersions
{
    private const string Header = "MCP-Protocol-Version";

    /// <summary>The oldest first: those that the library has.</summary>
    public static IReadOnlyList<string> Spoken { get; } = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28"];

    /// <summary>The answer to a request whose header names a version that is not spoken; null: it names one that is, or none.</summary>
    public static IResult? Refusal(HttpRequest request)
    {
        if (request.Headers[Header] is not [var asked] || string.IsNullOrEmpty(asked) || Spoken.Contains(asked)) return null;
        var error = new
        {
            code = (int)McpErrorCode.UnsupportedProtocolVersion,
            message = $"the header {Header} asks for version '{asked}'; spoken are {string.Join(", ", Spoken)}",
            data = new { supported = Spoken, requested = asked },
        };
        // Nobody has read the body, which has the id.
        return Results.Json(new { jsonrpc = "2.0", id = (object?)null, error }, LatheJson.Options, statusCode: StatusCodes.Status400BadRequest);
    }
}
