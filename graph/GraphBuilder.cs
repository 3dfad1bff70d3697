namespace Lathe.Graph;

/// <summary>Builds a graph node by node. Each node reads the previous one unless an input is given, and its shape is known at once.</summary>
/// <param name="name">Model name.</param>
/// <param name="input">Shape of one image.</param>
public sealed class GraphBuilder(string name, TensorShape input)
{
    private readonly List<Node> _nodes = [];
    private readonly Dictionary<string, TensorShape> _shapes = new() { [NetworkGraph.InputName] = input };

    /// <summary>Name of the tensor made last.</summary>
    public string Last { get; private set; } = NetworkGraph.InputName;

    /// <summary>Shape of the tensor made last.</summary>
    public TensorShape Shape => _shapes[Last];

    /// <summary>Shape of any tensor made so far.</summary>
    public TensorShape ShapeOf(string tensor) => _shapes[tensor];

    /// <summary>Appends a node.</summary>
    /// <returns>Its name.</returns>
    /// <exception cref="Lathe.Contracts.LatheException">It cannot read its inputs.</exception>
    public string Append(Node node)
    {
        _shapes.Add(node.Name, ShapeInference.Infer(node, [.. node.Inputs.Select(i => _shapes[i])]));
        _nodes.Add(node);
        return Last = node.Name;
    }

    /// <summary>Appends a convolution, without bias unless asked for.</summary>
    public string Conv(string node, int outChannels, Extent kernel, Extent stride = default, Border padding = default, int groups = 1, bool bias = false,
        string? from = null) =>
        Append(new Conv2d(node, [from ?? Last], _shapes[from ?? Last].Channels, outChannels, kernel, stride, padding, 1, groups, bias));

    /// <summary>Appends a linear layer on a flat tensor.</summary>
    public string Linear(string node, int outFeatures, bool bias = true) =>
        Append(new Linear(node, [Last], Shape.Channels, outFeatures, bias));

    /// <summary>Appends a batch norm over the channels.</summary>
    public string BatchNorm(string node) => Append(new BatchNorm(node, [Last], Shape.Channels));

    /// <summary>Appends a ReLU.</summary>
    public string Relu(string node) => Activation(node, ActivationKind.Relu);

    /// <summary>Appends an activation.</summary>
    public string Activation(string node, ActivationKind kind) => Append(new Activation(node, [Last], kind));

    /// <summary>Appends a leaky ReLU.</summary>
    public string LeakyRelu(string node, double slope) => Append(new LeakyRelu(node, [Last], slope));

    /// <summary>Appends a PReLU with a slope for each channel, or one for all.</summary>
    public string PRelu(string node, bool isShared = false) => Append(new PRelu(node, [Last], isShared ? 1 : Shape.Channels));

    /// <summary>Appends a group norm.</summary>
    public string GroupNorm(string node, int groups) => Append(new GroupNorm(node, [Last], Shape.Channels, groups));

    /// <summary>Appends a maximum over windows side by side.</summary>
    public string MaxPool(string node, Extent kernel) => MaxPool(node, kernel, kernel, 0);

    /// <summary>Appends a maximum over windows.</summary>
    public string MaxPool(string node, Extent kernel, Extent stride, Border padding) => Append(new MaxPool2d(node, [Last], kernel, stride, padding));

    /// <summary>Appends a mean over windows; with kernel 1 every stride-th pixel.</summary>
    public string AvgPool(string node, Extent kernel, Extent stride, string? from = null) =>
        Append(new AvgPool2d(node, [from ?? Last], kernel, stride));

    /// <summary>Appends a mean over windows that give this many pixels.</summary>
    public string AdaptiveAvgPool(string node, int height, int width) => Append(new AdaptiveAvgPool2d(node, [Last], height, width));

    /// <summary>Appends a mean over all pixels of each channel.</summary>
    public string GlobalAvgPool(string node, string? from = null) => Append(new GlobalAvgPool(node, [from ?? Last]));

    /// <summary>Appends a reshape of a flat tensor to channels of this many pixels.</summary>
    public string Unflatten(string node, int height, int width) => Append(new Unflatten(node, [Last], height, width));

    /// <summary>Appends a reshape to a flat tensor, channels first.</summary>
    public string Flatten(string node) => Append(new Flatten(node, [Last]));

    /// <summary>Appends a dropout, which does nothing outside of training.</summary>
    public string Dropout(string node, double probability = 0.5) => Append(new Dropout(node, [Last], probability));

    /// <summary>Appends a sum of tensors of one shape.</summary>
    public string Add(string node, params string[] inputs) => Append(new Add(node, inputs));

    /// <summary>Appends a product, in which either side may be [C, 1, 1].</summary>
    public string Mul(string node, string left, string right) => Append(new Mul(node, [left, right]));

    /// <summary>Adds zero pixels around those of the tensor made last.</summary>
    public string Pad(string node, Border border) => Append(new Pad(node, [Last], 0, 0, border));

    /// <summary>Adds zero channels before and after those of a tensor.</summary>
    public string Pad(string node, int before, int after, string? from = null) => Append(new Pad(node, [from ?? Last], before, after));

    /// <summary>Appends a concatenation of channels.</summary>
    public string Concat(string node, params string[] inputs) => Append(new Concat(node, inputs));

    /// <summary>The graph, whose output is the tensor made last, checked.</summary>
    /// <exception cref="Lathe.Contracts.LatheException">It is no valid network.</exception>
    public NetworkGraph Build()
    {
        var graph = new NetworkGraph(name, input, [.. _nodes], Last);
        GraphValidation.Check(graph);
        return graph;
    }
}
