using System.Text;
using Lathe.Contracts;
using Lathe.Graph.Onnx;

namespace Lathe.Graph.Tests.Onnx;

/// <summary>Float networks of TensorFlow Lite.</summary>
public sealed class TfLiteTests
{
    [Fact]
    public void A_network_comes_with_its_weights_in_the_networks_order()
    {
        var network = OnnxImport.Read(Network(), "net.tflite", "net");
        Assert.Equal(new TensorShape(2, 6, 5), network.Graph.Input);
        Assert.Equal(["Conv2d", "Activation", "Conv2d", "AvgPool2d", "Flatten", "Linear"], network.Graph.Nodes.Select(node => node.GetType().Name));
        var (conv, depthwise, pool) = ((Conv2d)network.Graph.Nodes[0], (Conv2d)network.Graph.Nodes[2], (AvgPool2d)network.Graph.Nodes[3]);
        Assert.Equal((new Extent(3, 2), new Extent(2, 1), new Border(0, 0, 1, 1)), (conv.Kernel, conv.Stride, conv.Padding));
        Assert.Equal((3, new Extent(1, 3), default(Border)), (depthwise.Groups, depthwise.Kernel, depthwise.Padding));
        Assert.Equal((new Extent(2, 2), new Border(0, 0, 1, 1)), (pool.Kernel, pool.Beyond));
        // [out, y, x, in] to [out, in, y, x].
        Assert.Equal([0f, 2, 4, 6, 8, 10, 1, 3], network.Values["conv.weight"].Take(8));
        // Bytes times the scale of their channel.
        Assert.Equal([0f, 1.5f, 3, 1, 4, 7, 4, 10, 16], network.Values["depthwise.weight"]);
        // Feature c·H·W + y·W + x is number (y·W + x)·C + c in the file.
        Assert.Equal([0f, 3, 6, 9, 1, 4], network.Values["fc.weight"].Take(6));
        Assert.Equal([0f, 1], network.Values["fc.bias"]);
        Assert.Contains("Softmax", Assert.Single(network.Notes), StringComparison.Ordinal);
    }

    [Fact]
    public void Whole_number_networks_and_unknown_operators_are_refused_in_words()
    {
        Assert.Contains("the network is quantized already", Assert.Throws<LatheException>(() => OnnxImport.Read(Network(inputType: 9), "net.tflite", "net")).Message, StringComparison.Ordinal);
        var fault = Assert.Throws<LatheException>(() => OnnxImport.Read(Network(softmax: 99), "net.tflite", "net")).Message;
        Assert.Contains("net.tflite cannot be imported: it has 1 operators that a network here cannot have: operator 99 'softmax' (no such operator here)", fault, StringComparison.Ordinal);
    }

    /// <summary>Sequences as TensorFlow convolves them, in one row, and what works on them before and behind.</summary>
    [Fact]
    public void Sequences_and_constants_are_read()
    {
        var network = OnnxImport.Read(Sequence(), "net.tflite", "net");
        Assert.Equal(new TensorShape(2, 1, 6), network.Graph.Input);
        Assert.True(network.IsChannelsLast);
        Assert.Equal(["Conv2d", "Conv2d", "LeakyRelu", "PRelu", "GlobalAvgPool", "Flatten", "Linear"], network.Graph.Nodes.Select(node => node.GetType().Name));
        var conv = (Conv2d)network.Graph.Nodes[1];
        // Windows of one in four of six steps begin at the first.
        Assert.Equal((new Extent(1, 1), new Extent(1, 4), default(Border)), (conv.Kernel, conv.Stride, conv.Padding));
        Assert.Equal([-10f, -20], network.Values[$"{network.Graph.Nodes[0].Name}.bias"]);
        Assert.Equal(0.25, ((LeakyRelu)network.Graph.Nodes[2]).Slope);
        Assert.Equal([0f, 1, 2], network.Values[$"{network.Graph.Nodes[3].Name}.weight"]);
    }

    [Fact]
    public void A_constant_for_each_pixel_is_refused()
    {
        var fault = Assert.Throws<LatheException>(() => OnnxImport.Read(Sequence(isPerPixel: true), "net.tflite", "net")).Message;
        Assert.Contains("Sub 'centred' (it works with a constant [6, 1]; expected a number for each of 2 channels, or one number)", fault, StringComparison.Ordinal);
    }

