using System.Globalization;
using Google.Protobuf;
using Lathe.Contracts;
using Lathe.Graph.Onnx.Format;

namespace Lathe.Graph.Onnx;

/// <summary>
/// Constants that lie in files beside the model, as PyTorch writes them from 2.9 on. Only files in the model's folder or below are read, each as far as the constants
/// say and no more than it holds.
/// </summary>
/// <param name="folder">Of the model.</param>
internal sealed class ExternalData(string folder)
{
    private readonly Dictionary<string, long> _lengths = [];

    /// <summary>Puts the bytes of all such constants into their messages.</summary>
    /// <returns>How many bytes.</returns>
    /// <exception cref="LatheException">A file is missing, elsewhere, or too short.</exception>
    public long TakeIn(GraphProto graph)
    {
        var taken = 0L;
        var tensors = graph.Initializer.Concat(graph.Node.SelectMany(node => node.Attribute).Where(attribute => attribute.T is not null).Select(attribute => attribute.T));
        foreach (var tensor in tensors.Where(tensor => tensor.DataLocation == TensorProto.Types.DataLocation.External))
        {
            var bytes = Bytes(tensor);
            taken += bytes.Length;
            if (taken > Math.Min(Array.MaxLength, _lengths.Values.Sum()))
                throw Bad(tensor, $"brings the model's weights to more than {Math.Min(Array.MaxLength, _lengths.Values.Sum())} bytes, all that their files hold or that can be read");
            tensor.RawData = UnsafeByteOperations.UnsafeWrap(bytes);
            tensor.ExternalData.Clear();
            tensor.DataLocation = TensorProto.Types.DataLocation.Default;
        }

        return taken;
    }

    private byte[] Bytes(TensorProto tensor)
    {
        var location = tensor.ExternalData.FirstOrDefault(entry => entry.Key == "location")?.Value ?? "";
        var path = location.Length > 0 && !Path.IsPathRooted(location) ? Path.GetFullPath(Path.Combine(folder, location)) : "";
        if (!path.StartsWith(Path.TrimEndingDirectorySeparator(folder) + Path.DirectorySeparatorChar, StringComparison.Ordinal))
            throw Bad(tensor, $"lies in the file '{OnnxText.Short(location)}'; expected one in the model's folder");
        if (!File.Exists(path)) throw Bad(tensor, $"lies in the file '{OnnxText.Short(location)}', which is not in {folder}; put it beside the model");
        try
        {
            using var file = File.OpenRead(path);
            _lengths[path] = file.Length;
            var offset = Number(tensor, "offset", 0);
            var length = Number(tensor, "length", file.Length - offset);
            if (offset < 0 || length < 0 || length > Array.MaxLength || offset > file.Length - length)
                throw Bad(tensor, $"is said to be bytes {offset} to {(Int128)offset + length} of {path}, which has {file.Length}; get or export the model again");
            var bytes = new byte[length];
            file.Position = offset;
            file.ReadExactly(bytes);
            return bytes;
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            throw new LatheException($"{path} cannot be read: {fault.Message}", FailureKind.Transient, fault);
        }
    }

    private static long Number(TensorProto tensor, string key, long usual)
    {
        var text = tensor.ExternalData.FirstOrDefault(entry => entry.Key == key)?.Value;
        if (text is null) return usual;
        return long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number)
            ? number
            : throw Bad(tensor, $"has the {key} '{OnnxText.Short(text)}'; expected a whole number");
    }

    private static LatheException Bad(TensorProto tensor, string what) => new($"constant '{OnnxText.Short(tensor.Name)}' {what}");
}
