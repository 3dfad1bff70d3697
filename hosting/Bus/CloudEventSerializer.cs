using System.Net.Mime;
using System.Runtime.Serialization;
using System.Text.Json;
using Lathe.Contracts.Messages;
using MassTransit;
using MassTransit.Serialization;
using Headers = MassTransit.Headers;

namespace Lathe.Hosting;

/// <summary>
/// Writes and reads messages as CloudEvents, so that a worker of any language takes part without MassTransit's envelope. What an earlier release left in
/// the queues, in that envelope, is still read.
/// </summary>
internal sealed class CloudEventSerializer : ISerializerFactory, IMessageSerializer, IMessageDeserializer
{
    private const string Urn = "urn:message:";
    private static readonly ContentType Structured = new(CloudEvent.MediaType);

    // MassTransit's own, since its answers about faults have records of its own inside; it indents by default.
    private static readonly Lazy<JsonSerializerOptions> Json = new(() => new JsonSerializerOptions(SystemTextJsonMessageSerializer.Options) { WriteIndented = false });

    private CloudEventSerializer()
    {
    }

    public static CloudEventSerializer Instance { get; } = new();

    public ContentType ContentType => Structured;

    public IMessageSerializer CreateSerializer() => this;

    public IMessageDeserializer CreateDeserializer() => this;

    public void Probe(ProbeContext context) => context.CreateScope("cloudevents").Add("contentType", CloudEvent.MediaType);

    public MessageBody GetMessageBody(string text) => new StringMessageBody(text);

    public MessageBody GetMessageBody<T>(SendContext<T> context)
        where T : class
    {
        try
        {
            return new MemoryMessageBody(JsonSerializer.SerializeToUtf8Bytes(
                new CloudEvent(
                    CloudEvent.Version,
                    (context.MessageId ?? NewId.NextGuid()).ToString(),
                    context.SourceAddress?.ToString() ?? "lathe",
                    TypeOf<T>(),
                    context.SentTime is { } sent ? new DateTimeOffset(sent.ToUniversalTime()) : DateTimeOffset.UtcNow,
                    context.Headers.Get<string>(Contracts.Messages.Headers.TraceParent),
                    context.RequestId?.ToString(),
                    context.ResponseAddress?.ToString(),
                    JsonSerializer.SerializeToElement(context.Message, Json.Value)),
                Json.Value));
        }
        catch (Exception e) when (e is JsonException or NotSupportedException or ArgumentException)
        {
            throw new SerializationException($"{typeof(T).Name} cannot be written as JSON: {e.Message}", e);
        }
    }

    public ConsumeContext Deserialize(ReceiveContext receiveContext) =>
        new BodyConsumeContext(receiveContext, Deserialize(receiveContext.Body, receiveContext.TransportHeaders, receiveContext.InputAddress));

    public SerializerContext Deserialize(MessageBody body, Headers headers, Uri? destinationAddress = null)
    {
        var read = Read(body.GetBytes());
        var envelope = new JsonMessageEnvelope
        {
            // Somebody else's id need not be a GUID; without one the message is as good.
            MessageId = Guid.TryParse(read.Id, out var id) ? id.ToString() : null,
            RequestId = read.RequestId,
            ResponseAddress = read.ReplyTo,
            SourceAddress = Uri.TryCreate(read.Source, UriKind.Absolute, out var source) ? source.ToString() : null,
            SentTime = read.Time?.UtcDateTime,
            MessageType = MessageTypes.Find(read.Type) is { } type ? [MessageUrn.ForTypeString(type)] : read.Type!.StartsWith(Urn, StringComparison.Ordinal) ? [read.Type] : [],
            Message = read.Data!.Value,
        };
        if (read.TraceParent is { } traceParent) envelope.Headers[Contracts.Messages.Headers.TraceParent] = traceParent;
        return new CloudEventContext(envelope, Json.Value);
    }

    /// <summary>Types that Lathe does not name, such as a fault of MassTransit's, keep the name that MassTransit gives them.</summary>
    private static string TypeOf<T>() => MessageTypes.All.Contains(typeof(T)) ? MessageTypes.NameOf(typeof(T)) : MessageUrn.ForTypeString<T>();

    private static CloudEvent Read(byte[] body)
    {
        CloudEvent? read;
        try
        {
            read = JsonSerializer.Deserialize<CloudEvent>(body, Json.Value);
        }
        catch (JsonException e)
        {
            throw new SerializationException("it is no CloudEvent", e);
        }

        var problem = read switch
        {
            null => "it is no CloudEvent",
            { SpecVersion: not CloudEvent.Version } => $"specversion is '{read.SpecVersion}', expected {CloudEvent.Version}",
            { Type: null or "" } => "type is missing",
            { Id: null or "" } => "id is missing",
            { Source: null or "" } => "source is missing",
            { Data: null } => "data is missing",
            { RequestId: { } request } when !Guid.TryParse(request, out _) => "requestid is no GUID",
            { ReplyTo: { } reply } when !Uri.TryCreate(reply, UriKind.Absolute, out _) => "replyto is no absolute URI",
            _ => null,
        };
        return problem is null ? read! : throw new MalformedMessageException(problem);
    }

    /// <summary>Whoever passes a message on writes it as a CloudEvent again.</summary>
    private sealed class CloudEventContext(JsonMessageEnvelope envelope, JsonSerializerOptions json)
        : SystemTextJsonSerializerContext(
            SystemTextJsonMessageSerializer.Instance, json, Structured, new EnvelopeMessageContext(envelope, SystemTextJsonMessageSerializer.Instance), envelope.MessageType!, envelope)
    {
        public override IMessageSerializer GetMessageSerializer() => Instance;

        public override IMessageSerializer GetMessageSerializer<T>(MessageEnvelope envelope, T message) => Instance;

        public override IMessageSerializer GetMessageSerializer(object message, string[] messageTypes) => Instance;
    }
}