    private static byte[] Sequence(bool isPerPixel = false)
    {
        static byte[] Floats(params float[] values) => [.. values.SelectMany(BitConverter.GetBytes)];
        var buffers = new List<Dictionary<int, object>> { new() };
        Dictionary<int, object> Tensor(string name, int[] shape, byte[]? data = null, byte type = 0)
        {
            if (data is not null) buffers.Add(new() { [0] = data });
            return new() { [0] = shape, [1] = type, [2] = data is null ? 0 : buffers.Count - 1, [3] = name };
        }

        Dictionary<int, object>[] tensors =
        [
            Tensor("x", [1, 6, 2]),
            isPerPixel ? Tensor("means", [6, 1], Floats(1, 2, 3, 4, 5, 6)) : Tensor("means", [2], Floats(10, 20)), Tensor("centred", [1, 6, 2]),
            Tensor("image", [1, 1, 6, 2]),
            Tensor("w", [3, 1, 1, 2], Floats(1, 2, 3, 4, 5, 6)), Tensor("conv", [1, 1, 2, 3]),
            Tensor("leaky", [1, 1, 2, 3]), Tensor("slopes", [1, 1, 3], Floats(0, 1, 2)), Tensor("prelu", [1, 1, 2, 3]),
            Tensor("row", [1, 2, 3]), Tensor("axes", [1], BitConverter.GetBytes(1), 2), Tensor("mean", [1, 3]),
            Tensor("f", [2, 3], Floats(1, 2, 3, 4, 5, 6)), Tensor("fc", [1, 2]),
        ];
        static Dictionary<int, object> Node(int code, int[] inputs, int output, Dictionary<int, object>? options = null) => new() { [0] = code, [1] = inputs, [2] = (int[])[output], [4] = options ?? [] };
        Dictionary<int, object>[] nodes =
        [
            Node(0, [0, 1], 2), Node(1, [2], 3), Node(2, [3, 4], 5, new() { [1] = 4, [2] = 1 }),
            Node(3, [5], 6, new() { [0] = BitConverter.SingleToInt32Bits(0.25f) }), Node(4, [6, 7], 8), Node(5, [8], 9), Node(6, [9, 10], 11), Node(7, [11, 12], 13),
        ];
        Dictionary<int, object>[] codes = [.. new byte[] { 41, 70, 3, 98, 54, 43, 40, 9 }.Select(code => new Dictionary<int, object> { [0] = code, [3] = (int)code })];
        var subgraph = new Dictionary<int, object> { [0] = tensors, [1] = (int[])[0], [2] = (int[])[13], [3] = nodes };
        return FlatFile.Of(new() { [0] = 3, [1] = codes, [2] = (Dictionary<int, object>[])[subgraph], [4] = buffers.ToArray() });
    }

    [Fact]
    public void Damaged_files_are_refused_in_words()
    {
        var file = Network();
        var random = new Random(7);
        var refused = 0;
        for (var i = 0; i < 4000; i++)
        {
            var damaged = i < file.Length ? file[..i] : (byte[])file.Clone();
            for (var changes = i < file.Length ? 0 : random.Next(1, 5); changes > 0; changes--) damaged[random.Next(8, damaged.Length)] = (byte)random.Next(256);
            try
            {
                GraphValidation.Check(OnnxImport.Read(damaged, "damaged.tflite", "damaged").Graph);
            }
            catch (LatheException fault)
            {
                refused++;
                Assert.StartsWith("damaged.tflite cannot be imported: ", fault.Message, StringComparison.Ordinal);
            }
        }

        Assert.InRange(refused, 1000, 4000);
    }

