using Lathe.Contracts;

namespace Lathe.Graph.Models;

/// <summary>A model that Lathe can build.</summary>
/// <param name="Name">As sweeps name it.</param>
/// <param name="Summary">One line for a person.</param>
/// <param name="DataSet">Data set it is usually trained on.</param>
/// <param name="Input">That data set's image shape.</param>
/// <param name="Classes">That data set's classes.</param>
public sealed record ZooEntry(string Name, string Summary, string DataSet, TensorShape Input, int Classes);

/// <summary>
/// The networks that Lathe builds by name. A name may end in a width, <c>resnet50@0.5</c>: a factor, above 0 and at most 8, on the
/// channels of every layer but the logits. Channels are rounded to the nearest, at least 1; MobileNetV2's to multiples of 8, as
/// torchvision does. DenseNets are named by depth and, for small images, growth: <c>densenet100-12</c> is L = 100, k = 12; of these any
/// depth and growth is built, in the list or not.
/// </summary>
public static class Zoo
{
    private const string Cifar = "cifar-10";
    private const string ImageNet = "imagenet";

    private static readonly Model[] Models =
    [
        new("lenet5", "two 5x5 convolutions and two linear layers, 16-32-128", "fashion-mnist", 4, Sequential.LeNet5),
        new("vgg7", "2x128-2x256-2x512 convolutions, 1024 hidden units", Cifar, 8, Sequential.Vgg7),
        new("vgg11", "VGG-11 with batch norm", Cifar, 32, Sequential.Vgg11),
        new("vgg16", "VGG-16 with batch norm", Cifar, 32, Sequential.Vgg16),
        new("resnet8", "ResNet-8 for small images, of MLPerf Tiny's networks", Cifar, 4, Residual.OfMlperfTiny),
        new("resnet20", "ResNet-20 for small images, zero-padded shortcuts", Cifar, 4, spec => Residual.ForSmallImages(spec, 20)),
        new("resnet32", "ResNet-32 for small images, zero-padded shortcuts", Cifar, 4, spec => Residual.ForSmallImages(spec, 32)),
        new("resnet44", "ResNet-44 for small images, zero-padded shortcuts", Cifar, 4, spec => Residual.ForSmallImages(spec, 44)),
        new("resnet56", "ResNet-56 for small images, zero-padded shortcuts", Cifar, 4, spec => Residual.ForSmallImages(spec, 56)),
        new("resnet110", "ResNet-110 for small images, zero-padded shortcuts", Cifar, 4, spec => Residual.ForSmallImages(spec, 110)),
        DenseNet(new(76, 12)),
        DenseNet(new(100, 12)),
        new("resnet18", "ResNet-18 as in torchvision", ImageNet, 32, spec => Residual.OfBasicBlocks(spec, [2, 2, 2, 2])),
        new("resnet34", "ResNet-34 as in torchvision", ImageNet, 32, spec => Residual.OfBasicBlocks(spec, [3, 4, 6, 3])),
        new("resnet50", "ResNet-50 as in torchvision", ImageNet, 32, spec => Residual.OfBottlenecks(spec, [3, 4, 6, 3])),
        new("resnet101", "ResNet-101 as in torchvision", ImageNet, 32, spec => Residual.OfBottlenecks(spec, [3, 4, 23, 3])),
        new("mobilenetv2", "MobileNetV2 as in torchvision", ImageNet, 32, MobileNet.V2),
        new("densenet121", "DenseNet-121 as in torchvision", ImageNet, 32, Dense.DenseNet121),
    ];

    /// <param name="Name">Without a width.</param>
    /// <param name="Summary">One line for a person.</param>
    /// <param name="DataSet">Data set it is usually trained on.</param>
    /// <param name="LeastSide">Height and width of the smallest images that its poolings and strides leave something of.</param>
    /// <param name="Build">Writes the graph down.</param>
    private sealed record Model(string Name, string Summary, string DataSet, int LeastSide, Func<ModelSpec, NetworkGraph> Build)
    {
        public ZooEntry Entry { get; } = DataSet switch
        {
            ImageNet => new(Name, Summary, DataSet, new TensorShape(3, 224, 224), 1000),
            Cifar => new(Name, Summary, DataSet, new TensorShape(3, 32, 32), 10),
            _ => new(Name, Summary, DataSet, new TensorShape(1, 28, 28), 10),
        };
    }

