using System.Globalization;
using System.Numerics;
using Lathe.Contracts;

namespace Lathe.NN.Pickle;

/// <summary>
/// Reads Python pickles of protocols 0 to 4 and runs nothing: they become null, bool, long (<see cref="BigInteger"/> where it must),
/// double, byte[], string, <see cref="List{T}"/>, object?[] for tuples, <see cref="PickleDictionary"/>, and what the caller's table of
/// allowed classes and functions makes. Python 2's strings become byte[]. Anything else is refused by its name.
/// Format: Python's Lib/pickletools.py.
/// </summary>
public sealed class PickleReader
{
    private static readonly object Mark = new();

    private readonly PickleInput _input;
    private readonly IReadOnlyDictionary<string, PickleGlobal> _globals;
    private readonly Func<object?, object?>? _persistent;
    private readonly List<object?> _stack = [];
    private readonly Dictionary<long, object?> _memo = [];
    private readonly long _length;
    private long _bytesMade;

    private PickleReader(ReadOnlyMemory<byte> bytes, IEnumerable<PickleGlobal> globals, Func<object?, object?>? persistent)
    {
        _input = new PickleInput(bytes);
        _length = bytes.Length;
        _globals = globals.ToDictionary(global => global.Name);
        _persistent = persistent;
    }

    /// <summary>Reads one pickle; bytes after it are ignored.</summary>
    /// <param name="bytes">The pickle.</param>
    /// <param name="source">Name of the input for messages: a path.</param>
    /// <param name="globals">Classes and functions it may name.</param>
    /// <param name="persistent">Resolves a persistent id; null refuses such ids. May throw <see cref="FormatException"/>.</param>
    /// <exception cref="LatheException">Not a pickle, damaged, or it asks for a class that is not allowed.</exception>
    public static object? Read(
        ReadOnlyMemory<byte> bytes, string source, IEnumerable<PickleGlobal> globals, Func<object?, object?>? persistent = null)
    {
        var reader = new PickleReader(bytes, globals, persistent);
        try
        {
            return reader.Run();
        }
        catch (Exception e) when (e is FormatException or InvalidCastException or OverflowException or ArgumentException)
        {
            throw new LatheException($"{source} is not a pickle that can be read: at byte {reader._input.Position}, {e.Message}.", FailureKind.Permanent, e);
        }
    }

    private object? Run()
    {
        for (var code = _input.Byte(); code != '.'; code = _input.Byte())
        {
            if (!(RunScalar(code) || RunText(code) || RunContainer(code) || RunMemo(code) || RunObject(code)))
                throw new FormatException($"operation 0x{code:x2} is not allowed or unknown");
        }

        return Pop();
    }

    private bool RunScalar(byte code)
    {
        switch (code)
        {
            case (byte)'N': return Push(null);
            case 0x88: return Push(true);
            case 0x89: return Push(false);
            case (byte)'I': return Push(Integer(_input.Line()));
            case (byte)'L': return Push(Narrow(BigInteger.Parse(_input.Line().TrimEnd('L'), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture)));
            case (byte)'J': return Push((long)_input.Int32());
            case (byte)'K': return Push((long)_input.Byte());
            case (byte)'M': return Push((long)_input.UInt16());
            case 0x8A: return Push(Narrow(new BigInteger(_input.Bytes(_input.Byte()))));
            case 0x8B: return Push(Narrow(new BigInteger(_input.Bytes(_input.Int32()))));
            case (byte)'F': return Push(double.Parse(_input.Line(), NumberStyles.Float, CultureInfo.InvariantCulture));
            case (byte)'G': return Push(_input.Double());
            default: return false;
        }
    }

    private bool RunText(byte code)
    {
        switch (code)
        {
            case (byte)'S': return Push(PickleText.Quoted(_input.Line()));
            case (byte)'T': return Push(_input.Bytes(_input.Int32()).ToArray());
            case (byte)'U' or (byte)'C': return Push(_input.Bytes(_input.Byte()).ToArray());
            case (byte)'B': return Push(_input.Bytes(_input.UInt32()).ToArray());
            case 0x8E: return Push(_input.Bytes(_input.Int64()).ToArray());
            case (byte)'V': return Push(PickleText.Escaped(_input.Line()));
            case (byte)'X': return Push(_input.Text(_input.UInt32()));
            case 0x8C: return Push(_input.Text(_input.Byte()));
            case 0x8D: return Push(_input.Text(_input.Int64()));
            default: return false;
        }
    }

