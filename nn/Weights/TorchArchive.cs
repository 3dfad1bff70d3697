using System.IO.Compression;
using Lathe.Contracts;
using Lathe.NN.Pickle;
using static TorchSharp.torch;

namespace Lathe.NN.Weights;

/// <summary>
/// PyTorch's files of tensors (<c>.pth</c>, <c>.pt</c>; the zip format of PyTorch 1.6 and newer), read without running anything: tensors,
/// parameters and dictionaries are built, and a pickle that asks for any other class is refused by its name. Reading takes memory in
/// proportion to the file's length, whatever the file claims.
/// </summary>
public static class TorchArchive
{
    private const string Dictionary = "collections.OrderedDict";
    private const int MostNesting = 4;

    // Averaged weights before those as trained: they are what the published accuracies are of, and what timm reads.
    private static readonly string[] Averaged = ["state_dict_ema", "model_ema"];
    private static readonly string[] Nested = [.. Averaged, "state_dict", "model_state_dict", "model"];

    // Settings beside the weights. They are read over, and nothing of them is made.
    private static readonly string[] Ignored = ["argparse.Namespace", "torch.device"];

    private static readonly Dictionary<string, ScalarType> Storages = new()
    {
        ["torch.FloatStorage"] = ScalarType.Float32,
        ["torch.DoubleStorage"] = ScalarType.Float64,
        ["torch.HalfStorage"] = ScalarType.Float16,
        ["torch.BFloat16Storage"] = ScalarType.BFloat16,
        ["torch.LongStorage"] = ScalarType.Int64,
        ["torch.IntStorage"] = ScalarType.Int32,
        ["torch.ShortStorage"] = ScalarType.Int16,
        ["torch.CharStorage"] = ScalarType.Int8,
        ["torch.ByteStorage"] = ScalarType.Byte,
        ["torch.BoolStorage"] = ScalarType.Bool,
    };

    /// <summary>Whether a file is a zip, as PyTorch's are.</summary>
    public static bool IsOne(string path)
    {
        using var file = File.OpenRead(path);
        Span<byte> start = stackalloc byte[4];
        return file.ReadAtLeast(start, 4, throwOnEndOfStream: false) == 4 && start.SequenceEqual("PK\u0003\u0004"u8);
    }

    /// <summary>Whether a file is a bare pickle, as those of PyTorch before 1.6 are.</summary>
    public static bool IsOfOldFormat(string path)
    {
        using var file = File.OpenRead(path);
        return file.ReadByte() == 0x80;
    }

    /// <summary>
    /// Reads a state dict: the file's own dictionary, or that under <c>state_dict_ema</c> or <c>model_ema</c> (weights averaged over the training), <c>state_dict</c>,
    /// <c>model_state_dict</c> or <c>model</c>, the first that is there.
    /// </summary>
    /// <param name="path">The file.</param>
    /// <param name="say">Is told where a choice was made.</param>
    /// <returns>Tensors by name, on the CPU; they belong to the current dispose scope.</returns>
    /// <exception cref="LatheException">Damaged, of another layout, or it asks for a class that is not allowed.</exception>
    public static IReadOnlyDictionary<string, Tensor> Read(string path, Action<string>? say = null)
    {
        try
        {
            using var zip = ZipFile.OpenRead(path);
            var allowance = new ReadingAllowance(new FileInfo(path).Length);
            var pickles = zip.Entries.Where(entry => entry.Name == "data.pkl").ToList();
            if (pickles is not [var pickle])
                throw new LatheException($"{path} is a zip, but not one of PyTorch's: it holds {(pickles.Count == 0 ? "no" : $"{pickles.Count} files")} data.pkl");
            var root = pickle.FullName[..^"data.pkl".Length];
            if (zip.GetEntry($"{root}byteorder") is { } order && !Bytes(order, allowance).AsSpan().SequenceEqual("little"u8))
                throw new LatheException($"{path} was written on a big-endian machine; expected little-endian tensors");
            var storages = new Dictionary<string, Tensor>();
            var content = PickleReader.Read(
                Bytes(pickle, allowance), $"{path} (data.pkl)", Globals(allowance), id => Storage(id, name => zip.GetEntry($"{root}data/{name}"), storages, allowance));
            return StateDict(content, path, depth: 0, say);
        }
        catch (LatheException e) when (e.Message.Contains("which is not allowed", StringComparison.Ordinal))
        {
            throw new LatheException(
                $"{e.Message.TrimEnd('.')}. If the file holds other things beside its weights, save these alone, in Python torch.save(torch.load(path, weights_only=False)['model'], "
                + "'weights.pth'). That runs what the file asks for: do it only with files that you trust",
                inner: e);
        }
        catch (Exception e) when (e is InvalidDataException or IOException or FormatException or NotSupportedException or ArgumentException)
        {
            throw new LatheException($"{path} is damaged: {e.Message.TrimEnd('.')}. Get the file again", inner: e);
        }
    }

    private static Dictionary<string, Tensor> StateDict(object? content, string path, int depth, Action<string>? say)
    {
        if (content is not PickleDictionary dictionary)
            throw new LatheException($"{path} holds no dictionary; expected a state dict, as torch.save(model.state_dict(), path) writes it");
        foreach (var name in Nested)
        {
            if (dictionary.TryGet(name, out var inner) && inner is PickleDictionary nested)
            {
                var other = Nested.FirstOrDefault(also => !Averaged.Contains(also) && dictionary.TryGet(also, out _));
                if (Averaged.Contains(name) && other is not null)
                    say?.Invoke($"{path}: the averaged weights, '{name}', are taken, not those under '{other}'");
                // A dictionary may hold itself.
                return depth < MostNesting ? StateDict(nested, path, depth + 1, say) : throw new LatheException($"{path} holds dictionaries within dictionaries; expected a state dict");
            }
        }

        // Later entries win, as they do in Python.
        var tensors = new Dictionary<string, Tensor>();
        foreach (var (key, value) in dictionary.Entries)
        {
            if (key is not string name || value is not Tensor tensor)
                throw new LatheException($"{path} holds '{key}', which is no tensor; expected a state dict of tensors by name");
            tensors[name] = tensor;
        }

        return tensors;
    }

