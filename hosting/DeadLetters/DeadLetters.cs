using Lathe.Contracts;
using Lathe.Contracts.Messages;
using RabbitMQ.Client;
using RabbitMQ.Client.Exceptions;

namespace Lathe.Hosting;

/// <summary>The messages that no worker or coordinator could take, for a person who decides about them.</summary>
/// <remarks>
/// A queue cannot be read without taking from it, and a broker may drop a message that came back often. So each message that stays is written to
/// the end of the queue again before it is taken from its beginning. What goes wrong between the two leaves it there twice, never lost.
/// </remarks>
/// <param name="broker">Not disposed here.</param>
internal sealed class DeadLetters(BrokerClient broker)
{
    private enum Fate
    {
        Stays,
        Dropped,
        Retried,
    }

    /// <summary>All of them, the oldest first.</summary>
    /// <exception cref="LatheException">The broker does not answer.</exception>
    public async Task<IReadOnlyList<DeadLetter>> ListAsync(CancellationToken stop = default)
    {
        var letters = new List<DeadLetter>();
        await VisitAsync(
            (letter, _) =>
            {
                letters.Add(letter);
                return Fate.Stays;
            },
            stop);
        return letters;
    }

    /// <summary>One of them with its body.</summary>
    /// <param name="id">An id, or the start of one.</param>
    /// <param name="stop">Gives up.</param>
    /// <exception cref="LatheException">The broker does not answer, or no message or several have such an id.</exception>
    public async Task<(DeadLetter Letter, byte[] Body)> ShowAsync(string id, CancellationToken stop = default)
    {
        var only = Resolve([id], await ListAsync(stop)).Single();
        (DeadLetter, byte[])? found = null;
        await VisitAsync(
            (letter, body) =>
            {
                if (letter.Id == only) found = (letter, body.ToArray());
                return Fate.Stays;
            },
            stop);
        return found ?? throw Gone(id);
    }

    /// <summary>Sends messages to the queues that they came from.</summary>
    /// <param name="ids">Ids or starts of ids; null: all.</param>
    /// <param name="stop">Gives up.</param>
    /// <returns>The messages sent, and those that stay because their queue is unknown or gone.</returns>
    /// <exception cref="LatheException">The broker does not answer, or no message or several have such an id.</exception>
    public async Task<(IReadOnlyList<DeadLetter> Sent, IReadOnlyList<DeadLetter> Kept)> RetryAsync(IReadOnlyCollection<string>? ids, CancellationToken stop = default)
    {
        var chosen = ids is null ? null : Resolve(ids, await ListAsync(stop));
        var kept = new List<DeadLetter>();
        var sent = await VisitAsync(
            (letter, _) => chosen is not null && !chosen.Contains(letter.Id) ? Fate.Stays : Fate.Retried,
            stop,
            kept.Add);
        return (sent, kept);
    }

    /// <summary>Deletes messages.</summary>
    /// <param name="ids">Ids or starts of ids; null: all.</param>
    /// <param name="stop">Gives up.</param>
    /// <returns>The messages deleted.</returns>
    /// <exception cref="LatheException">The broker does not answer, or no message or several have such an id.</exception>
    public async Task<IReadOnlyList<DeadLetter>> DropAsync(IReadOnlyCollection<string>? ids, CancellationToken stop = default)
    {
        var chosen = ids is null ? null : Resolve(ids, await ListAsync(stop));
        return await VisitAsync((letter, _) => chosen is not null && !chosen.Contains(letter.Id) ? Fate.Stays : Fate.Dropped, stop);
    }

    /// <summary>
    /// Deletes messages by their whole ids, and looks no further once it has all of them. Messages that somebody else has in hand meanwhile, or that are gone already, are left.
    /// </summary>
    /// <param name="copies">How many there are of each whole id: what goes to several readers may come here as often.</param>
    /// <param name="stop">Gives up.</param>
    /// <returns>The messages deleted.</returns>
    /// <exception cref="LatheException">The broker does not answer.</exception>
    public Task<IReadOnlyList<DeadLetter>> DropFoundAsync(IReadOnlyDictionary<string, int> copies, CancellationToken stop = default)
    {
        var left = copies.Values.Sum();
        return VisitAsync(
            (letter, _) =>
            {
                if (!copies.ContainsKey(letter.Id)) return Fate.Stays;
                left--;
                return Fate.Dropped;
            },
            stop,
            isDone: () => left <= 0);
    }

    private static HashSet<string> Resolve(IEnumerable<string> starts, IReadOnlyList<DeadLetter> letters) =>
    [
        .. starts.Select(start => letters.Select(letter => letter.Id).Where(id => id.StartsWith(start, StringComparison.OrdinalIgnoreCase)).Distinct().ToList() switch
        {
            [var only] => only,
            [] => throw Gone(start),
            var several => throw new LatheException($"{several.Count} dead letters have an id that starts with {start}: {string.Join(", ", several.Take(4))}; give more of the id"),
        }),
    ];

    private static LatheException Gone(string id) => new($"no dead letter has the id {id}; lathe dead-letters list shows those there are");

    /// <summary>Goes through the queue once.</summary>
    /// <param name="judge">Says what becomes of a message.</param>
    /// <param name="stop">Gives up.</param>
    /// <param name="unsent">Told of a message that should have been sent and could not be.</param>
    /// <param name="isDone">True: no further message need be looked at; null: all are.</param>
    /// <returns>The messages that are no longer there.</returns>
    private Task<IReadOnlyList<DeadLetter>> VisitAsync(
        Func<DeadLetter, ReadOnlyMemory<byte>, Fate> judge, CancellationToken stop, Action<DeadLetter>? unsent = null, Func<bool>? isDone = null) => broker.OnConfirmedChannelAsync<IReadOnlyList<DeadLetter>>(
        async (channel, cancel) =>
        {
            var gone = new List<DeadLetter>();
            await BrokerClient.DeclareBoundAsync(channel, Queues.Dead, QueueArguments.Dead, cancel);
            for (var left = await channel.MessageCountAsync(Queues.Dead, cancel); left > 0 && isDone?.Invoke() != true; left--)
            {
                if (await channel.BasicGetAsync(Queues.Dead, autoAck: false, cancel) is not { } message) break;
                var letter = DeadLetter.Of(message.BasicProperties, message.Body.Span);
                var fate = judge(letter, message.Body);
                if (fate == Fate.Retried && !await TrySendAsync(channel, letter, message, cancel))
                {
                    unsent?.Invoke(letter);
                    fate = Fate.Stays;
                }

                if (fate == Fate.Stays) await channel.BasicPublishAsync("", Queues.Dead, mandatory: true, letter.Buried(message.BasicProperties), message.Body, cancel);
                else gone.Add(letter);
                await channel.BasicAckAsync(message.DeliveryTag, multiple: false, cancel);
            }

            return gone;
        },
        stop);

    private static async Task<bool> TrySendAsync(IChannel channel, DeadLetter letter, BasicGetResult message, CancellationToken stop)
    {
        if (letter.Queue.Length == 0) return false;
        try
        {
            await channel.BasicPublishAsync("", letter.Queue, mandatory: true, DeadLetter.Clean(message.BasicProperties), message.Body, stop);
            return true;
        }
        catch (PublishException)
        {
            // There is no such queue any more.
            return false;
        }
    }
}
