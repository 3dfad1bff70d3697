using TorchSharp.Modules;
using static TorchSharp.torch;
using F = TorchSharp.torch.nn.functional;

namespace Lathe.Benchmarks.Engine;

/// <summary>ResNets written with TorchSharp's modules as its users write them, named as in torchvision.</summary>
internal sealed class PlainResNet : nn.Module<Tensor, Tensor>
{
    private readonly Conv2d _conv1;
    private readonly BatchNorm2d _bn1;
    private readonly bool _pools;
    private readonly List<Sequential> _layers = [];
    private readonly Linear _fc;

    private PlainResNet(string name, Conv2d conv1, bool pools, IEnumerable<IEnumerable<nn.Module<Tensor, Tensor>>> layers, int features, int classes)
        : base(name)
    {
        _conv1 = conv1;
        _bn1 = nn.BatchNorm2d(conv1.out_channels);
        _pools = pools;
        _fc = nn.Linear(features, classes);
        register_module("conv1", _conv1);
        register_module("bn1", _bn1);
        foreach (var blocks in layers)
        {
            var layer = nn.Sequential([.. blocks]);
            _layers.Add(layer);
            register_module($"layer{_layers.Count}", layer);
        }

        register_module("fc", _fc);
    }

    /// <summary>For 3x32x32 images: 16-32-64 filters, shortcuts without parameters (option A).</summary>
    public static PlainResNet ResNet20(int classes)
    {
        int[] filters = [16, 32, 64];
        var layers = filters.Select((width, stage) => Enumerable.Range(0, 3).Select(block =>
            (nn.Module<Tensor, Tensor>)(stage > 0 && block == 0 ? new PlainBasicBlock(width / 2, width, 2) : new PlainBasicBlock(width, width, 1))));
        return new PlainResNet("resnet20", nn.Conv2d(3, 16, 3, padding: 1, bias: false), pools: false, layers, 64, classes);
    }

    /// <summary>For 3x224x224 images, as in torchvision.</summary>
    public static PlainResNet ResNet50(int classes)
    {
        int[] blocks = [3, 4, 6, 3];
        var layers = blocks.Select((count, stage) => Enumerable.Range(0, count).Select(block => (nn.Module<Tensor, Tensor>)new PlainBottleneck(
            block > 0 ? 256 << stage : stage > 0 ? 128 << stage : 64, 64 << stage, stage > 0 && block == 0 ? 2 : 1, project: block == 0)));
        return new PlainResNet("resnet50", nn.Conv2d(3, 64, 7, stride: 2, padding: 3, bias: false), pools: true, layers, 2048, classes);
    }

    public override Tensor forward(Tensor input)
    {
        var x = F.relu(_bn1.call(_conv1.call(input)));
        if (_pools)
            x = F.max_pool2d(x, 3, 2, 1);
        foreach (var layer in _layers)
            x = layer.call(x);
        return _fc.call(F.adaptive_avg_pool2d(x, 1).flatten(1));
    }
}

/// <summary>Two 3x3 convolutions; where the shape changes the shortcut takes every other pixel and pads channels with zeros.</summary>
internal sealed class PlainBasicBlock : nn.Module<Tensor, Tensor>
{
    private readonly Conv2d _conv1;
    private readonly BatchNorm2d _bn1;
    private readonly Conv2d _conv2;
    private readonly BatchNorm2d _bn2;
    private readonly int _stride;
    private readonly int _padding;

    public PlainBasicBlock(int inChannels, int filters, int stride)
        : base("BasicBlock")
    {
        _stride = stride;
        _padding = (filters - inChannels) / 2;
        _conv1 = nn.Conv2d(inChannels, filters, 3, stride: stride, padding: 1, bias: false);
        _bn1 = nn.BatchNorm2d(filters);
        _conv2 = nn.Conv2d(filters, filters, 3, padding: 1, bias: false);
        _bn2 = nn.BatchNorm2d(filters);
        register_module("conv1", _conv1);
        register_module("bn1", _bn1);
        register_module("conv2", _conv2);
        register_module("bn2", _bn2);
    }

    public override Tensor forward(Tensor input)
    {
        var x = F.relu(_bn1.call(_conv1.call(input)));
        x = _bn2.call(_conv2.call(x));
        var shortcut = input;
        if (_stride > 1)
        {
            var everyOther = TensorIndex.Slice(null, null, _stride);
            shortcut = F.pad(input[TensorIndex.Colon, TensorIndex.Colon, everyOther, everyOther], [0, 0, 0, 0, _padding, _padding]);
        }

        return F.relu(x + shortcut);
    }
}

/// <summary>1x1, 3x3 and 1x1 convolutions, the 3x3 striding; the shortcut is projected where the shape changes.</summary>
internal sealed class PlainBottleneck : nn.Module<Tensor, Tensor>
{
    private readonly Conv2d _conv1;
    private readonly BatchNorm2d _bn1;
    private readonly Conv2d _conv2;
    private readonly BatchNorm2d _bn2;
    private readonly Conv2d _conv3;
    private readonly BatchNorm2d _bn3;
    private readonly Sequential? _downsample;

    public PlainBottleneck(int inChannels, int filters, int stride, bool project)
        : base("Bottleneck")
    {
        _conv1 = nn.Conv2d(inChannels, filters, 1, bias: false);
        _bn1 = nn.BatchNorm2d(filters);
        _conv2 = nn.Conv2d(filters, filters, 3, stride: stride, padding: 1, bias: false);
        _bn2 = nn.BatchNorm2d(filters);
        _conv3 = nn.Conv2d(filters, 4 * filters, 1, bias: false);
        _bn3 = nn.BatchNorm2d(4 * filters);
        register_module("conv1", _conv1);
        register_module("bn1", _bn1);
        register_module("conv2", _conv2);
        register_module("bn2", _bn2);
        register_module("conv3", _conv3);
        register_module("bn3", _bn3);
        if (!project)
            return;
        _downsample = nn.Sequential(nn.Conv2d(inChannels, 4 * filters, 1, stride: stride, bias: false), nn.BatchNorm2d(4 * filters));
        register_module("downsample", _downsample);
    }

    public override Tensor forward(Tensor input)
    {
        var x = F.relu(_bn1.call(_conv1.call(input)));
        x = F.relu(_bn2.call(_conv2.call(x)));
        x = _bn3.call(_conv3.call(x));
        return F.relu(x + (_downsample is null ? input : _downsample.call(input)));
    }
}