    private static IEnumerable<PickleGlobal> Globals(ReadingAllowance allowance) =>
    [
        new(Dictionary, arguments => arguments.Length == 0 ? new PickleDictionary() : throw new FormatException("a dictionary has arguments")),
        new("torch._utils._rebuild_tensor_v2", arguments => Rebuild(arguments, allowance)),
        new("torch._utils._rebuild_parameter", arguments => arguments is [Tensor tensor, ..] ? tensor : throw new FormatException("a parameter has no tensor")),
        .. Storages.Keys.Select(name => new PickleGlobal(name)),
        .. Ignored.Select(name => new PickleGlobal(name, _ => new Unread())),
    ];

    /// <summary>An object whose attributes do not matter.</summary>
    private sealed class Unread : IPickleBuilt
    {
        public void SetState(object? state)
        {
        }
    }

    /// <summary>A view of a storage: (storage, offset, sizes, strides, requires gradient, hooks).</summary>
    private static Tensor Rebuild(object?[] arguments, ReadingAllowance allowance)
    {
        if (arguments is not [Tensor storage, long offset, object?[] sizes, object?[] strides, ..] || sizes.Length != strides.Length)
            throw new FormatException("a tensor is not as PyTorch writes it");
        var (shape, steps) = (Numbers(sizes), Numbers(strides));
        var last = offset;
        for (var i = 0; i < shape.Length; i++)
            last = checked(last + (Math.Max(0, shape[i] - 1) * steps[i]));
        // Steps of 0 make many values of one, and the same storage may be viewed many times.
        allowance.Take(shape.Aggregate((Int128)storage.element_size(), (bytes, extent) => Int128.Min(bytes, long.MaxValue) * Math.Max(1, extent)));
        if (!shape.Contains(0) && last >= storage.numel())
            throw new FormatException($"a tensor of [{string.Join(", ", shape)}] reaches beyond its {storage.numel()} values");
        return shape.Contains(0) ? empty(shape, storage.dtype) : storage.as_strided(shape, steps, offset).contiguous();
    }

    private static long[] Numbers(object?[] values) =>
        [.. values.Select(value => value is long and >= 0 ? (long)value : throw new FormatException("a size or stride is no number of at least 0"))];

    /// <summary>A storage by its persistent id: ("storage", type, name, device, number of values).</summary>
    private static Tensor Storage(object? id, Func<string, ZipArchiveEntry?> find, Dictionary<string, Tensor> known, ReadingAllowance allowance)
    {
        if (id is not object?[] { Length: 5 } parts || parts[0] is not "storage" || parts[1] is not PickleGlobal type || parts[2] is not string name || parts[4] is not long count)
            throw new FormatException("a storage is not as PyTorch writes it");
        if (!Storages.TryGetValue(type.Name, out var element))
            throw new FormatException($"storage {name} is of type {type.Name}");
        if (known.TryGetValue(name, out var storage))
            return storage;
        var entry = find(name) ?? throw new FormatException($"storage {name} is not in the file");
        var values = Values(entry, element, count, allowance);
        known.Add(name, values);
        return values;
    }

    private static Tensor Values(ZipArchiveEntry entry, ScalarType type, long count, ReadingAllowance allowance)
    {
        var bytes = Bytes(entry, allowance);
        var tensor = empty([count >= 0 && count <= bytes.Length ? count : throw new FormatException($"storage {entry.Name} has {bytes.Length} bytes for {count} values")], type);
        if (tensor.bytes.Length != bytes.Length)
            throw new FormatException($"storage {entry.Name} has {bytes.Length} bytes for {count} values of {type}");
        if (type == ScalarType.Bool && bytes.AsSpan().ContainsAnyExceptInRange((byte)0, (byte)1))
            throw new FormatException($"storage {entry.Name} is boolean and holds other values than 0 and 1");
        bytes.CopyTo(tensor.bytes);
        return tensor;
    }

    private static byte[] Bytes(ZipArchiveEntry entry, ReadingAllowance allowance)
    {
        // Never as much as the zip claims before it has been there.
        using var stream = entry.Open();
        using var buffer = new MemoryStream();
        var block = new byte[1 << 16];
        for (int read; (read = stream.Read(block)) > 0;)
        {
            allowance.Take(read);
            buffer.Write(block.AsSpan(0, read));
        }

        return buffer.ToArray();
    }
}

/// <summary>How many bytes may be made of a file in all: a multiple of its length, so that a small one cannot ask for all memory.</summary>
/// <param name="fileBytes">Length of the file.</param>
internal sealed class ReadingAllowance(long fileBytes)
{
    private const long Spare = 64L << 20;

    private Int128 _left = (8 * (Int128)fileBytes) + Spare;

    /// <summary>Counts bytes before they are made.</summary>
    /// <exception cref="FormatException">They are too many.</exception>
    public void Take(Int128 bytes)
    {
        _left -= bytes;
        if (_left < 0 || bytes > Array.MaxLength)
            throw new FormatException($"its tensors take more than {(8 * (Int128)fileBytes) + Spare} bytes, which a sound file of {fileBytes} does not");
    }
}