    /// <summary>Names that are built beside the listed ones, for people.</summary>
    public static string BeyondEntries => DenseNetName.Form;

    /// <summary>Every listed model at its published width, in the order of the list for people.</summary>
    public static IReadOnlyList<ZooEntry> Entries { get; } = [.. Models.Select(m => m.Entry)];

    /// <summary>Builds a model for images of a shape and a number of classes.</summary>
    /// <param name="name">One of <see cref="Entries"/> or <see cref="BeyondEntries"/>, with or without a width.</param>
    /// <param name="input">Shape of one image.</param>
    /// <param name="classes">Number of logits.</param>
    /// <exception cref="LatheException">No such model or width, no classes, or images too small for it.</exception>
    public static NetworkGraph Build(string name, TensorShape input, int classes)
    {
        var (model, parsed) = Find(name);
        if (classes < 1)
            throw new LatheException($"model '{name}' was asked for {classes} classes; it needs at least 1");
        if (input.IsFlat)
            throw new LatheException($"model '{name}' reads images [C, H, W], not {input}");
        if (input.Height < model.LeastSide || input.Width < model.LeastSide)
            throw new LatheException($"model '{name}' cannot be built for images {input}: it needs at least {model.LeastSide} x {model.LeastSide} pixels");
        try
        {
            return model.Build(new ModelSpec(parsed.ToString(), input, classes, parsed.Width));
        }
        catch (LatheException e)
        {
            throw new LatheException($"model '{name}' cannot be built for images {input}: {e.Message}", inner: e);
        }
    }

    /// <summary>The entry of a model; its name has the width that was asked for.</summary>
    /// <exception cref="LatheException">No such model or width; the message lists the known ones.</exception>
    public static ZooEntry Entry(string name)
    {
        var (model, parsed) = Find(name);
        return model.Entry with { Name = parsed.ToString() };
    }

    private static (Model Model, ModelName Name) Find(string name)
    {
        var parsed = ModelName.Parse(name);
        var model = Array.Find(Models, m => m.Name == parsed.Base)
            ?? (DenseNetName.Parse(parsed.Base) is { } dense ? DenseNet(dense) : throw Unknown(name, parsed.Base));
        return (model, parsed with { Base = model.Name });
    }

    private static Model DenseNet(DenseNetName name) => new(
        name.ToString(), $"DenseNet-BC for small images, L = {name.Depth}, k = {name.Growth}", Cifar, 4, spec => Dense.ForSmallImages(spec, name.Depth, name.Growth));

    private static LatheException Unknown(string name, string model)
    {
        var lower = model.ToLowerInvariant();
        var nearest = DenseNetName.Parse(lower)?.ToString() ?? Models.MinBy(m => Distance(lower, m.Name))!.Name;
        var hint = Distance(lower, nearest) <= 2 ? $" (did you mean '{nearest}{name[model.Length..]}'?)" : "";
        return new LatheException($"unknown model '{name}'{hint}; known are {string.Join(", ", Models.Select(m => m.Name))}, and {BeyondEntries}");
    }

    /// <summary>Edits (insert, delete, replace) from one word to another.</summary>
    private static int Distance(string a, string b)
    {
        var row = Enumerable.Range(0, b.Length + 1).ToArray();
        for (var i = 1; i <= a.Length; i++)
        {
            var diagonal = row[0];
            row[0] = i;
            for (var j = 1; j <= b.Length; j++)
            {
                var replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
                diagonal = row[j];
                row[j] = Math.Min(replaced, Math.Min(row[j], row[j - 1]) + 1);
            }
        }

        return row[^1];
    }
}
