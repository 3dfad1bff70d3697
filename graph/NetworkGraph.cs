namespace Lathe.Graph;

/// <summary>
/// A network as data: typed nodes over named edges. Immutable. One description serves execution, complexity, channel groups,
/// surgery and export, and none of them knows an architecture by name.
/// </summary>
/// <param name="Name">Model name, for people.</param>
/// <param name="Input">Shape of one input image.</param>
/// <param name="Nodes">In topological order. The reserved name <see cref="InputName"/> is the image.</param>
/// <param name="Output">Name of the node whose tensor is the logits [N, classes].</param>
public sealed record NetworkGraph(string Name, TensorShape Input, IReadOnlyList<Node> Nodes, string Output)
{
    /// <summary>Name that nodes use to read the image itself.</summary>
    public const string InputName = "input";

    /// <summary>Version of the JSON form, written into every checkpoint.</summary>
    public const int FormatVersion = 1;
}
