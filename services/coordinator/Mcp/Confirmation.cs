using System.Text.Json;
using ModelContextProtocol.Protocol;
using ModelContextProtocol.Server;

namespace Lathe.Coordinator;

/// <summary>
/// Asks before something is thrown away. Where the client can, it asks the person. Where it cannot, the model gets words to repeat; it has to call again with them, and its client sees
/// that the tool is a destructive one.
/// </summary>
internal static class Confirmation
{
    private const string Question = "confirm";
    private const string Agree = "agree";

    /// <summary>Whether the caller confirmed.</summary>
    /// <param name="call">The call of the tool.</param>
    /// <param name="what">One sentence that says what would be done.</param>
    /// <param name="words">Words that name this deed and no other.</param>
    /// <param name="given">Words that the caller gave.</param>
    /// <returns>Null: confirmed. Otherwise the answer to the caller; nothing is to be done.</returns>
    /// <exception cref="InputRequiredException">The person has to be asked first.</exception>
    public static string? Of(RequestContext<CallToolRequestParams> call, string what, string words, string? given)
    {
        if (!CanAsk(call.Server))
            return given == words ? null : $"{(given is null ? "" : $"confirm is '{given}', which are other words. ")}Nothing was done. {what} Ask the person; if they agree, call again with confirm: \"{words}\"";
        // An answer to another question does not count.
        if (call.Params?.InputResponses?.TryGetValue(Question, out var response) == true && call.Params.RequestState == words)
            return response.Deserialize(InputResponse.ElicitResultJsonTypeInfo) is { IsAccepted: true } answer && answer.Content?.TryGetValue(Agree, out var agrees) == true && agrees.ValueKind == JsonValueKind.True
                ? null : "Nothing was done: the person did not agree.";
        throw new InputRequiredException(
            new Dictionary<string, InputRequest>
            {
                [Question] = InputRequest.ForElicitation(new ElicitRequestParams
                {
                    Message = what,
                    RequestedSchema = new ElicitRequestParams.RequestSchema
                    {
                        Properties = { [Agree] = new ElicitRequestParams.BooleanSchema { Title = "Do it", Default = false } },
                        Required = [Agree],
                    },
                }),
            },
            words);
    }

    private static bool CanAsk(McpServer server) => server.IsMrtrSupported && server.ClientCapabilities?.Elicitation is not null;
}
