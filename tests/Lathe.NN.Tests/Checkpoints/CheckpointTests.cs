using System.Buffers.Binary;
using System.Text;
using System.Text.Json;
using CsCheck;
using Lathe.Contracts;
using Lathe.Graph;
using Lathe.Graph.Checkpoints;
using Lathe.Graph.Models;
using Lathe.NN.Checkpoints;
using Lathe.NN.Runtime;
using Lathe.NN.Tests.Execution;
using Lathe.Testing;
using TorchSharp;
using static TorchSharp.torch;

namespace Lathe.NN.Tests.Checkpoints;

public class CheckpointTests
{
    private static readonly CheckpointRef Input = new(new string('a', 64), 123);

    private static readonly Gen<(NetworkGraph Graph, WeightFormat?[] Formats)> Networks =
        from graph in RandomNetworks.Small
        from formats in Formats(graph)
        select (graph, formats);

    private static readonly NetworkGraph LeNet = Zoo.Build("lenet5", new(1, 28, 28), 10);

    public CheckpointTests() => TorchRuntime.Configure();

    [Fact]
    public void A_checkpoint_is_read_back_bit_for_bit() => Networks.Sample(
        drawn =>
        {
            using var scope = NewDisposeScope();
            using var checkpoint = Random(drawn);
            var bytes = Write(checkpoint);
            using var read = CheckpointFile.Read(new MemoryStream(bytes), "file");
            Assert.Equal(GraphJson.Write(checkpoint.Graph), GraphJson.Write(read.Graph));
            Assert.Equal(checkpoint.Formats.OrderBy(f => f.Key), read.Formats.OrderBy(f => f.Key));
            Assert.Equal(JsonSerializer.Serialize(checkpoint.Lineage), JsonSerializer.Serialize(read.Lineage));
            Assert.Equal(checkpoint.Tensors.Keys, read.Tensors.Keys);
            foreach (var (name, tensor) in checkpoint.Tensors)
            {
                Assert.Equal(tensor.shape, read.Tensors[name].shape);
                Assert.Equal(tensor.bytes.ToArray(), read.Tensors[name].bytes.ToArray());
            }

            Assert.Equal(bytes, Write(read));
            var header = CheckpointHeader.Read(new MemoryStream(bytes), "file");
            Assert.Equal(header.Stored.Sum(t => t.Bytes), header.Size.Total);
            Assert.Equal(bytes.Length, header.FileBytes);
            Assert.Equal(bytes.Length, header.Text.Graph + header.Text.History + header.Text.Index + header.Size.Total);
            using var json = JsonDocument.Parse(bytes.AsMemory(8, BitConverter.ToInt32(bytes)));
            var metadata = json.RootElement.GetProperty("__metadata__");
            Assert.Equal(Encoding.UTF8.GetByteCount(metadata.GetProperty("lathe.graph").GetRawText()), header.Text.Graph);
            Assert.Equal(Encoding.UTF8.GetByteCount(metadata.GetProperty("lathe.lineage").GetRawText()), header.Text.History);
        },
        iter: 150,
        threads: 1,
        print: drawn => GraphJson.Write(drawn.Graph));

    [Fact]
    public void Packing_follows_the_documented_bit_order()
    {
        var format = new WeightFormat(3, 2);
        // Levels 1, -1, 3, -3 as 3-bit fields 001 111 011 101, the first in the lowest bits.
        Assert.Equal([0b11_111_001, 0b1010], format.Pack([0.25f, -0.25f, 0.75f, -0.75f], "w"));
        Assert.Equal([0b01_00_11_01], new WeightFormat(2, 0).Pack([1, -1, -0.0f, 1], "w"));
    }

    [Fact]
    public void Every_level_survives_packing() =>
        Gen.Select(Gen.Int[2, 8], Gen.Int[-64, 64], Gen.Int[-127, 127].Array[1, 40]).Sample(
            (bits, fraction, levels) =>
            {
                var format = new WeightFormat(bits, fraction);
                float[] values = [.. levels.Select(k => k % (format.MaxLevel + 1) * format.StepSize)];
                var back = new float[values.Length];
                format.Unpack(format.Pack(values, "w"), back, "w");
                Assert.Equal(values, back);
            },
            iter: 5_000,
            threads: 1);