    private bool RunContainer(byte code)
    {
        switch (code)
        {
            case (byte)'(': return Push(Mark);
            case (byte)')': return Push(Array.Empty<object?>());
            case (byte)'t': return Push(PopToMark());
            case 0x85 or 0x86 or 0x87: return Push(PopLast(code - 0x84));
            case (byte)']': return Push(new List<object?>());
            case (byte)'l': return Push(PopToMark().ToList());
            case (byte)'a': return Extend(PopLast(1));
            case (byte)'e': return Extend(PopToMark());
            case (byte)'}': return Push(new PickleDictionary());
            case (byte)'d':
                var entries = PopToMark();
                Push(new PickleDictionary());
                return Set(entries);
            case (byte)'s': return Set(PopLast(2));
            case (byte)'u': return Set(PopToMark());
            case (byte)'0':
                Pop();
                return true;
            case (byte)'1':
                PopToMark();
                return true;
            case (byte)'2': return Push(Top());
            default: return false;
        }
    }

    private bool RunMemo(byte code)
    {
        switch (code)
        {
            case (byte)'p': return Remember(Place(_input.Line()));
            case (byte)'q': return Remember(_input.Byte());
            case (byte)'r': return Remember(_input.UInt32());
            case 0x94: return Remember(_memo.Count);
            case (byte)'g': return Recall(Place(_input.Line()));
            case (byte)'h': return Recall(_input.Byte());
            case (byte)'j': return Recall(_input.UInt32());
            default: return false;
        }
    }

    private bool RunObject(byte code)
    {
        switch (code)
        {
            case 0x80:
                var protocol = _input.Byte();
                return protocol <= 4 ? true : throw new FormatException($"it is of protocol {protocol}; 0 to 4 can be read");
            case 0x95:
                _input.Int64();
                return true;
            case (byte)'c': return Push(Global(_input.Line(), _input.Line()));
            case 0x93:
                var names = PopLast(2);
                return Push(Global((string)names[0]!, (string)names[1]!));
            case (byte)'R' or 0x81: return Push(Call(PopLast(2)));
            case (byte)'b':
                var state = Pop();
                (Top() as IPickleBuilt ?? throw new FormatException("it sets attributes of something that has none")).SetState(state);
                return true;
            case (byte)'P': return Push(Persistent(_input.Line()));
            case (byte)'Q': return Push(Persistent(Pop()));
            default: return false;
        }
    }

    private PickleGlobal Global(string module, string name) => _globals.TryGetValue($"{module}.{name}", out var global)
        ? global
        : throw new FormatException($"it asks for {module}.{name}, which is not allowed");

    private object? Call(object?[] pair)
    {
        if (pair is not [PickleGlobal global, object?[] arguments])
            throw new FormatException("it calls something that is not a function");
        var made = (global.Call ?? throw new FormatException($"it calls {global.Name}, which it may only name"))(arguments);
        // Bytes that it makes of text lie in it themselves; a loop over one text would take memory without end.
        if (made is byte[] { Length: var length } && (_bytesMade += length) > _length)
            throw new FormatException($"it makes more than its own {_length} bytes of text");
        return made;
    }

    private object? Persistent(object? id) =>
        (_persistent ?? throw new FormatException("it refers to something outside itself, which is not expected here"))(id);

    private bool Extend(object?[] items)
    {
        (Top() as List<object?> ?? throw new FormatException("it appends to something that is not a list")).AddRange(items);
        return true;
    }

    private bool Set(object?[] entries)
    {
        var dictionary = Top() as PickleDictionary ?? throw new FormatException("it sets entries of something that is not a dictionary");
        if (entries.Length % 2 != 0)
            throw new FormatException("a key has no value");
        for (var i = 0; i < entries.Length; i += 2)
            dictionary.Add(entries[i], entries[i + 1]);
        return true;
    }

    private bool Push(object? value)
    {
        _stack.Add(value);
        return true;
    }

    private bool Remember(long place)
    {
        _memo[place] = Top();
        return true;
    }

    private bool Recall(long place) => Push(_memo.TryGetValue(place, out var value) ? value : throw new FormatException($"place {place} of its memory is empty"));

    private object? Top() => _stack.Count > 0 && !ReferenceEquals(_stack[^1], Mark) ? _stack[^1] : throw new FormatException("a value is missing");

    private object? Pop()
    {
        var top = Top();
        _stack.RemoveAt(_stack.Count - 1);
        return top;
    }

    private object?[] PopLast(int count)
    {
        var values = new object?[count];
        for (var i = count - 1; i >= 0; i--)
            values[i] = Pop();
        return values;
    }

    private object?[] PopToMark()
    {
        var mark = _stack.LastIndexOf(Mark);
        if (mark < 0)
            throw new FormatException("a mark is missing");
        object?[] values = [.. _stack.Skip(mark + 1)];
        _stack.RemoveRange(mark, _stack.Count - mark);
        return values;
    }

    /// <summary>Protocol 0 and 1 write bool as I01 and I00.</summary>
    private static object Integer(string line) => line switch
    {
        "01" => true,
        "00" => false,
        _ => Narrow(BigInteger.Parse(line, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture)),
    };

    private static long Place(string line) => Integer(line) as long? ?? throw new FormatException("a place of its memory is no number");

    private static object Narrow(BigInteger value) => value >= long.MinValue && value <= long.MaxValue ? (object)(long)value : value;
}
