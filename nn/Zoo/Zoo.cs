using Lathe.Contracts;
using Lathe.NN.Graphs;

namespace Lathe.NN.Models;

/// <summary>A model that Lathe can build.</summary>
/// <param name="Name">As sweeps name it.</param>
/// <param name="Summary">One line for a person.</param>
/// <param name="DataSet">Data set it is usually trained on.</param>
/// <param name="Input">That data set's image shape.</param>
/// <param name="Classes">That data set's classes.</param>
public sealed record ZooEntry(string Name, string Summary, string DataSet, TensorShape Input, int Classes);

/// <summary>The networks that Lathe builds by name.</summary>
public static class Zoo
{
    private static readonly TensorShape Cifar = new(3, 32, 32);

    private static readonly (ZooEntry Entry, Func<TensorShape, int, NetworkGraph> Build)[] Models =
    [
        (new("lenet5", "two 5x5 convolutions and two linear layers, 16-32-128", "fashion-mnist", new(1, 28, 28), 10), Sequential.LeNet5),
        (new("vgg7", "2x128-2x256-2x512 convolutions, 1024 hidden units", "cifar-10", Cifar, 10), Sequential.Vgg7),
        (new("vgg11", "VGG-11 with batch norm", "cifar-10", Cifar, 10), Sequential.Vgg11),
        (new("vgg16", "VGG-16 with batch norm", "cifar-10", Cifar, 10), Sequential.Vgg16),
        (new("resnet20", "ResNet-20 for small images, projection shortcuts", "cifar-10", Cifar, 10), Residual.ResNet20),
    ];

    /// <summary>Every model, in the order of the list for people.</summary>
    public static IReadOnlyList<ZooEntry> Entries { get; } = [.. Models.Select(m => m.Entry)];

    /// <summary>Builds a model for images of a shape and a number of classes.</summary>
    /// <exception cref="LatheException">No such model, no classes, or images too small for it.</exception>
    public static NetworkGraph Build(string name, TensorShape input, int classes)
    {
        var model = Array.Find(Models, m => m.Entry.Name == name);
        if (model.Build is null)
            throw Unknown(name);
        if (classes < 1)
            throw new LatheException($"model '{name}' was asked for {classes} classes; it needs at least 1");
        if (input.IsFlat)
            throw new LatheException($"model '{name}' reads images [C, H, W], not {input}");
        try
        {
            return model.Build(input, classes);
        }
        catch (LatheException e)
        {
            throw new LatheException($"model '{name}' cannot be built for images {input}: {e.Message}", inner: e);
        }
    }

    /// <summary>The entry of a model.</summary>
    /// <exception cref="LatheException">No such model; the message lists the known ones.</exception>
    public static ZooEntry Entry(string name) => Entries.FirstOrDefault(e => e.Name == name) ?? throw Unknown(name);

    private static LatheException Unknown(string name)
    {
        var nearest = Entries.MinBy(e => Distance(name.ToLowerInvariant(), e.Name))!.Name;
        var hint = Distance(name.ToLowerInvariant(), nearest) <= 2 ? $" Did you mean '{nearest}'?" : "";
        return new LatheException($"there is no model '{name}'.{hint} Known: {string.Join(", ", Entries.Select(e => e.Name))}.");
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
