using Lathe.Contracts;
using Lathe.Graph;
using Lathe.NN.Execution;
using Lathe.NN.Runtime;
using Lathe.Testing;
using TorchSharp;
using static TorchSharp.torch;

namespace Lathe.NN.Tests.Execution;

[Trait("oneDNN", "on and off")]
public sealed class GraphModuleTests : IDisposable
{
    private readonly DisposeScope _scope;

    public GraphModuleTests()
    {
        TorchRuntime.Configure(1);
        _scope = NewDisposeScope();
    }

    public void Dispose() => _scope.Dispose();

    [Fact]
    public void The_network_computes_what_layers_put_together_by_hand_compute()
    {
        using var module = GraphModule.Create(Samples.Network(), 1);
        var p = module.Parameters;
        var conv1 = nn.Conv2d(1, 4, 3, padding: 1, bias: false);
        var bn1 = nn.BatchNorm2d(4);
        var conv2 = nn.Conv2d(4, 4, 3, padding: 1);
        var pool = nn.MaxPool2d(2);
        var fc = nn.Linear(64, 3);
        using (no_grad())
        {
            conv1.weight!.copy_(p["conv1.weight"]);
            conv2.weight!.copy_(p["conv2.weight"]);
            conv2.bias!.copy_(p["conv2.bias"]);
            fc.weight!.copy_(p["fc.weight"]);
            fc.bias!.copy_(p["fc.bias"]);
        }

        // Dropout is off outside training; a training pass of batch norm first, so that running statistics move.
        var x = Input(6);
        var hidden = nn.functional.relu(bn1.forward(conv1.forward(x)));
        module.Forward(x, training: true);
        bn1.eval();
        hidden = nn.functional.relu(bn1.forward(conv1.forward(x)));
        var expected = fc.forward(pool.forward(conv2.forward(hidden) + hidden).flatten(1));
        var logits = module.Forward(x, training: false);
        Assert.Equal([6L, 3L], logits.shape);
        Assert.True(logits.allclose(expected, 1e-5, 1e-6));
        Assert.True(module.Buffers["bn1.running_mean"].allclose(bn1.running_mean!, 1e-5, 1e-7));
    }

    public static TheoryData<int, int> Channels => new() { { 1, 1 }, { 1, 16 }, { 2, 1 }, { 2, 2 } };

    [Theory]
    [MemberData(nameof(Channels))]
    public void A_convolution_of_a_batch_computes_what_it_does_of_each_image_alone(int channels, int outputs)
    {
        foreach (var (height, width) in ((int, int)[])[(6, 1), (1, 6), (7, 2), (5, 5)])
        foreach (var (kernel, stride, padding) in ((Extent, Extent, Border)[])[
            (new(1, 2), new(1, 2), 1), (new(2, 2), new(1, 3), 1), (new(3, 3), new(2, 2), 1), (new(3, 3), new(3, 1), 1), (new(1, 1), new(1, 2), 0), (new(2, 1), new(1, 3), 1)])
        {
            var conv = new Conv2d("conv", ["input"], channels, outputs, kernel, stride, padding, Bias: true);
            var flat = new Flatten("flat", ["conv"]);
            using var module = GraphModule.Create(new NetworkGraph("one", new TensorShape(channels, height, width), [conv, flat], "flat"), 3);
            var images = randn([3, channels, height, width], generator: new Generator(1));
            var batch = module.Forward(images, training: false);
            var alone = cat([.. Enumerable.Range(0, 3).Select(i => module.Forward(images.narrow(0, i, 1), training: false))], 0);
            Assert.True(batch.allclose(alone, 1e-4, 1e-5), $"{height} x {width}, {kernel}, {stride}, {padding}");
        }
    }

