using System.Runtime.Serialization;
using System.Text.Json;
using MassTransit;
using Microsoft.Extensions.Logging;

namespace Lathe.Hosting;

/// <summary>
/// Takes messages that nobody can read out of a queue, at once and with the reason, instead of letting the broker deliver them a hundred times. They
/// go to the queue of dead letters as they came.
/// </summary>
/// <param name="queue">The queue that it guards.</param>
/// <param name="broker">Has the queue of dead letters.</param>
/// <param name="comesAgain">Whether a message that ended in this exception may go better at its next delivery.</param>
/// <param name="logger">Told of each message.</param>
internal sealed class PoisonMessages(string queue, BrokerClient broker, Func<ExceptionReceiveContext, bool> comesAgain, ILogger<PoisonMessages> logger)
    : IFilter<ReceiveContext>, IFilter<ExceptionReceiveContext>
{
    /// <summary>
    /// No message of Lathe is larger, in bytes: whatever could grow, networks and data sets, is in a store.
    /// </summary>
    public const int Largest = 4 << 20;

    /// <summary>Guards a queue's reader.</summary>
    public void Guard(IReceiveEndpointConfigurator endpoint)
    {
        endpoint.ConfigureReceive(pipe => pipe.UseFilter<ReceiveContext>(this));
        endpoint.ConfigureDeadLetter(pipe => pipe.UseFilter(new Unconsumed(this)));
        endpoint.ConfigureError(pipe => pipe.UseFilter<ExceptionReceiveContext>(this));
    }

    public Task Send(ReceiveContext context, IPipe<ReceiveContext> next) => context.Body.Length is { } bytes and > Largest
        ? MoveAsync(context, $"it has {bytes:N0} bytes; no message here has more than {Largest:N0}")
        : next.Send(context);

    public async Task Send(ExceptionReceiveContext context, IPipe<ExceptionReceiveContext> next)
    {
        if (!context.IsFaulted) await context.NotifyFaulted(context.Exception);
        if (comesAgain(context))
        {
            logger.LogWarning("a message in queue {Queue} goes back to it: {Reason}", queue, Reason(context.Exception));
            throw context.Exception;
        }

        await MoveAsync(context, Reason(context.Exception));
    }

    public void Probe(ProbeContext context) => context.CreateFilterScope("poison");

    private async Task MoveAsync(ReceiveContext context, string reason)
    {
        if (!context.TryGetPayload<RabbitMqBasicConsumeContext>(out var delivery)) throw new InvalidOperationException("not a message of RabbitMQ");
        var id = await broker.BuryAsync(queue, reason, delivery.Properties, context.Body.GetBytes(), context.CancellationToken);
        logger.LogWarning("moved a message from queue {Queue} to the dead letters: {Reason}. See: lathe dead-letters show {Id}", queue, reason, id);
    }

    private static string Reason(Exception e)
    {
        // The reader's own words say less than those of what it stumbled over.
        while (e is SerializationException && e.InnerException is { } inner) e = inner;
        // It may repeat what the message says, which is nobody's business to say to a terminal.
        var line = string.Concat(e.Message.Split('\n')[0].TrimEnd(' ', '\r', '.').Select(c => char.IsControl(c) ? '?' : c));
        return e switch
        {
            MalformedMessageException => line,
            JsonException json => $"it cannot be read: {Words(json, line)}",
            // What the reader calls a missing argument is a part of the envelope.
            ArgumentException => "it cannot be read: it has no envelope, or the envelope lacks a part",
            SerializationException => $"it cannot be read: {line}",
            _ => $"{e.GetType().Name}: {line}",
        };
    }

    /// <summary>What is wrong and where, without names of .NET.</summary>
    private static string Words(JsonException fault, string line)
    {
        var what = line.StartsWith("The JSON value could not be converted", StringComparison.Ordinal) ? "it has a value of another type than expected" : line.Split(" Path: ")[0].TrimEnd('.');
        if (fault.Path is { Length: > 1 } path) return $"{what}, at {string.Concat(path.Where(c => !char.IsControl(c)))}";
        return fault.LineNumber is { } number ? $"{what}, in line {number + 1} at byte {fault.BytePositionInLine + 1}" : what;
    }

    /// <summary>What no reader of the queue took.</summary>
    private sealed class Unconsumed(PoisonMessages poison) : IFilter<ReceiveContext>
    {
        public Task Send(ReceiveContext context, IPipe<ReceiveContext> next)
        {
            var type = DeadLetter.TypeOf(context.Body.GetBytes());
            return poison.MoveAsync(context, $"nobody here reads messages of {(type.Length == 0 ? "no type" : $"type {type}")}");
        }

        public void Probe(ProbeContext context) => poison.Probe(context);
    }
}

/// <summary>A message that is of the right type and cannot be what its sender meant. It goes to the dead letters at once.</summary>
internal sealed class MalformedMessageException(string message) : Exception(message);
