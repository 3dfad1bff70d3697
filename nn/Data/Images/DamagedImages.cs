using System.Collections.Concurrent;
using Lathe.Contracts;

namespace Lathe.NN.Data;

/// <summary>The damaged images of one source: named, counted, and too many of them refused. For many threads at once.</summary>
/// <param name="count">Images there are.</param>
/// <param name="limit">How many may be damaged; null: one in a thousand, but ten in any case.</param>
internal sealed class DamagedImages(int count, int? limit)
{
    private const int Listed = 20;
    private readonly ConcurrentDictionary<int, DamagedImage> _found = [];

    /// <summary>How many may be damaged.</summary>
    public int Limit { get; } = limit ?? Math.Max(10, count / 1000);

    /// <summary>Those found up to now, in the order of the source.</summary>
    public IReadOnlyList<DamagedImage> Found => [.. _found.ToArray().OrderBy(pair => pair.Key).Select(pair => pair.Value)];

    public bool Contains(int image) => !_found.IsEmpty && _found.ContainsKey(image);

    /// <summary>Remembers one.</summary>
    /// <exception cref="LatheException">It is one too many; lists the first twenty.</exception>
    public void Add(int image, DamagedImage damage)
    {
        _found[image] = damage;
        if (_found.Count <= Limit)
            return;
        var found = Found;
        throw new LatheException(
            $"{found.Count} of {count} images are damaged; at most {Limit} may be. Get them again from where the data set is published, " +
            $"or delete them:\n{string.Join('\n', found.Take(Listed).Select(d => $"  {d.Name}: {d.Why}"))}" +
            (found.Count > Listed ? $"\n  and {found.Count - Listed} more" : ""));
    }
}
