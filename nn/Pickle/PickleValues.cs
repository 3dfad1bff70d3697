using System.Diagnostics.CodeAnalysis;
using System.Text;

namespace Lathe.NN.Pickle;

/// <summary>A dictionary of a pickle in its written order. Keys may be of any kind; later entries win.</summary>
public sealed class PickleDictionary : IPickleBuilt
{
    private readonly List<KeyValuePair<object?, object?>> _entries = [];

    /// <summary>All entries as they were written.</summary>
    public IReadOnlyList<KeyValuePair<object?, object?>> Entries => _entries;

    /// <summary>Attributes that the pickle set in addition to the entries, or null.</summary>
    public object? State { get; private set; }

    /// <summary>Looks for a text key, written as text or as ASCII bytes (Python 2).</summary>
    public bool TryGet(string key, [MaybeNullWhen(false)] out object? value)
    {
        var bytes = Encoding.ASCII.GetBytes(key);
        foreach (var (name, found) in Enumerable.Reverse(_entries))
        {
            if (name is string text ? text == key : name is byte[] raw && raw.AsSpan().SequenceEqual(bytes))
            {
                value = found;
                return true;
            }
        }

        value = null;
        return false;
    }

    void IPickleBuilt.SetState(object? state) => State = state;

    internal void Add(object? key, object? value) => _entries.Add(new(key, value));
}

/// <summary>An object that a pickle fills in after it was made (BUILD).</summary>
public interface IPickleBuilt
{
    /// <summary>Takes the state.</summary>
    /// <param name="state">Any value of a pickle.</param>
    /// <exception cref="FormatException">It is not what this kind of object has.</exception>
    void SetState(object? state);
}

/// <summary>A class or function that a pickle may name.</summary>
/// <param name="Name">Module and name, for example <c>numpy.dtype</c>.</param>
/// <param name="Call">
/// What calling it with those arguments makes; throws <see cref="FormatException"/> for arguments it cannot have. Null: it may only be named.
/// </param>
public sealed record PickleGlobal(string Name, Func<object?[], object?>? Call = null);
