using CsCheck;
using Lathe.Contracts;
using Lathe.Testing;

namespace Lathe.Graph.Tests;

public class GraphValidationTests
{
    private static readonly Node[] Good =
    [
        new Conv2d("conv1", ["input"], 3, 32, 3),
        new BatchNorm("bn1", ["conv1"], 32),
        new GlobalAvgPool("pool", ["bn1"]),
        new Flatten("flatten", ["pool"]),
        new Linear("fc", ["flatten"], 32, 10),
    ];

    private static NetworkGraph Graph(params Node[] nodes) => new("test", new TensorShape(3, 8, 8), nodes, "fc");

    private static Node[] With(int index, Node node) => [.. Good[..index], node, .. Good[(index + 1)..]];

    public static TheoryData<string, Node[]> Faults => new()
    {
        { "node 'bn1' expects 16 channels but its input 'conv1' has 32", With(1, new BatchNorm("bn1", ["conv1"], 16)) },
        { "node 'fc' expects 31 features but its input 'flatten' has 32", With(4, new Linear("fc", ["flatten"], 31, 10)) },
        { "two nodes are named 'bn1'", [.. Good[..2], new Dropout("bn1", ["bn1"], 0.5), .. Good[2..]] },
        { "node 'conv1' reads 'nowhere', which no earlier node makes", With(0, new Conv2d("conv1", ["nowhere"], 3, 32, 3)) },
        { "node 'bn1' reads 'bn1', which no earlier node makes", With(1, new BatchNorm("bn1", ["bn1"], 32)) },
        { "node 'conv1' takes 1 input, but has 2", With(0, new Conv2d("conv1", ["input", "input"], 3, 32, 3)) },
        { "needs at least 2 inputs, but has 1", With(1, new Add("bn1", ["conv1"])) },
        { "node 'dead' is dead", [.. Good[..2], new Dropout("dead", ["bn1"], 0.5), .. Good[2..]] },
        { "node 'fc' needs a flat input, but 'pool' is [32, 1, 1]", [.. Good[..3], new Linear("fc", ["pool"], 32, 10)] },
        { "output is 'fc', but no node", Good[..4] },
        { "the network's output 'fc' is [32, 6, 6]", [Good[0], new BatchNorm("fc", ["conv1"], 32)] },
        { "is larger than its input 'input', [3, 8, 8]", With(0, new Conv2d("conv1", ["input"], 3, 32, 9)) },
        { "node 'conv1' has 2 groups, which must divide", With(0, new Conv2d("conv1", ["input"], 3, 32, 3, Groups: 2)) },
        { "has stride 0; it must be between", With(0, new Conv2d("conv1", ["input"], 3, 32, 3, Stride: 0)) },
        { "has a weight of more than", With(0, new Conv2d("conv1", ["input"], 3, 1 << 27, 3)) },
        { "dropout probability 1; it must be in [0, 1)", With(1, new Dropout("bn1", ["conv1"], 1)) },
        { "node 'bn1' takes 2 inputs, but has 1", With(1, new Mul("bn1", ["conv1"])) },
        { "but its input 'conv1' is [32, 6, 6] and 'input' is [3, 8, 8]", With(1, new Mul("bn1", ["conv1", "input"])) },
        { "node 'bn1' has before -1; it must be between 0", With(1, new Pad("bn1", ["conv1"], -1, 0)) },
        { "node 'bn1' has after -1; it must be between 0", With(1, new Pad("bn1", ["conv1"], 0, -1)) },
        { "tensor of node 'bn1' has more than", With(1, new Pad("bn1", ["conv1"], 1 << 27, 1 << 28)) },
        { "node 'fc' needs [C, H, W], but its input 'flatten' is flat", [.. Good[..4], new Pad("fc", ["flatten"], 1, 1)] },
        { "node 'bn1' has height 0; it must be between 1", With(1, new AdaptiveAvgPool2d("bn1", ["conv1"], 0, 1)) },
        { "node 'bn1' has width 0; it must be between 1", With(1, new AdaptiveAvgPool2d("bn1", ["conv1"], 1, 0)) },
        { "is the image's name", [new Dropout("input", ["input"], 0.5), .. Good] },
        { "is no name for a node", [new Dropout("a b", ["input"], 0.5), .. Good] },
        { "has 0 nodes", [] },
    };

