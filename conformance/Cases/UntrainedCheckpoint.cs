using System.Runtime.InteropServices;
using System.Text.Encodings.Web;
using System.Text.Json;
using Lathe.Contracts;
using Lathe.Graph;
using Lathe.Graph.Checkpoints;
using Lathe.Graph.Models;
using Lathe.Hosting;

namespace Lathe.Conformance.Cases;

/// <summary>A network of the zoo with weights of a seed, as a checkpoint that a stage can start from. It is made without libtorch.</summary>
internal static class UntrainedCheckpoint
{
    /// <summary>Stage that its lineage names.</summary>
    public const string Stage = "conformance";

    /// <summary>The network.</summary>
    /// <param name="model">Name in the zoo; images and classes are those of its usual data set.</param>
    /// <exception cref="LatheException">There is no such model.</exception>
    public static NetworkGraph GraphOf(string model)
    {
        var entry = Zoo.Entry(model);
        return Zoo.Build(model, entry.Input, entry.Classes);
    }

    /// <summary>Puts a checkpoint into the store; the same arguments always give the same bytes.</summary>
    public static CheckpointRef Write(CheckpointStore store, NetworkGraph graph, DataRef data)
    {
        var step = new LineageStep(Stage, "1", JsonElement.Parse("{}"), 1, null, data, new Dictionary<string, string>(), new Dictionary<string, double>());
        var metadata = CheckpointMetadata.Write(graph, new Lineage([step], null), new Dictionary<string, WeightFormat>());
        // In the order of Lathe's own files: by name.
        var tensors = ParameterShapes.Of(graph).OrderBy(p => p.Name, StringComparer.Ordinal).ToList();
        return store.Write(file =>
        {
            var header = Header(tensors, metadata);
            file.Write(BitConverter.GetBytes((long)header.Length));
            file.Write(header);
            var random = new Random(1);
            foreach (var tensor in tensors) file.Write(MemoryMarshal.AsBytes<float>(Values(tensor, random)));
        });
    }

    private static byte[] Header(IReadOnlyList<ParameterShape> tensors, IReadOnlyDictionary<string, string> metadata)
    {
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer, new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
        {
            json.WriteStartObject();
            json.WriteStartObject("__metadata__");
            foreach (var (name, value) in metadata) json.WriteString(name, value);
            json.WriteEndObject();
            var begin = 0L;
            foreach (var tensor in tensors)
            {
                var end = begin + (tensor.Values * sizeof(float));
                json.WriteStartObject(tensor.Name);
                json.WriteString("dtype", "F32");
                json.WritePropertyName("shape");
                JsonSerializer.Serialize(json, tensor.Shape);
                json.WritePropertyName("data_offsets");
                JsonSerializer.Serialize(json, new[] { begin, end });
                json.WriteEndObject();
                begin = end;
            }

            json.WriteEndObject();
        }

        // Data begin at a multiple of eight bytes.
        while (buffer.Length % 8 != 0) buffer.WriteByte((byte)' ');
        return buffer.ToArray();
    }

    /// <summary>Weights uniform in ±√(6 / inputs), after He and others (2015); norms that change nothing; biases of 0.</summary>
    private static float[] Values(ParameterShape tensor, Random random)
    {
        var values = new float[tensor.Values];
        if (tensor.Kind is ParameterKind.Scale or ParameterKind.RunningVariance) Array.Fill(values, 1f);
        if (tensor.Kind == ParameterKind.Slope) Array.Fill(values, 0.25f);
        if (tensor.Kind != ParameterKind.Weight) return values;
        var bound = MathF.Sqrt(6f * tensor.Shape[0] / tensor.Values);
        for (var i = 0; i < values.Length; i++) values[i] = ((random.NextSingle() * 2) - 1) * bound;
        return values;
    }
}
