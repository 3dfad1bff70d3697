using System.Text;

namespace Lathe.NN.Pickle;

/// <summary>An array of bytes as NumPy pickles it.</summary>
public sealed class NumpyArray : IPickleBuilt
{
    /// <summary>Sizes of its dimensions.</summary>
    public IReadOnlyList<long> Shape { get; private set; } = [];

    /// <summary>Unsigned bytes, last dimension first in memory (C order).</summary>
    public byte[] Data { get; private set; } = [];

    /// <summary>Takes (version, shape, type, Fortran order, data).</summary>
    /// <exception cref="FormatException">Not an array of unsigned bytes in C order whose length fits.</exception>
    public void SetState(object? state)
    {
        if (state is not object?[] { Length: 5 } parts || parts[1] is not object?[] shape || parts[2] is not NumpyType type || parts[4] is not byte[] data)
            throw new FormatException("an array is not as NumPy writes it");
        if (type.Code != "u1")
            throw new FormatException($"an array is of type {type.Code}; only unsigned bytes, u1, can be read");
        if (parts[3] is true or 1L && shape.Length > 1)
            throw new FormatException("an array is in Fortran order; only C order can be read");
        Shape = [.. shape.Select(size => size is long and >= 0 ? (long)size : throw new FormatException("an array's size is no number"))];
        if (Shape.Aggregate(1L, (product, size) => checked(product * size)) != data.Length)
            throw new FormatException($"an array of {string.Join(" x ", Shape)} has {data.Length} bytes");
        Data = data;
    }
}

/// <summary>The classes and functions that pickles of NumPy arrays name.</summary>
public static class NumpyPickle
{
    // NumPy 2 renamed the module; files written with either are about.
    /// <summary>Arrays of unsigned bytes, and nothing else.</summary>
    public static IReadOnlyList<PickleGlobal> Globals { get; } =
    [
        new("numpy.core.multiarray._reconstruct", _ => new NumpyArray()),
        new("numpy._core.multiarray._reconstruct", _ => new NumpyArray()),
        new("numpy.ndarray"),
        new("numpy.dtype", arguments => new NumpyType(arguments is [string or byte[], ..]
            ? arguments[0] as string ?? Encoding.ASCII.GetString((byte[])arguments[0]!)
            : throw new FormatException("a type has no name"))),
        new("_codecs.encode", Encode),
    ];

    /// <summary>Python 3 writes bytes with protocol 2 as text, each byte a character, to be encoded again.</summary>
    private static object Encode(object?[] arguments) => arguments is [string text, "latin1" or "latin-1"]
        ? text.All(c => c < 256) ? Encoding.Latin1.GetBytes(text) : throw new FormatException("text is not Latin-1")
        : throw new FormatException("only text as Latin-1 can be encoded");
}

/// <summary>The type of an array's elements.</summary>
internal sealed class NumpyType(string code) : IPickleBuilt
{
    /// <summary>As NumPy writes it, for example u1 or f4.</summary>
    public string Code => code;

    /// <summary>Byte order and details, which single bytes do not have.</summary>
    public void SetState(object? state)
    {
    }
}
