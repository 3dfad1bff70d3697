using System.Text.Json;
using System.Text.Json.Nodes;
using Google.Protobuf;
using Lathe.Graph;
using Lathe.Graph.Checkpoints;
using Lathe.Graph.Onnx;
using Lathe.Graph.Onnx.Format;
using Lathe.NN.Checkpoints;
using Lathe.NN.Tests.Execution;
using Lathe.Testing;
using static TorchSharp.torch;

namespace Lathe.NN.Tests.Fuzzing;

/// <summary>
/// Files whose form is sound and whose content is not: the graph runs in circles, names stand twice, sizes are wrong or huge. Damage to
/// single bytes seldom gets that far.
/// </summary>
public sealed class Hostile_networks
{
    private static readonly string Fixtures = Path.Combine(AppContext.BaseDirectory, "Onnx", "fixtures");

    [Fact]
    public void ONNX_graphs_are_imported_whole_or_refused()
    {
        var sound = Directory.GetFiles(Fixtures, "*.onnx").Order(StringComparer.Ordinal).Select(f => ModelProto.Parser.ParseFrom(File.ReadAllBytes(f))).ToList();
        var fuzz = new Fuzz("hostile.onnx");
        var random = new Random(1);
        for (var i = 0; i < 6000; i++)
        {
            var model = sound[random.Next(sound.Count)].Clone();
            for (var changes = random.Next(1, 4); changes > 0; changes--) Change(model, random);
            Try(model.ToByteArray());
        }

        Assert.Equal(6000, fuzz.Tried);
        Assert.InRange(fuzz.Refused, 3000, 5990);

        void Try(byte[] bytes) => fuzz.Try(bytes.Length, () =>
        {
            var network = OnnxImport.Read(bytes, "hostile.onnx", "hostile");
            GraphValidation.Check(network.Graph);
            Assert.Equal(ParameterShapes.Of(network.Graph).Select(p => p.Name).Order(), network.Values.Keys.Order());
        });
    }

    [Fact]
    public void ONNX_messages_that_hold_one_another_without_end_are_refused()
    {
        var fuzz = new Fuzz("hostile.onnx");
        for (var depth = 10; depth < 5000; depth = (depth * 3) + 1)
        {
            // A node with an attribute that is a graph with such a node, and so on: the body of an If in the body of an If.
            byte[] graph = [];
            for (var i = 0; i < depth; i++) graph = Field(1, Field(5, Field(6, graph)));
            byte[] model = [.. Field(7, graph)];
            fuzz.Try(model.Length, () => OnnxImport.Read(model, "hostile.onnx", "hostile"));
        }

        Assert.Equal(fuzz.Tried, fuzz.Refused);

        static byte[] Field(int number, byte[] content)
        {
            using var stream = new MemoryStream();
            using (var output = new CodedOutputStream(stream, leaveOpen: true))
            {
                output.WriteTag(number, WireFormat.WireType.LengthDelimited);
                output.WriteBytes(ByteString.CopyFrom(content));
            }

            return stream.ToArray();
        }
    }

    [Fact]
    public void A_long_chain_of_nodes_is_read_in_little_time()
    {
        var model = ModelProto.Parser.ParseFrom(File.ReadAllBytes(Path.Combine(Fixtures, "fashion.onnx")));
        var last = model.Graph.Node[^1].Output[0];
        for (var i = 0; i < 20_000; i++)
        {
            var node = new NodeProto { OpType = "Relu", Name = "same" };
            node.Input.Add(last);
            node.Output.Add(last = $"chain{i}");
            model.Graph.Node.Add(node);
        }

        model.Graph.Output[0].Name = last;
        var bytes = model.ToByteArray();
        var fuzz = new Fuzz("hostile.onnx", bytesOfByte: 256);
        fuzz.Try(bytes.Length, () => OnnxImport.Read(bytes, "hostile.onnx", "hostile"));
    }

    [Fact]
    public void Graphs_in_checkpoints_are_read_whole_or_refused()
    {
        using var scope = NewDisposeScope();
        var sound = Enumerable.Range(0, 20).Select(Sound).ToList();
        var fuzz = new Fuzz("hostile.safetensors", bytesOfByte: 256);
        var random = new Random(2);
        for (var i = 0; i < 4000; i++)
        {
            var (data, header) = sound[random.Next(sound.Count)];
            var changed = header.DeepClone().AsObject();
            var metadata = changed["__metadata__"]!.AsObject();
            var graph = JsonNode.Parse(metadata["lathe.graph"]!.GetValue<string>())!;
            for (var changes = random.Next(1, 4); changes > 0; changes--) Change(random.Next(3) == 0 ? changed : graph, random);
            if (changed["__metadata__"] is JsonObject kept) kept["lathe.graph"] = graph.ToJsonString();
            byte[] bytes = [.. Header(changed.ToJsonString()), .. data];
            fuzz.Try(bytes.Length, () =>
            {
                using var checkpoint = CheckpointFile.Read(new MemoryStream(bytes), "hostile.safetensors");
                GraphValidation.Check(checkpoint.Graph);
            });
        }

        Assert.Equal(4000, fuzz.Tried);
        Assert.InRange(fuzz.Refused, 2000, 3990);
    }

