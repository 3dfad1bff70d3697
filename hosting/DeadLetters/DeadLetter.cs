using System.Security.Cryptography;
using System.Text;
using Lathe.Contracts.Messages;
using RabbitMQ.Client;

namespace Lathe.Hosting;

/// <summary>A message that no worker or coordinator could take.</summary>
/// <param name="Id">12 hexadecimal characters, a digest of the message.</param>
/// <param name="Queue">The queue that it came from; empty: unknown.</param>
/// <param name="Reason">Why it is here.</param>
/// <param name="At">Since when; null: unknown.</param>
/// <param name="Type">Its type, for example <c>ExecuteStage</c>; empty: unknown.</param>
/// <param name="Bytes">Length of its body.</param>
internal sealed record DeadLetter(string Id, string Queue, string Reason, DateTimeOffset? At, string Type, int Bytes)
{
    // Written by whoever moves a message here; the broker writes x-death where it does so itself.
    private const string QueueHeader = "lathe-queue";
    private const string ReasonHeader = "lathe-reason";
    private const string AtHeader = "lathe-dead-at";
    private const string BrokerHeader = "x-death";
    private const string DeliveriesHeader = "x-delivery-count";
    private const string ConfirmationHeader = "x-dotnet-pub-seq-no";

    private const int MostTypeBytes = 4096;

    /// <summary>Reads a message of the queue of dead letters.</summary>
    internal static DeadLetter Of(IReadOnlyBasicProperties properties, ReadOnlySpan<byte> body)
    {
        var headers = properties.Headers ?? new Dictionary<string, object?>();
        var brokers = headers.TryGetValue(BrokerHeader, out var deaths) && deaths is IList<object?> { Count: > 0 } list ? list[0] as IDictionary<string, object?> : null;
        return new DeadLetter(
            IdOf(properties, body),
            Text(headers, QueueHeader) ?? Text(brokers, "queue") ?? "",
            Text(headers, ReasonHeader) is { } reason && !string.IsNullOrWhiteSpace(reason) ? reason : OfBroker(Text(brokers, "reason")),
            Moment(headers, AtHeader) ?? Moment(brokers, "time"),
            TypeOf(body),
            body.Length);
    }

    /// <summary>Properties of the message as it lies among the dead letters.</summary>
    internal BasicProperties Buried(IReadOnlyBasicProperties properties)
    {
        var buried = Clean(properties);
        buried.Headers![QueueHeader] = Queue;
        buried.Headers[ReasonHeader] = Reason;
        if (At is { } at) buried.Headers[AtHeader] = new AmqpTimestamp(at.ToUnixTimeSeconds());
        return buried;
    }

    /// <summary>Properties of the message as it was before.</summary>
    internal static BasicProperties Clean(IReadOnlyBasicProperties properties)
    {
        var clean = new BasicProperties(properties) { DeliveryMode = DeliveryModes.Persistent };
        clean.Headers = new Dictionary<string, object?>(
            (properties.Headers ?? new Dictionary<string, object?>())
                .Where(header => header.Key is not (QueueHeader or ReasonHeader or AtHeader or DeliveriesHeader or ConfirmationHeader)
                    && !header.Key.StartsWith(BrokerHeader, StringComparison.Ordinal)
                    && !header.Key.StartsWith("x-first-death", StringComparison.Ordinal)
                    && !header.Key.StartsWith("x-last-death", StringComparison.Ordinal)));
        // Only who is called so may say so.
        clean.ClearUserId();
        // A message that could not be read in time may be read later.
        clean.ClearExpiration();
        return clean;
    }

    private static string IdOf(IReadOnlyBasicProperties properties, ReadOnlySpan<byte> body)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(Encoding.UTF8.GetBytes((properties.IsMessageIdPresent() ? properties.MessageId : "") + "\n"));
        hash.AppendData(body);
        return Convert.ToHexStringLower(hash.GetHashAndReset())[..12];
    }

    private static string OfBroker(string? reason) => reason switch
    {
        null or "" => "unknown",
        "delivery_limit" => "it came back from its readers too often",
        "rejected" => "a reader rejected it",
        "expired" => "it waited too long",
        "maxlen" => "its queue was full",
        _ => reason,
    };

    /// <summary>The envelope begins with ids and names the types soon: the whole of a large body need not be understood.</summary>
    internal static string TypeOf(ReadOnlySpan<byte> body)
    {
        var text = Encoding.UTF8.GetString(body[..Math.Min(body.Length, MostTypeBytes)]);
        var own = typeof(ExecuteStage).Namespace + ":";
        var name = After(text, "urn:message:") ?? "";
        if (name.StartsWith(own, StringComparison.Ordinal)) return name[own.Length..];
        if (name.Length > 0) return name;
        var type = After(text, "\"type\":\"") ?? "";
        return MessageTypes.Find(type)?.Name ?? type;
    }

    private static string? After(string text, string start)
    {
        var at = text.IndexOf(start, StringComparison.Ordinal);
        return at < 0 ? null : new string([.. text.Skip(at + start.Length).TakeWhile(c => char.IsAsciiLetterOrDigit(c) || c is '.' or ':' or '_' or '-')]);
    }

    private static string? Text(IDictionary<string, object?>? headers, string name) =>
        headers is not null && headers.TryGetValue(name, out var value)
            ? value switch { byte[] bytes => Encoding.UTF8.GetString(bytes), string text => text, _ => null }
            : null;

    private static DateTimeOffset? Moment(IDictionary<string, object?>? headers, string name) =>
        headers is not null && headers.TryGetValue(name, out var value) && value is AmqpTimestamp { UnixTime: > 0 and < 253_402_300_800 } time
            ? DateTimeOffset.FromUnixTimeSeconds(time.UnixTime)
            : null;
}
