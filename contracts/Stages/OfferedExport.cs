namespace Lathe.Contracts;

/// <summary>A form in which a checkpoint can be taken away.</summary>
/// <param name="Name">Lower-case word with dashes, for example <c>onnx-qdq</c>.</param>
/// <param name="Summary">One line for a person.</param>
/// <param name="Options">What can be chosen; empty: nothing.</param>
public sealed record OfferedExport(string Name, string Summary, IReadOnlyList<ExportOption> Options);

/// <summary>Something that can be chosen of an export.</summary>
/// <param name="Name">For example <c>weights</c>.</param>
/// <param name="Values">What may be chosen, the usual one first.</param>
/// <param name="Summary">One line for a person.</param>
public sealed record ExportOption(string Name, IReadOnlyList<string> Values, string Summary);