    [Theory]
    [MemberData(nameof(Faults), DisableDiscoveryEnumeration = true)]
    public void A_fault_is_named_with_its_node(string expected, Node[] nodes)
    {
        var e = Assert.Throws<LatheException>(() => GraphValidation.Check(Graph(nodes)));
        Assert.Contains(expected, e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Shapes_follow_the_image()
    {
        var shapes = GraphValidation.Check(Graph(Good));
        Assert.Equal(new TensorShape(32, 6, 6), shapes["bn1"]);
        Assert.Equal(new TensorShape(32), shapes["pool"]);
        Assert.Equal(new TensorShape(10, IsFlat: true), shapes["fc"]);
    }

    [Fact]
    public void Tensors_are_named_as_in_PyTorch() => Assert.Equal(
        [
            "conv1.weight [32,3,3,3]", "bn1.weight [32]", "bn1.bias [32]", "bn1.running_mean [32]", "bn1.running_var [32]",
            "fc.weight [10,32]", "fc.bias [10]",
        ],
        ParameterShapes.Of(Graph(Good)).Select(p => $"{p.Name} [{string.Join(',', p.Shape)}]"));

    [Fact]
    public void A_product_broadcasts_one_value_for_each_channel_from_either_side()
    {
        var (map, scale, flat) = (new TensorShape(4, 6, 5), new TensorShape(4), new TensorShape(4, IsFlat: true));
        var mul = new Mul("mul", ["a", "b"]);
        Assert.Equal(map, ShapeInference.Infer(mul, [map, scale]));
        Assert.Equal(map, ShapeInference.Infer(mul, [scale, map]));
        Assert.Equal(map, ShapeInference.Infer(mul, [map, map]));
        Assert.Throws<LatheException>(() => ShapeInference.Infer(mul, [map, flat]));
        Assert.Throws<LatheException>(() => ShapeInference.Infer(mul, [map, new TensorShape(1)]));
    }

    [Fact]
    public void Operations_are_named_for_good_in_json()
    {
        var net = new GraphBuilder("n", new TensorShape(1, 4, 4));
        net.AdaptiveAvgPool("a", 2, 3);
        net.Mul("m", "a", "a");
        net.Pad("p", 1, 2);
        net.Flatten("f");
        Assert.Equal(
            """{"version":1,"name":"n","input":[1,4,4],"nodes":["""
            + """{"op":"adaptive_avg_pool2d","name":"a","inputs":["input"],"height":2,"width":3},"""
            + """{"op":"mul","name":"m","inputs":["a","a"]},"""
            + """{"op":"pad","name":"p","inputs":["m"],"before":1,"after":2},"""
            + """{"op":"flatten","name":"f","inputs":["p"]}],"output":"f"}""",
            GraphJson.Write(net.Build()));
    }

    [Fact]
    public void Json_gives_back_every_network() => RandomNetworks.Small.Sample(
        graph =>
        {
            var json = GraphJson.Write(graph);
            Assert.Equal(json, GraphJson.Write(GraphJson.Read(json)));
        },
        iter: 300,
        threads: 1,
        print: GraphJson.Write);

    [Fact]
    public void The_operation_need_not_come_first() => Assert.Equal(
        "fc",
        GraphJson.Read("""
            {"output":"fc","input":[4],"version":1,"name":"n","nodes":[{"name":"fc","inputs":["input"],"inFeatures":4,"outFeatures":2,"op":"linear"}]}
            """).Nodes[0].Name);

    [Theory]
    [InlineData("")]
    [InlineData("null")]
    [InlineData("[]")]
    [InlineData("{}")]
    [InlineData("""{"version":2,"name":"n","input":[4],"nodes":[],"output":"fc"}""")]
    [InlineData("""{"version":1,"name":"n","input":[4],"nodes":[],"output":"fc"}""")]
    [InlineData("""{"version":1,"name":null,"input":[4],"nodes":[],"output":"fc"}""")]
    [InlineData("""{"version":1,"name":"n","input":[4,4],"nodes":[],"output":"fc"}""")]
    [InlineData("""{"version":1,"name":"n","input":[4],"nodes":[null],"output":"fc"}""")]
    [InlineData("""{"version":1,"name":"n","input":[4],"nodes":[{"op":"warp","name":"fc","inputs":["input"]}],"output":"fc"}""")]
    [InlineData("""{"version":1,"name":"n","input":[4],"nodes":[{"name":"fc","inputs":["input"]}],"output":"fc"}""")]
    [InlineData("""{"version":1,"name":"n","input":[4],"nodes":[{"op":"linear","name":"fc","inputs":[null],"inFeatures":4,"outFeatures":2}],"output":"fc"}""")]
    [InlineData("""{"version":1,"name":"n","input":[4],"nodes":[{"op":"linear","name":"fc","inputs":["input"],"outFeatures":2}],"output":"fc"}""")]
    [InlineData("""{"version":1,"name":"n","input":[4],"nodes":[{"op":"linear","name":"fc","inputs":["input"],"inFeatures":1e99,"outFeatures":2}],"output":"fc"}""")]
    [InlineData("""{"version":1,"name":"n","input":[4],"nodes":[{"op":"activation","name":"fc","inputs":["input"],"kind":7}],"output":"fc"}""")]
    public void Json_of_anything_else_is_refused(string json) => Assert.Throws<LatheException>(() => GraphJson.Read(json));

    [Fact]
    public void Damaged_json_is_read_or_refused()
    {
        var json = GraphJson.Write(RandomNetworks.Small.Example(5));
        Gen.Select(Gen.Int[0, json.Length - 1], Gen.Char[' ', '~'], Gen.Int[0, 3]).Sample(
            (at, with, remove) =>
            {
                var text = json[..at] + with + json[Math.Min(json.Length, at + remove)..];
                try
                {
                    GraphJson.Read(text);
                }
                catch (LatheException)
                {
                }
            },
            iter: 5_000,
            threads: 1);
    }
}
