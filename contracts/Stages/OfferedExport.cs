namespace Lathe.Contracts;

/// <summary>A form in which a checkpoint can be taken away.</summary>
/// <param name="Name">Lower-case word with dashes, for example <c>onnx-qdq</c>.</param>
/// <param name="Summary">One line for a person.</param>
/// <param name="Options">What can be chosen; empty: nothing.</param>
public sealed record OfferedExport(string Name, string Summary, IReadOnlyList<ExportOption> Options)
{
    /// <summary>What a network must have for it; null: nothing.</summary>
    public ExportNeeds? Needs { get; init; }
}

/// <summary>What a network must have for an export. A coordinator tells by it, without computing, which networks cannot have the export.</summary>
/// <param name="WholeWeights">Every convolution and fully connected layer has weights of whole numbers.</param>
/// <param name="WholeActivations">Activations are rounded to whole numbers.</param>
/// <param name="Set">What in a sweep makes such networks, as with <c>--set</c>: <c>quantize.activations=8</c>.</param>
public sealed record ExportNeeds(bool WholeWeights, bool WholeActivations, string Set);

/// <summary>Something that can be chosen of an export.</summary>
/// <param name="Name">For example <c>weights</c>.</param>
/// <param name="Values">What may be chosen, the usual one first.</param>
/// <param name="Summary">One line for a person.</param>
public sealed record ExportOption(string Name, IReadOnlyList<string> Values, string Summary);