    [Theory]
    [InlineData(2, 0, 2f)]
    [InlineData(2, 0, -2f)]
    [InlineData(2, 1, 0.25f)]
    [InlineData(4, 3, 0.0001f)]
    [InlineData(8, 0, float.NaN)]
    [InlineData(8, 0, float.PositiveInfinity)]
    [InlineData(8, -64, float.Epsilon)]
    public void A_weight_off_its_grid_is_refused(int bits, int fraction, float value)
    {
        var e = Assert.Throws<LatheException>(() => new WeightFormat(bits, fraction).Pack([0, value], "conv.weight"));
        Assert.StartsWith($"weight 'conv.weight' holds {value:R} at position 1, which is not k·2^-{fraction}", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Packed_bytes_that_no_writer_makes_are_refused()
    {
        var values = new float[3];
        Assert.Contains("level -2", Assert.Throws<LatheException>(() => new WeightFormat(2, 0).Unpack([0b10], values, "w")).Message, StringComparison.Ordinal);
        Assert.Contains("after its last", Assert.Throws<LatheException>(() => new WeightFormat(2, 0).Unpack([0x40], values, "w")).Message, StringComparison.Ordinal);
        Assert.Contains("packed bytes", Assert.Throws<LatheException>(() => new WeightFormat(2, 0).Unpack([0, 0], values, "w")).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_size_of_a_two_bit_LeNet_counts_its_packed_weights()
    {
        var graph = Zoo.Build("lenet5", new(1, 28, 28), 10);
        var formats = ParameterShapes.Of(graph).Where(p => p.Kind == ParameterKind.Weight).ToDictionary(p => p.Name, _ => new WeightFormat(2, 3));
        var size = CheckpointSize.Of(graph, formats);
        Assert.Equal(new CheckpointSize((400 + 12_800 + 200_704 + 1_280) / 4, 4, 0, 4 * 4 * (16 + 32 + 128), 40), size);
        Assert.Equal(size.PackedWeights + 4 + size.BatchNorm + 40, size.Total);
    }

    [Fact]
    public void The_dense_checkpoint_is_the_input_of_the_first_compressing_stage()
    {
        var other = new CheckpointRef(new string('b', 64), 7);
        var lineage = Lineage.Empty.Then(Step("train", null), false);
        Assert.Null(lineage.Dense);
        lineage = lineage.Then(Step("prune", Input), true);
        Assert.Equal(Input, lineage.Dense);
        lineage = lineage.Then(Step("quantize", other), true);
        Assert.Equal(Input, lineage.Dense);
        Assert.Equal(["train", "prune", "quantize"], lineage.Steps.Select(s => s.Stage));
    }

    [Fact]
    public void Tensors_must_be_those_of_the_network()
    {
        using var scope = NewDisposeScope();
        var checkpoint = Random(LeNet, []) with { Formats = new Dictionary<string, WeightFormat>() };
        Refused("lacks tensor 'features.0.weight'", t => t.Remove("features.0.weight"));
        Refused("holds tensor 'stranger'", t => t["stranger"] = zeros(1));
        Refused("tensor 'features.0.weight' is Float32 [1]; the network needs Float32 [16, 1, 5, 5]", t => t["features.0.weight"] = zeros(1));
        Refused("is Float64", t => t["features.1.weight"] = zeros(16, dtype: ScalarType.Float64));
        var odd = checkpoint with { Formats = new Dictionary<string, WeightFormat> { ["features.1.weight"] = new(2, 0) } };
        Assert.Contains("'features.1.weight', which is no weight", Assert.Throws<LatheException>(() => Write(odd)).Message, StringComparison.Ordinal);

        void Refused(string expected, Action<Dictionary<string, Tensor>> change)
        {
            var tensors = checkpoint.Tensors.ToDictionary();
            change(tensors);
            var e = Assert.Throws<LatheException>(() => Write(checkpoint with { Tensors = tensors }));
            Assert.Contains(expected, e.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void A_figure_that_is_not_finite_is_refused()
    {
        using var scope = NewDisposeScope();
        var step = Step("prune", Input) with { Facts = new Dictionary<string, double> { ["x"] = double.NaN } };
        var checkpoint = Random(Networks.Example(3)) with { Lineage = Lineage.Empty.Then(step, true) };
        Assert.Contains("lineage cannot be written", Assert.Throws<LatheException>(() => Write(checkpoint)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("features.1.bias", float.NaN)]
    [InlineData("features.1.running_var", float.PositiveInfinity)]
    public void A_checkpoint_with_values_that_are_no_numbers_is_refused(string name, float value)
    {
        using var scope = NewDisposeScope();
        var checkpoint = Random(LeNet, Formats(LeNet).Example(1));
        checkpoint.Tensors[name][2] = value;
        var e = Assert.Throws<LatheException>(() => CheckpointFile.Read(new MemoryStream(Write(checkpoint)), "mine"));
        Assert.StartsWith($"mine is no sound checkpoint: {name} has values that are no finite numbers", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_safetensors_file_of_something_else_is_named_as_such()
    {
        using var stream = new MemoryStream();
        SafeTensorsFile.Write(stream, new Dictionary<string, Tensor>(), new Dictionary<string, string>());
        stream.Position = 0;
        var e = Assert.Throws<LatheException>(() => CheckpointFile.Read(stream, "state.safetensors"));
        Assert.Equal("state.safetensors is a safetensors file, but no Lathe checkpoint: its metadata has no 'lathe.format'", e.Message);
    }

    [Fact]
    public void Damaged_checkpoints_are_read_or_refused()
    {
        using var scope = NewDisposeScope();
        var sound = Write(Random(Networks.Example(11)));
        var headerEnd = (int)(8 + BinaryPrimitives.ReadInt64LittleEndian(sound));
        var place = Gen.Frequency((4, Gen.Int[0, headerEnd - 1]), (1, Gen.Int[headerEnd, sound.Length - 1]));
        Gen.Select(place, SafeTensorsTests.Damage).Array[1, 3].Sample(
            edits =>
            {
                byte[] bytes = [.. sound];
                foreach (var (at, with) in edits) bytes[at] = with;
                try
                {
                    CheckpointFile.Read(new MemoryStream(bytes), "file").Dispose();
                }
                catch (LatheException e)
                {
                    Assert.StartsWith("file ", e.Message, StringComparison.Ordinal);
                }
            },
            iter: 10_000,
            threads: 1);
    }

    private static LineageStep Step(string stage, CheckpointRef? input) => new(
        stage,
        "1",
        JsonSerializer.SerializeToElement(new { epochs = 3, rate = 0.5 }),
        42,
        input,
        new DataRef("fashion-mnist", new string('f', 64)),
        new Dictionary<string, string> { ["lathe"] = "0.1.0" },
        new Dictionary<string, double> { ["difference"] = 1.5e-7 });

    /// <summary>Random tensors; about half of the weights on a random grid.</summary>
    /// <summary>Of the weights in order; null where they are floats.</summary>
    private static Gen<WeightFormat?[]> Formats(NetworkGraph graph) => Gen.Select(Gen.Bool, Gen.Int[2, 8], Gen.Int[-3, 9])
        .Select((isFloat, bits, fraction) => isFloat ? null : new WeightFormat(bits, fraction)).Array[Weights(graph).Count()];

    private static Checkpoint Random((NetworkGraph Graph, WeightFormat?[] Formats) drawn) => Random(drawn.Graph, drawn.Formats);

    private static Checkpoint Random(NetworkGraph graph, IReadOnlyList<WeightFormat?> formats)
    {
        using var generator = new Generator(1);
        var tensors = ReferenceRun.RandomTensors(graph, 1);
        var quantized = Weights(graph).Zip(formats).Where(pair => pair.Second is not null).ToDictionary(pair => pair.First.Name, pair => pair.Second!);
        foreach (var parameter in Weights(graph).Where(weight => quantized.ContainsKey(weight.Name)))
        {
            var format = quantized[parameter.Name];
            tensors[parameter.Name] = randint(-format.MaxLevel, format.MaxLevel + 1, [.. parameter.Shape], ScalarType.Float32, generator: generator) * format.StepSize;
        }

        var lineage = Lineage.Empty.Then(Step("train", null), false).Then(Step("prune", Input), true);
        return new Checkpoint(graph, tensors, lineage, quantized);
    }

    private static IEnumerable<ParameterShape> Weights(NetworkGraph graph) => ParameterShapes.Of(graph).Where(p => p.Kind == ParameterKind.Weight);

    private static byte[] Write(Checkpoint checkpoint)
    {
        using var stream = new MemoryStream();
        CheckpointFile.Write(stream, checkpoint);
        return stream.ToArray();
    }
}