    [Fact]
    public void Every_kind_of_layer_runs()
    {
        var graph = new NetworkGraph(
            "all",
            new TensorShape(3, 8, 8),
            [
                new Conv2d("depthwise", ["input"], 3, 6, 3, Stride: 2, Padding: 2, Dilation: 2, Groups: 3),
                new Activation("relu6", ["depthwise"], ActivationKind.Relu6),
                new Activation("swish", ["depthwise"], ActivationKind.HardSwish),
                new Activation("silu", ["depthwise"], ActivationKind.Silu),
                new Activation("sigmoid", ["depthwise"], ActivationKind.Sigmoid),
                new Concat("concat", ["relu6", "swish", "silu"]),
                new Conv2d("project", ["concat"], 18, 6, 1),
                new Add("add", ["project", "sigmoid", "relu6"]),
                new AvgPool2d("avg", ["add"], 2, 2),
                new GlobalAvgPool("global", ["avg"]),
                new Flatten("flat", ["global"]),
                new BatchNorm("norm", ["flat"], 6),
                new Linear("fc", ["norm"], 6, 4, Bias: false),
            ],
            "fc");
        using var module = GraphModule.Create(graph, 1);
        var x = randn(2, 3, 8, 8, generator: new Generator(1));
        var logits = module.Forward(x, training: false);
        var p = module.Parameters;
        var d = nn.functional.conv2d(x, p["depthwise.weight"], null, [2, 2], [2, 2], [2, 2], 3);
        var r = d.clamp(0, 6);
        var joined = cat([r, d * (d + 3).clamp(0, 6) / 6, d * d.sigmoid()], 1);
        var sum = nn.functional.conv2d(joined, p["project.weight"]) + d.sigmoid() + r;
        var expected = nn.functional.linear(sum.mean([2, 3]) / Math.Sqrt(1 + 1e-5), p["fc.weight"]);
        Assert.True(logits.allclose(expected, 1e-4, 1e-5));
    }

    [Fact]
    public void Random_networks_compute_what_their_definition_says()
    {
        for (var seed = 0; seed < 150; seed++)
        {
            using var scope = NewDisposeScope();
            var graph = RandomNetworks.Small.Example(seed);
            var tensors = ReferenceRun.RandomTensors(graph, seed);
            using var module = GraphModule.FromTensors(graph, tensors);
            var images = randn([2, graph.Input.Channels, graph.Input.Height, graph.Input.Width], generator: new Generator((ulong)seed));
            var expected = ReferenceRun.Logits(graph, tensors, images);
            var difference = (module.Forward(images, training: false) - expected).abs().max().item<float>();
            Assert.True(difference <= 1e-4f * expected.abs().max().item<float>() + 1e-12f, $"difference {difference} in {GraphJson.Write(graph)}");
        }
    }

    [Fact]
    public void Every_operation_leaves_a_pixels_channels_side_by_side()
    {
        Node[] operations =
        [
            new Conv2d("op", ["conv"], 8, 8, 3, Padding: 1, Groups: 8),
            new AvgPool2d("op", ["conv"], 1, 2),
            new AdaptiveAvgPool2d("op", ["conv"], 2, 3),
            new Mul("op", ["conv", "mean"]),
            new Mul("op", ["mean", "conv"]),
            new Pad("op", ["conv"], 2, 3),
            new Concat("op", ["conv", "conv"]),
        ];
        foreach (var operation in operations)
        {
            var graph = new NetworkGraph(
                "layout", new TensorShape(3, 6, 6), [new Conv2d("conv", ["input"], 3, 8, 1), new GlobalAvgPool("mean", ["conv"]), operation], "op");
            using var module = GraphModule.Create(graph, 1);
            Assert.Equal(1, module.Forward(randn(2, 3, 6, 6), training: false).stride(1));
        }
    }

    [Fact]
    public void Gradients_reach_every_parameter()
    {
        using var module = GraphModule.Create(Samples.Network(), 1);
        module.Forward(Input(6), training: true).pow(2).sum().backward();
        foreach (var (name, parameter) in module.Parameters)
            Assert.True(parameter.grad is not null && parameter.grad.abs().sum().item<float>() > 0, name);
    }

    [Fact]
    public void A_view_replaces_what_the_forward_pass_uses_and_lets_gradients_through()
    {
        using var module = GraphModule.Create(Samples.Network(), 1);
        var gate = tensor(new[] { 1f, 0f, 1f, 1f });
        Tensor View(string name, Tensor value) => name switch
        {
            // Straight through: forward b·g, backward as if b.
            "conv2.bias" => value + ((value * gate) - value).detach(),
            _ => value,
        };
        var x = Input(6);
        using (no_grad())
            module.Parameters["conv2.bias"].fill_(1);
        var logits = module.Forward(x, training: false, View);
        using (no_grad())
            module.Parameters["conv2.bias"].mul_(gate);

        Assert.True(logits.eq(module.Forward(x, training: false)).all().item<bool>());
        // A closed gate still hears what the loss wants.
        module.Forward(x, training: true, View).pow(2).sum().backward();
        Assert.NotEqual(0, module.Parameters["conv2.bias"].grad!.data<float>()[1]);
    }

