using System.Buffers.Binary;
using System.Text;
using CsCheck;
using Lathe.Contracts;
using Lathe.Graph.Checkpoints;
using Lathe.NN.Checkpoints;
using Lathe.NN.Runtime;
using TorchSharp;
using static TorchSharp.torch;

namespace Lathe.NN.Tests.Checkpoints;

public class SafeTensorsTests
{
    private static readonly ScalarType[] Types =
    [
        ScalarType.Float64, ScalarType.Float32, ScalarType.Float16, ScalarType.BFloat16, ScalarType.Int64, ScalarType.Int32,
        ScalarType.Int16, ScalarType.Int8, ScalarType.Byte, ScalarType.Bool,
    ];

    /// <summary>Any byte, or one that JSON uses.</summary>
    internal static Gen<byte> Damage { get; } =
        Gen.OneOf(Gen.Byte, Gen.Int[0, 20].Select(i => "0123456789{}[]\",:-eE."u8[i]));

    /// <summary>Type, shape and bytes of a tensor; an element has at most 8 bytes.</summary>
    private static readonly Gen<(ScalarType Type, long[] Shape, byte[] Bytes)> Drawn =
        from type in Gen.Int[0, Types.Length - 1].Select(i => Types[i])
        from shape in Gen.Long[0, 3].Array[0, 3]
        from bytes in Gen.Byte.Array[(int)shape.Aggregate(8L, (product, extent) => product * extent)]
        select (type, shape, bytes);

    public SafeTensorsTests() => TorchRuntime.Configure();

    [Fact]
    public void What_was_written_is_read_back_bit_for_bit() => Drawn.Array[0, 7].Sample(
        drawn =>
        {
            using var scope = NewDisposeScope();
            var tensors = drawn.Index().ToDictionary(d => $"tensor \"{d.Index}\" ü", d => Tensor(d.Item));
            var metadata = new Dictionary<string, string> { ["b"] = "{\"x\":1}", ["a"] = "ü\n\0" };
            var bytes = Write(tensors, metadata);
            var read = SafeTensorsFile.Read(new MemoryStream(bytes), "file");
            Assert.Equal(metadata, read.Metadata);
            Assert.Equal(tensors.Keys.Order(), read.Tensors.Keys.Order());
            foreach (var (name, tensor) in tensors)
            {
                Assert.Equal(tensor.dtype, read.Tensors[name].dtype);
                Assert.Equal(tensor.shape, read.Tensors[name].shape);
                Assert.Equal(tensor.bytes.ToArray(), read.Tensors[name].bytes.ToArray());
            }

            Assert.Equal(bytes, Write(read.Tensors.Reverse().ToDictionary(), read.Metadata));
        },
        iter: 300,
        threads: 1);

    private static Tensor Tensor((ScalarType Type, long[] Shape, byte[] Bytes) drawn)
    {
        var tensor = empty(drawn.Shape, dtype: drawn.Type);
        drawn.Bytes.AsSpan(0, tensor.bytes.Length).CopyTo(tensor.bytes);
        if (drawn.Type == ScalarType.Bool)
        {
            foreach (ref var b in tensor.bytes) b &= 1;
        }

        return tensor;
    }

    [Fact]
    public void Each_tensor_is_aligned_to_its_type()
    {
        using var scope = NewDisposeScope();
        var bytes = Write(
            new Dictionary<string, Tensor>
            {
                ["a"] = zeros(3, dtype: ScalarType.Byte),
                ["b"] = zeros(3),
                ["c"] = zeros(1, dtype: ScalarType.Int64),
                ["d"] = zeros(3, dtype: ScalarType.BFloat16),
            },
            new Dictionary<string, string>());
        var header = SafeTensorsHeader.Read(new MemoryStream(bytes), "file");
        Assert.Equal(0, header.DataStart % 8);
        Assert.Equal(["c", "b", "d", "a"], header.Tensors.Select(t => t.Name));
        Assert.All(header.Tensors, t => Assert.Equal(0, t.Begin % SafeTensorsHeader.ElementSize(t.Type)));
    }

    [Fact]
    public void Tensors_that_are_views_are_written_by_value()
    {
        using var scope = NewDisposeScope();
        var matrix = arange(6, dtype: ScalarType.Float32).reshape(2, 3);
        var bytes = Write(new Dictionary<string, Tensor> { ["t"] = matrix.t(), ["row"] = matrix[1] }, new Dictionary<string, string>());
        var read = SafeTensorsFile.Read(new MemoryStream(bytes), "file");
        Assert.Equal([0f, 3, 1, 4, 2, 5], read.Tensors["t"].data<float>().ToArray());
        Assert.Equal([3f, 4, 5], read.Tensors["row"].data<float>().ToArray());
    }