    private static byte[] Network(byte inputType = 0, byte softmax = 25)
    {
        var buffers = new List<Dictionary<int, object>> { new() };
        Dictionary<int, object> Tensor(string name, int[] shape, byte type = 0, byte[]? data = null, Dictionary<int, object>? format = null)
        {
            if (data is not null) buffers.Add(new() { [0] = data });
            var tensor = new Dictionary<int, object> { [0] = shape, [1] = type, [2] = data is null ? 0 : buffers.Count - 1, [3] = name };
            if (format is not null) tensor.Add(4, format);
            return tensor;
        }

        static byte[] Floats(int count) => [.. Enumerable.Range(0, count).SelectMany(i => BitConverter.GetBytes((float)i))];
        Dictionary<int, object>[] tensors =
        [
            Tensor("x", [1, 6, 5, 2], inputType),
            Tensor("w", [3, 3, 2, 2], 0, Floats(36)), Tensor("conv", [1, 3, 5, 3]),
            Tensor("d", [1, 1, 3, 3], 9, [0, 1, 2, 3, 4, 5, 6, 7, 8], new() { [2] = (float[])[0.5f, 1, 2], [3] = (long[])[0, 0, 0], [6] = 3 }), Tensor("depthwise", [1, 3, 3, 3]),
            Tensor("pool", [1, 2, 2, 3]), Tensor("f", [2, 12], 0, Floats(24)), Tensor("fb", [2], 0, Floats(2)), Tensor("fc", [1, 2]), Tensor("softmax", [1, 2]),
        ];
        static Dictionary<int, object> Node(int code, int[] inputs, int output, Dictionary<int, object> options) => new() { [0] = code, [1] = inputs, [2] = (int[])[output], [4] = options };
        Dictionary<int, object>[] nodes =
        [
            Node(0, [0, 1, -1], 2, new() { [1] = 1, [2] = 2, [3] = (byte)1 }),
            Node(1, [2, 3], 4, new() { [0] = (byte)1, [1] = 1, [2] = 1, [3] = 1 }),
            Node(2, [4], 5, new() { [1] = 2, [2] = 2, [3] = 2, [4] = 2 }),
            Node(3, [5, 6, 7], 8, new()),
            Node(4, [8], 9, new()),
        ];
        Dictionary<int, object>[] codes = [.. new byte[] { 3, 4, 1, 9, softmax }.Select(code => new Dictionary<int, object> { [0] = code, [3] = (int)code })];
        var subgraph = new Dictionary<int, object> { [0] = tensors, [1] = (int[])[0], [2] = (int[])[9], [3] = nodes };
        return FlatFile.Of(new() { [0] = 3, [1] = codes, [2] = (Dictionary<int, object>[])[subgraph], [4] = buffers.ToArray() });
    }

    /// <summary>Writes tables of FlatBuffers: what a table points to comes behind it.</summary>
    private sealed class FlatFile
    {
        private readonly List<byte> _bytes = [0, 0, 0, 0, .. "TFL3"u8];

        public static byte[] Of(Dictionary<int, object> root)
        {
            var file = new FlatFile();
            file.Point(0, file.Table(root));
            return [.. file._bytes];
        }

        private int Table(Dictionary<int, object> fields)
        {
            Align();
            var count = fields.Count == 0 ? 0 : fields.Keys.Max() + 1;
            var vtable = _bytes.Count;
            var length = 4 + (2 * count);
            var table = vtable + ((length + 3) / 4 * 4);
            _bytes.AddRange(new byte[table - vtable + 4 + (4 * count)]);
            Put(vtable, BitConverter.GetBytes((ushort)length));
            Put(vtable + 2, BitConverter.GetBytes((ushort)(4 + (4 * count))));
            Put(table, BitConverter.GetBytes(table - vtable));
            foreach (var (field, value) in fields)
            {
                var place = table + 4 + (4 * field);
                Put(vtable + 4 + (2 * field), BitConverter.GetBytes((ushort)(place - table)));
                switch (value)
                {
                    case byte number: _bytes[place] = number; break;
                    case int number: Put(place, BitConverter.GetBytes(number)); break;
                    case Dictionary<int, object> inner: Point(place, Table(inner)); break;
                    case Dictionary<int, object>[] many:
                        var list = Vector(many.Length, new byte[4 * many.Length]);
                        Point(place, list);
                        for (var i = 0; i < many.Length; i++) Point(list + 4 + (4 * i), Table(many[i]));
                        break;
                    case string text: Point(place, Vector(text.Length, Encoding.UTF8.GetBytes(text))); break;
                    case byte[] bytes: Point(place, Vector(bytes.Length, bytes)); break;
                    case int[] numbers: Point(place, Vector(numbers.Length, [.. numbers.SelectMany(BitConverter.GetBytes)])); break;
                    case long[] numbers: Point(place, Vector(numbers.Length, [.. numbers.SelectMany(BitConverter.GetBytes)])); break;
                    case float[] numbers: Point(place, Vector(numbers.Length, [.. numbers.SelectMany(BitConverter.GetBytes)])); break;
                }
            }

            return table;
        }

        private int Vector(int count, byte[] content)
        {
            Align();
            var start = _bytes.Count;
            _bytes.AddRange(BitConverter.GetBytes(count));
            _bytes.AddRange(content);
            return start;
        }

        private void Point(int from, int to) => Put(from, BitConverter.GetBytes(to - from));

        private void Put(int place, byte[] content)
        {
            for (var i = 0; i < content.Length; i++) _bytes[place + i] = content[i];
        }

        private void Align()
        {
            while (_bytes.Count % 4 != 0) _bytes.Add(0);
        }
    }
}