    [Fact]
    public void Dropout_depends_on_its_stream_alone()
    {
        using var module = GraphModule.Create(Samples.Network(0.5), 1);
        var x = Input(6);
        var stream = CounterRandom.For(1, "dropout", 1);
        var first = module.Forward(x, training: true, dropout: stream);
        Assert.True(first.eq(module.Forward(x, training: true, dropout: stream)).all().item<bool>());
        Assert.False(first.eq(module.Forward(x, training: true, dropout: CounterRandom.For(1, "dropout", 2))).all().item<bool>());
    }

    [Fact]
    public void The_same_seed_gives_the_same_bits_and_leaves_libtorchs_generator_alone()
    {
        random.manual_seed(1);
        using var a = GraphModule.Create(Samples.Network(), 1);
        random.manual_seed(2);
        using var b = GraphModule.Create(Samples.Network(), 1);
        using var c = GraphModule.Create(Samples.Network(), 2);
        Assert.Equal(Samples.Digest(a.Snapshot()), Samples.Digest(b.Snapshot()));
        Assert.NotEqual(Samples.Digest(a.Snapshot()), Samples.Digest(c.Snapshot()));
    }

    [Fact]
    public void Convolutions_start_at_their_fan_out()
    {
        var graph = new NetworkGraph(
            "wide", new TensorShape(16, 4, 4), [new Conv2d("conv", ["input"], 16, 64, 3, Padding: 1)], "conv");
        using var module = GraphModule.Create(graph, 1);
        Assert.Equal(Math.Sqrt(2.0 / (64 * 9)), module.Parameters["conv.weight"].std().item<float>(), 0.002);
    }

    [Theory]
    [InlineData(32, 9)] // depthwise: a channel's fan-out is its own filter
    [InlineData(4, 72)] // eight output channels for each input channel
    public void The_fan_out_of_a_grouped_convolution_is_within_its_group(int groups, int fanOut)
    {
        var graph = new NetworkGraph(
            "grouped", new TensorShape(32, 4, 4), [new Conv2d("conv", ["input"], 32, 32, 3, Padding: 1, Groups: groups)], "conv");
        using var module = GraphModule.Create(graph, 1);
        var expected = Math.Sqrt(2.0 / fanOut);
        Assert.Equal(expected, module.Parameters["conv.weight"].std().item<float>(), expected / 5);
    }

    [Fact]
    public void A_snapshot_makes_the_same_network_again_and_is_a_copy()
    {
        using var module = GraphModule.Create(Samples.Network(), 1);
        var x = Input(6);
        module.Forward(x, training: true);
        var snapshot = module.Snapshot();
        using var again = GraphModule.FromTensors(Samples.Network(), snapshot);
        Assert.Equal(
            ["conv1.weight", "bn1.weight", "bn1.bias", "bn1.running_mean", "bn1.running_var", "conv2.weight", "conv2.bias", "fc.weight", "fc.bias"],
            snapshot.Keys);
        Assert.True(module.Forward(x, false).eq(again.Forward(x, false)).all().item<bool>());
        using (no_grad())
            snapshot["fc.bias"].fill_(9);
        Assert.True(module.Forward(x, false).eq(again.Forward(x, false)).all().item<bool>());
    }

    [Fact]
    public void Tensors_that_do_not_fit_are_named()
    {
        using var module = GraphModule.Create(Samples.Network(), 1);
        var tensors = module.Snapshot().ToDictionary();
        tensors.Remove("conv1.weight");
        tensors["fc.bias"] = zeros(5);
        tensors["spare"] = zeros(1);
        var error = Assert.Throws<LatheException>(() => GraphModule.FromTensors(Samples.Network(), tensors));
        Assert.Contains("conv1.weight is missing", error.Message, StringComparison.Ordinal);
        Assert.Contains("fc.bias is [5] and should be [3]", error.Message, StringComparison.Ordinal);
        Assert.Contains("spare belongs to no layer", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_network_without_parameters_is_refused()
    {
        var graph = new NetworkGraph("empty", new TensorShape(1, 4, 4), [new Flatten("flat", ["input"])], "flat");
        Assert.Throws<LatheException>(() => GraphModule.Create(graph, 1));
    }

    [Fact]
    public void Evaluation_holds_no_activation_that_nobody_reads_any_more()
    {
        using var module = GraphModule.Create(Samples.Network(), 1);
        using var noGradient = no_grad();
        var x = Input(6);
        var before = DisposeScopeManager.Statistics.ThreadTotalLiveCount;
        using var logits = module.Forward(x, training: false);
        Assert.Equal(before + 1, DisposeScopeManager.Statistics.ThreadTotalLiveCount);
    }

    private static Tensor Input(int count) => randn(count, 1, 8, 8, generator: new Generator(3));
}