    [Theory]
    [InlineData("{}", 0, "")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}   """, 8, "")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}""", 7, "the file holds 7 bytes of data")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}""", 9, "take 8 bytes, but 9 bytes")]
    [InlineData("""{"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}}""", 8, "needs 12 bytes, but its data_offsets give 8")]
    [InlineData("""{"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,0]}}""", 0, "an impossible number of bytes")]
    [InlineData("""{"a":{"dtype":"F32","shape":[0,9223372036854775807,9223372036854775807],"data_offsets":[0,0]}}""", 0, "impossible")]
    [InlineData("""{"a":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}}""", 8, "no list of at most 16 whole numbers")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2.5],"data_offsets":[0,8]}}""", 8, "no list of at most 16 whole numbers")]
    [InlineData("""{"a":{"dtype":"F31","shape":[2],"data_offsets":[0,8]}}""", 8, "has type 'F31'")]
    [InlineData("""{"a":{"dtype":"1","shape":[2],"data_offsets":[0,8]}}""", 8, "has type '1'")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}}""", 8, "has data_offsets [8,0]")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2]}}""", 8, "not described by exactly")]
    [InlineData("""{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}}""", 3, "inside")]
    [InlineData("""{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[3,5]}}""", 5, "no tensor")]
    [InlineData("""{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"a":{"dtype":"U8","shape":[2],"data_offsets":[2,4]}}""", 4, "Duplicate")]
    [InlineData("""{"__metadata__":{"a":1}}""", 0, "not a string")]
    [InlineData("""{"__metadata__":[]}""", 0, "not a map")]
    [InlineData("""{"__metadata__":{"a":"x","a":"y"}}""", 0, "Duplicate")]
    [InlineData("""{"a":{"dtype":"BOOL","shape":[1],"data_offsets":[0,1]}}""", 1, "boolean")]
    [InlineData("[]", 0, "does not begin with '{'")]
    [InlineData("{", 0, "not valid JSON")]
    [InlineData("", 0, "does not begin with '{'")]
    public void A_header_that_lies_is_refused(string json, int dataBytes, string expected)
    {
        using var scope = NewDisposeScope();
        var data = new byte[dataBytes];
        Array.Fill(data, (byte)7);
        var file = new MemoryStream([.. Prefix((ulong)Encoding.UTF8.GetByteCount(json)), .. Encoding.UTF8.GetBytes(json), .. data]);
        if (expected.Length == 0)
        {
            SafeTensorsFile.Read(file, "here.safetensors");
            return;
        }

        var e = Assert.Throws<LatheException>(() => SafeTensorsFile.Read(file, "here.safetensors"));
        Assert.StartsWith("here.safetensors is not a sound safetensors file: ", e.Message, StringComparison.Ordinal);
        Assert.Contains(expected, e.Message, StringComparison.OrdinalIgnoreCase);
    }

    [Theory]
    [InlineData(ulong.MaxValue)]
    [InlineData(1UL << 63)]
    [InlineData(100_000_001UL)]
    [InlineData(100_000_000UL)]
    [InlineData(3UL)]
    public void A_header_length_beyond_the_file_or_the_limit_is_refused_without_taking_memory(ulong length)
    {
        var before = GC.GetAllocatedBytesForCurrentThread();
        var e = Assert.Throws<LatheException>(() => SafeTensorsFile.Read(new MemoryStream([.. Prefix(length), .. "{}"u8]), "file"));
        Assert.Contains("header claims", e.Message, StringComparison.Ordinal);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 1_000_000);
    }

    [Fact]
    public void A_missing_file_is_named()
    {
        var e = Assert.Throws<LatheException>(() => SafeTensorsFile.Read("/nowhere/x.safetensors"));
        Assert.Equal("there is no file /nowhere/x.safetensors", e.Message);
    }

    [Fact]
    public void Damaged_files_are_read_or_refused()
    {
        using var scope = NewDisposeScope();
        var sound = Write(
            new Dictionary<string, Tensor> { ["w"] = ones(2, 3), ["flag"] = ones(3, dtype: ScalarType.Bool), ["n"] = arange(4) },
            new Dictionary<string, string> { ["key"] = "value" });
        var headerEnd = (int)(8 + BinaryPrimitives.ReadInt64LittleEndian(sound));
        // Mostly in the header: damage to the data can only be a boolean out of range.
        var place = Gen.Frequency((9, Gen.Int[0, headerEnd - 1]), (1, Gen.Int[0, sound.Length - 1]));
        var edit = Gen.Select(place, Damage, Gen.Int[0, 3]);
        Gen.Select(edit.Array[1, 4], Gen.Int[0, 40]).Sample(
            (edits, cut) =>
            {
                var bytes = new List<byte>(sound);
                foreach (var (at, with, kind) in edits)
                {
                    if (at >= bytes.Count) continue;
                    if (kind == 0) bytes.Insert(at, with);
                    else if (kind == 1) bytes.RemoveAt(at);
                    else bytes[at] = with;
                }

                if (cut < 5) bytes.RemoveRange(bytes.Count - cut, cut);
                try
                {
                    SafeTensorsFile.Read(new MemoryStream([.. bytes]), "file").Dispose();
                }
                catch (LatheException e)
                {
                    Assert.StartsWith("file ", e.Message, StringComparison.Ordinal);
                }
            },
            iter: 50_000,
            threads: 1);
    }

    private static byte[] Prefix(ulong length)
    {
        var prefix = new byte[8];
        BinaryPrimitives.WriteUInt64LittleEndian(prefix, length);
        return prefix;
    }

    private static byte[] Write(IReadOnlyDictionary<string, Tensor> tensors, IReadOnlyDictionary<string, string> metadata)
    {
        using var stream = new MemoryStream();
        SafeTensorsFile.Write(stream, tensors, metadata);
        return stream.ToArray();
    }
}
