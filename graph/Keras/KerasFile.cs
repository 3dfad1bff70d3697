using System.Text.Json;
using Lathe.Contracts;
using Lathe.Graph.Onnx;
using PureHDF;

namespace Lathe.Graph.Keras;

/// <summary>A weight of a Keras file.</summary>
/// <param name="Values">Row by row.</param>
/// <param name="Shape">Extents.</param>
internal sealed record KerasWeight(float[] Values, int[] Shape);

/// <summary>
/// The description and the weights of a Keras model in an HDF5 file (<c>model.save("net.h5")</c>). A weight is decoded when it is asked for, and not before the file
/// is seen to be long enough for it.
/// </summary>
internal sealed class KerasFile
{
    private const int MostWeights = 100_000;

    private readonly IH5Group _weights;
    private readonly Dictionary<string, List<(string Layer, string Weight, string Path)>> _names = [];
    private long _left;

    private KerasFile(IH5Group weights, JsonElement model, int version, long bytes) => (_weights, Model, Version, _left) = (weights, model, version, (8 * bytes) + (64L << 20));

    /// <summary>What Keras wrote of the model.</summary>
    public JsonElement Model { get; }

    /// <summary>Main version of Keras that wrote it.</summary>
    public int Version { get; }

    /// <summary>Whether bytes are an HDF5 file.</summary>
    public static bool IsOne(ReadOnlySpan<byte> bytes) => bytes is [0x89, (byte)'H', (byte)'D', (byte)'F', 0x0d, 0x0a, 0x1a, 0x0a, ..];

    /// <summary>Reads a file's description and hands it on while the file is open.</summary>
    /// <param name="bytes">The file.</param>
    /// <param name="use">What to do with it.</param>
    /// <exception cref="LatheException">Damaged, or no model of Keras.</exception>
    public static T Read<T>(byte[] bytes, Func<KerasFile, T> use)
    {
        try
        {
            using var file = H5File.Open(new BoundedStream(bytes));
            if (!file.AttributeExists("model_config") || !file.LinkExists("model_weights"))
                throw new LatheException("it is an HDF5 file without a whole Keras model: it needs model_config and model_weights, as model.save(\"net.h5\") writes them (save_weights does not)");
            var text = file.Attribute("model_config").Read<string>();
            var version = file.AttributeExists("keras_version") ? file.Attribute("keras_version").Read<string>() : "2";
            using var json = JsonDocument.Parse(text);
            return use(new KerasFile(file.Group("model_weights"), json.RootElement, version.StartsWith('3') ? 3 : 2, bytes.LongLength));
        }
        catch (Exception fault) when (fault is not LatheException)
        {
            throw new LatheException($"it is no sound HDF5 file of Keras: {OnnxText.Short(fault.Message).TrimEnd('.')}. Get or save it again", inner: fault);
        }
    }

    /// <summary>A layer's weight; null where it has none of this name.</summary>
    /// <param name="group">Of the model's outermost layer that holds it.</param>
    /// <param name="layer">The layer.</param>
    /// <param name="weight">Such as <c>kernel</c>.</param>
    public KerasWeight? Weight(string group, string layer, string weight)
    {
        if (!_names.TryGetValue(group, out var names)) _names.Add(group, names = Names(group));
        var found = names.FindAll(name => name.Weight == weight && (name.Layer == layer || group == layer));
        if (found.Count == 0) return null;
        if (found.Count > 1) throw new LatheException($"it has {found.Count} weights named {weight}; expected one");
        var data = _weights.Group(group).Dataset(found[0].Path);
        var extents = data.Space.Dimensions;
        var count = extents.Aggregate((UInt128)1, (product, extent) => product * extent);
        if (data.Type.Class != H5DataTypeClass.FloatingPoint || data.Type.Size is not (2 or 4 or 8)) throw new LatheException($"its weight {weight} holds no floats");
        if (count > int.MaxValue || (_left -= (long)count * sizeof(float)) < 0) throw new LatheException($"its weight {weight} is said to have {count} values, more than the file can hold");
        int[] shape = [.. extents.Select(extent => (int)extent)];
        float[] values = data.Type.Size switch
        {
            2 => [.. data.Read<Half[]>().Select(value => (float)value)],
            8 => [.. data.Read<double[]>().Select(value => (float)value)],
            _ => data.Read<float[]>(),
        };
        return values.LongLength == (long)count ? new KerasWeight(values, shape) : throw new LatheException($"its weight {weight} has {values.Length} values; expected {count}");
    }

    private List<(string Layer, string Weight, string Path)> Names(string group)
    {
        if (!_weights.LinkExists(group)) return [];
        var inside = _weights.Group(group);
        if (!inside.AttributeExists("weight_names")) return [];
        var attribute = inside.Attribute("weight_names");
        // Of a layer without weights it is an empty list of numbers.
        if (attribute.Type.Class is not (H5DataTypeClass.String or H5DataTypeClass.VariableLength)) return [];
        var names = attribute.Read<string[]>();
        if (names.Length > MostWeights) throw new LatheException($"it has {names.Length} weights");
        return [.. names.Select(path =>
        {
            var parts = path.Split('/');
            return (parts.Length > 1 ? parts[^2] : group, parts[^1].Split(':')[0], path);
        })];
    }
}