    [Theory]
    [InlineData("[")]
    [InlineData("{\"a\":")]
    public void Headers_that_open_brackets_without_end_are_refused(string open)
    {
        var fuzz = new Fuzz("hostile.safetensors");
        foreach (var depth in (int[])[3, 5, 100, 100_000])
        {
            byte[] bytes = Header("{\"a\":" + string.Concat(Enumerable.Repeat(open, depth)));
            Assert.NotNull(fuzz.Try(bytes.Length, () => SafeTensorsFile.Read(new MemoryStream(bytes), "hostile.safetensors").Dispose()));
        }
    }

    private static void Change(ModelProto model, Random random)
    {
        var graph = model.Graph;
        var node = graph.Node[random.Next(graph.Node.Count)];
        var tensor = graph.Initializer[random.Next(graph.Initializer.Count)];
        var names = graph.Node.SelectMany(n => n.Output).Concat(graph.Initializer.Select(t => t.Name)).Append(graph.Input[0].Name).ToList();
        string Any() => names[random.Next(names.Count)];
        switch (random.Next(16))
        {
            case 0: if (node.Input.Count > 0) node.Input[random.Next(node.Input.Count)] = Any(); break;
            case 1: node.Output[0] = Any(); break;
            case 2: node.OpType = graph.Node[random.Next(graph.Node.Count)].OpType; break;
            case 3: (graph.Node[0], graph.Node[^1]) = (graph.Node[^1], graph.Node[0]); break;
            case 4: graph.Node.Insert(random.Next(graph.Node.Count), node.Clone()); break;
            case 5: graph.Node.Remove(node); break;
            case 6: if (tensor.Dims.Count > 0) tensor.Dims[random.Next(tensor.Dims.Count)] = Fuzz.Hostile(random); break;
            case 7: tensor.Dims.Add(Fuzz.Hostile(random)); break;
            case 8: tensor.RawData = ByteString.CopyFrom(tensor.RawData.Span[..random.Next(tensor.RawData.Length + 1)]); break;
            case 9: tensor.DataType = random.Next(20); break;
            case 10: tensor.Name = Any(); break;
            case 11:
                if (node.Attribute.Count == 0) break;
                var attribute = node.Attribute[random.Next(node.Attribute.Count)];
                if (attribute.Ints.Count > 0) attribute.Ints[random.Next(attribute.Ints.Count)] = Fuzz.Hostile(random);
                else (attribute.I, attribute.F) = (Fuzz.Hostile(random), random.Next(3) == 0 ? float.NaN : random.Next());
                break;
            case 12: if (node.Attribute.Count > 0) node.Attribute[0].Ints.Add(Enumerable.Repeat(Fuzz.Hostile(random), random.Next(1, 2000))); break;
            case 13: graph.Input[0].Type.TensorType.Shape.Dim[random.Next(4)] = new TensorShapeProto.Types.Dimension { DimValue = Fuzz.Hostile(random) }; break;
            case 14: node.Name = new string('n', random.Next(3000)) + "\n"; break;
            default: graph.Output[0].Name = Any(); break;
        }
    }

    /// <summary>Changes one value of a JSON tree, or gives it the place or form of another.</summary>
    private static void Change(JsonNode root, Random random)
    {
        var all = new List<JsonNode>();
        Collect(root);
        if (all.Count == 0) return;
        var node = all[random.Next(all.Count)];
        JsonNode? with = random.Next(6) switch
        {
            0 => null,
            1 => JsonValue.Create(Fuzz.Hostile(random)),
            2 => JsonValue.Create(-0.5e300),
            3 => JsonValue.Create(random.Next(2) == 0 ? "" : "input"),
            4 => new JsonArray(),
            _ => all[random.Next(all.Count)].DeepClone(),
        };
        if (node.Parent is JsonArray array)
        {
            if (random.Next(4) == 0) array.Add(with);
            else array[array.IndexOf(node)] = with;
        }
        else if (node.Parent is JsonObject parent)
        {
            if (random.Next(6) == 0) parent.Remove(node.GetPropertyName());
            else parent[node.GetPropertyName()] = with;
        }

        void Collect(JsonNode from)
        {
            foreach (var child in from is JsonArray list ? list : from is JsonObject map ? map.Select(p => p.Value) : [])
            {
                if (child is null) continue;
                all.Add(child);
                Collect(child);
            }
        }
    }

    private static (byte[] Data, JsonObject Header) Sound(int seed)
    {
        var graph = RandomNetworks.Small.Example(seed);
        using var stream = new MemoryStream();
        using var checkpoint = new Checkpoint(graph, ReferenceRun.RandomTensors(graph, seed), Lineage.Empty, new Dictionary<string, WeightFormat>());
        CheckpointFile.Write(stream, checkpoint);
        var bytes = stream.ToArray();
        var length = (int)BitConverter.ToInt64(bytes);
        return (bytes[(8 + length)..], JsonNode.Parse(bytes.AsSpan(8, length))!.AsObject());
    }

    private static byte[] Header(string json)
    {
        var bytes = System.Text.Encoding.UTF8.GetBytes(json);
        return [.. BitConverter.GetBytes((long)bytes.Length), .. bytes];
    }
}
