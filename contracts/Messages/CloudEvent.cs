using System.Text.Json;
using System.Text.Json.Serialization;

namespace Lathe.Contracts.Messages;

/// <summary>
/// A message as it travels on the bus: a CloudEvent 1.0 in structured JSON mode, content type <see cref="MediaType"/>. Any language can read and write one.
/// Readers ignore attributes that they do not know.
/// </summary>
/// <param name="SpecVersion"><c>1.0</c>.</param>
/// <param name="Id">A GUID: who gets a message twice knows it by this.</param>
/// <param name="Source">Who sent it, a URI reference.</param>
/// <param name="Type">What it is, for example <c>lathe.execute-stage.v1</c>; see <see cref="MessageTypes"/>.</param>
/// <param name="Time">When it was sent.</param>
/// <param name="TraceParent">W3C trace context, the attribute of CloudEvents' distributed tracing extension; null: none.</param>
/// <param name="RequestId">On a request and on its answer: a GUID that says which belongs to which; null: no request.</param>
/// <param name="ReplyTo">On a request: where the answer goes, a URI whose last segment names the queue; null: no answer is wanted.</param>
/// <param name="Data">The message itself, as its record is written in JSON.</param>
public sealed record CloudEvent(
    [property: JsonPropertyName("specversion")] string? SpecVersion,
    [property: JsonPropertyName("id")] string? Id,
    [property: JsonPropertyName("source")] string? Source,
    [property: JsonPropertyName("type")] string? Type,
    [property: JsonPropertyName("time"), JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] DateTimeOffset? Time,
    [property: JsonPropertyName("traceparent"), JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? TraceParent,
    [property: JsonPropertyName("requestid"), JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? RequestId,
    [property: JsonPropertyName("replyto"), JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? ReplyTo,
    [property: JsonPropertyName("data")] JsonElement? Data)
{
    /// <summary>Content type of every message.</summary>
    public const string MediaType = "application/cloudevents+json";

    /// <summary>The version of the specification.</summary>
    public const string Version = "1.0";

    /// <summary>Media type of the data. The attribute may be left out, since JSON is what a CloudEvent in JSON has.</summary>
    [JsonPropertyName("datacontenttype"), JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? DataContentType { get; init; }
}

/// <summary>The <c>type</c> of each message, as CloudEvents name it.</summary>
public static class MessageTypes
{
    private static readonly Type[] Known =
    [
        typeof(ExecuteStage), typeof(CancelExecutions), typeof(CheckStage), typeof(StageChecked), typeof(AnnounceStages), typeof(StageAnnounced),
        typeof(StageStarted), typeof(StageProgressed), typeof(StageCompleted), typeof(StageFailed), typeof(StageCancelled), typeof(ExportCheckpoint), typeof(CheckpointExported),
    ];

    private static readonly Dictionary<string, Type> ByName = Known.ToDictionary(NameOf, StringComparer.Ordinal);

    /// <summary>All messages.</summary>
    public static IReadOnlyList<Type> All => Known;

    /// <summary>The name of a message's type, for example <c>lathe.execute-stage.v1</c>. A change that an older reader could not read gets another version.</summary>
    public static string NameOf(Type message) =>
        $"lathe.{JsonNamingPolicy.KebabCaseLower.ConvertName(message.Name)}.v1";

    /// <summary>The message of a name, or null where Lathe has none of it.</summary>
    public static Type? Find(string? name) => name is not null && ByName.TryGetValue(name, out var type) ? type : null;
}
